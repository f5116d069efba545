"""Conditions and effects of rules, as nft would write them: it lists them in its own words.

Each gives the expressions of one condition; a rule is some of them in turn. In a table of family
inet what is looked at in the IP header follows ``of_family``.
"""

from collections.abc import Sequence
from sys import byteorder

from msgspec.structs import replace

from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.service import Family, Network
from lvsmarkd.netfilter.nftables.datatypes import DataType, packed, padded
from lvsmarkd.netfilter.nftables.expressions import (
    Bitwise,
    Cmp,
    CmpRange,
    Comparison,
    Expression,
    Immediate,
    LoadMeta,
    MetaKey,
    Payload,
    PayloadBase,
    SetLookup,
    StoreMeta,
)
from lvsmarkd.netfilter.nftables.objects import NftSet

Load = Payload | LoadMeta

DADDR: dict[Family, Payload] = {
    Family.INET: Payload(PayloadBase.NETWORK, 16, 4),
    Family.INET6: Payload(PayloadBase.NETWORK, 24, 16),
}
"""The destination."""
L4PROTO: Load = LoadMeta(MetaKey.L4PROTO)
DPORT: Load = Payload(PayloadBase.TRANSPORT, 2, 2)
"""The destination port, of whatever has it where TCP and UDP do."""
IIFNAME: Load = LoadMeta(MetaKey.IIFNAME)
MARK: Load = LoadMeta(MetaKey.MARK)
_SOURCE_MAC: Load = Payload(PayloadBase.LINK, 6, 6)
_NFPROTO = {Family.INET: b"\x02", Family.INET6: b"\x0a"}
_ETHERNET = Cmp((1).to_bytes(2, byteorder))  # ARPHRD_ETHER


def of_family(family: Family) -> tuple[Expression, ...]:
    """Packets of IPv4, or of IPv6."""
    return (LoadMeta(MetaKey.NFPROTO), Cmp(_NFPROTO[family]))


def to_network(network: Network) -> tuple[Expression, ...]:
    """Packets to an address, or to one of a network. Of a prefix of whole bytes only these are
    loaded.
    """
    load = DADDR[Family.of(network)]
    address, mask = network.network_address.packed, network.netmask.packed
    whole, part = divmod(network.prefixlen, 8)
    if whole and not part:
        return (replace(load, length=whole), Cmp(address[:whole]))
    return (load, Bitwise(len(mask), mask, bytes(len(mask))), Cmp(address))


def of_protocol(number: int) -> tuple[Expression, ...]:
    """Packets of an IP protocol."""
    return (L4PROTO, Cmp(packed(DataType.INET_PROTO, number)))


def to_ports(ports: PortRange) -> tuple[Expression, ...]:
    """Packets to one port, or to one of a range."""
    first, last = (packed(DataType.INET_SERVICE, each) for each in (ports.first, ports.last))
    return (DPORT, Cmp(first) if first == last else CmpRange(first, last))


def in_interface(name: str) -> tuple[Expression, ...]:
    """Packets that enter by an interface."""
    return (IIFNAME, Cmp(packed(DataType.IFNAME, name)))


def from_mac_in(macs: NftSet, *, inverted: bool = False) -> tuple[Expression, ...]:
    """Packets that come, over Ethernet, from a MAC address of a set; or from another one."""
    ethernet = (LoadMeta(MetaKey.IIFTYPE), _ETHERNET)
    return (*ethernet, _SOURCE_MAC, SetLookup(macs.name, inverted=inverted))


def has_mark(mark: int, *, not_it: bool = False) -> tuple[Expression, ...]:
    """Packets that bear a mark, or another one."""
    comparison = Comparison.NEQ if not_it else Comparison.EQ
    return (MARK, Cmp(packed(DataType.MARK, mark), comparison))


def set_mark(mark: int) -> tuple[Expression, ...]:
    """Gives packets a mark, all 32 bits."""
    return (Immediate(packed(DataType.MARK, mark)), StoreMeta(MetaKey.MARK))


def found_in(
    of: NftSet, fields: Sequence[Load], *, inverted: bool = False
) -> tuple[Expression, ...]:
    """Packets that a set has, by what is loaded for each field of its key; or, ``inverted``, does
    not have. By a map of verdicts they go where that says.
    """
    target = -1 if of.data is DataType.VERDICT else None
    return (*_loaded(of, fields), SetLookup(of.name, target=target, inverted=inverted))


def set_mark_by(of: NftSet, fields: Sequence[Load]) -> tuple[Expression, ...]:
    """Gives packets that a map has the mark that it gives; the rule ends for others."""
    looked_up = SetLookup(of.name, target=0)
    return (*_loaded(of, fields), looked_up, StoreMeta(MetaKey.MARK))


def _loaded(of: NftSet, fields: Sequence[Load]) -> tuple[Load, ...]:
    """Each field where it is in the key."""
    found: list[Load] = []
    word = 0
    for kind, load in zip(of.key, fields, strict=True):
        found.append(replace(load, register=word))
        word += padded(kind.length) // 4
    return tuple(found)
