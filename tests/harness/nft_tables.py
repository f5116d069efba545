"""nf_tables from few words: the values that tests are about."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model.rule import Hook
from lvsmarkd.netfilter.nftables.datatypes import DataType
from lvsmarkd.netfilter.nftables.objects import ChainBase, NftChain, NftSet, TableId

OURS = TableId(NftFamily.INET, "ours")
HOST = (DataType.IPV4_ADDR, DataType.INET_PROTO, DataType.INET_SERVICE)
HOSTS = NftSet(OURS, "hosts", HOST, DataType.MARK, counters=True)
RANGES = NftSet(OURS, "ranges", HOST, DataType.MARK, interval=True)
PREFIXES = NftSet(OURS, "prefixes", (DataType.IPV4_ADDR,), DataType.MARK, interval=True)
PRE = NftChain(OURS, "pre", ChainBase(Hook.PREROUTING, -139))


def addr(text: str) -> IPv4Address | IPv6Address:
    """An address."""
    return ip_address(text)
