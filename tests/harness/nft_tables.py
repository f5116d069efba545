"""nf_tables from few words: the values that tests are about."""

import os
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from lvsmarkd.backends.nftables.mark_table import counted
from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.netfilter.nftables.datatypes import DataType
from lvsmarkd.netfilter.nftables.objects import (
    ChainBase,
    NftChain,
    NftSet,
    TableContents,
    TableFlag,
    TableId,
)
from lvsmarkd.netfilter.nftables.ownership import supported_flags
from tests.harness.netns import run

OURS = TableId(NftFamily.INET, "ours")
HOST = (DataType.IPV4_ADDR, DataType.INET_PROTO, DataType.INET_SERVICE)
HOSTS = NftSet(OURS, "hosts", HOST, DataType.MARK, counters=True)
RANGES = NftSet(OURS, "ranges", HOST, DataType.MARK, interval=True)
PREFIXES = NftSet(OURS, "prefixes", (DataType.IPV4_ADDR,), DataType.MARK, interval=True)
PRE = NftChain(OURS, "pre", ChainBase(Hook.PREROUTING, -139))


def needs(flags: TableFlag) -> None:
    """The rest is about kernels that have tables with these flags: ``persist`` is younger than
    Debian 12's kernel, on which the other tests are worth running. Where SKIP_NOTHING is set, as
    CI has it, what cannot run fails.
    """
    with NfTablesSocket() as kernel:
        found = supported_flags(kernel)
    if flags & ~found:
        why = f"this kernel has {found!r} of the flags of tables, and this is about {flags!r}"
        if "SKIP_NOTHING" in os.environ:
            pytest.fail(why)
        pytest.skip(why)  # told with the run's summary: it is about what the kernel lacks


def by_service(contents: TableContents) -> dict[ServiceKey, int]:
    """The packets that a table's maps have counted, of services that had some."""
    total = Counter[ServiceKey]()
    for each in counted(contents):
        total[each.service] += each.packets
    return {service: packets for service, packets in total.items() if packets}


def tables() -> list[str]:
    """The tables that there are, as nft names them."""
    listed = run("nft", "list", "tables").splitlines()
    return [line.removeprefix("table ") for line in listed]


def addr(text: str) -> IPv4Address | IPv6Address:
    """An address."""
    return ip_address(text)
