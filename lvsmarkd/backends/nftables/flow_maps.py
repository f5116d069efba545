"""Flows as elements of maps, each in the map that finds it soonest.

A hash finds one of 10,000 hosts with their ports in 150 ns, a map of ranges takes 730 ns for that
and 16 ms for each change (measured): so what can be spelt out as single keys is. What cannot is in
the map of its shape. Destinations of all of them are in a set of their own, which other packets are
asked for first, and no more (90 ns).
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, collapse_addresses
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.model.lanes import Lanes
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import EVERY_PORT, MAX_PORT
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import Family, Network
from lvsmarkd.netfilter.nftables.datatypes import DataType, KeyType
from lvsmarkd.netfilter.nftables.objects import NftElement, NftSet, TableId

SPELT_OUT = 64
"""Ports of a range that are spelt out: a few KiB of memory, and a hash in place of ranges."""
MOST_SPELT_OUT = 16_384
"""Ports of all such ranges together, the narrow ones first: 128,000 elements take 4 s to be written
and 4 s to be read (measured), while others ask for nf_tables."""
MAP_NAMES = ("hosts", "ranges", "whole_hosts", "networks")
"""What the names of maps begin with, in the order in which they are asked."""
_ADDRESS = {Family.INET: DataType.IPV4_ADDR, Family.INET6: DataType.IPV6_ADDR}


class MarkedFlow(Struct, frozen=True):
    """Packets of one family, to one range of ports at most, and the mark they are to bear."""

    flow: Packets
    mark: int

    @property
    def network(self) -> Network:
        """Where to. Raises ValueError where that is not said."""
        if self.flow.destination is None:
            raise ValueError(f"a flow without a destination: {self.flow}")
        return self.flow.destination

    @property
    def to_host(self) -> bool:
        """Whether that is one address."""
        return self.network.prefixlen == self.network.max_prefixlen


class FlowMaps(Struct, frozen=True):
    """The maps that hold some flows, and their elements: in the order in which they are asked.

    ``gate`` is the set of all their destinations. Maps without elements are left out.
    """

    gate: NftSet
    gate_elements: tuple[NftElement, ...]
    maps: tuple[tuple[NftSet, tuple[NftElement, ...]], ...]


def flow_maps(table: TableId, family: Family, suffix: str, flows: Sequence[MarkedFlow]) -> FlowMaps:
    """The maps of flows of one family, one at least, whatever their qualifiers; the names of these
    end in ``suffix``.

    Where two flows share packets, they have them by the map that is asked first, and in one map
    by the wider destination, or else by the flow that comes first.
    """
    address = _ADDRESS[family]
    port = (address, DataType.INET_PROTO, DataType.INET_SERVICE)

    def named(name: str, key: KeyType, *, interval: bool = False) -> NftSet:
        whole = f"{name}{suffix}"
        return NftSet(table, whole, key, DataType.MARK, interval=interval, counters=True)

    of_hosts, of_ranges, of_whole_hosts, of_networks = MAP_NAMES
    hosts, ranges = named(of_hosts, port), named(of_ranges, port, interval=True)
    whole_hosts, networks = (
        named(of_whole_hosts, (address,)),
        named(of_networks, (address,), interval=True),
    )
    of_ports = [each for one in flows for each in _by_protocol(one)]
    spelt_out = _spelt_out(of_ports)
    whole = [each for each in flows if each.flow.protocol is None and not each.flow.ports]
    filled = (
        (hosts, _unique(_hosts(hosts, (each for each in of_ports if each in spelt_out)))),
        (ranges, _ranges(ranges, [each for each in of_ports if each not in spelt_out])),
        (whole_hosts, _unique(_whole_hosts(whole_hosts, whole))),
        (networks, _networks(networks, [each for each in whole if not each.to_host])),
    )
    gate, gate_elements = _gate(table, address, suffix, flows)
    return FlowMaps(gate, gate_elements, tuple(each for each in filled if each[1]))


def _by_protocol(one: MarkedFlow) -> Iterator[MarkedFlow]:
    """The same of one protocol each; nothing where it is of every one. Ports without a protocol
    are those of all that have ports.
    """
    if one.flow.protocol is not None:
        yield one
    elif one.flow.ports:
        for protocol in Transport:
            yield MarkedFlow(replace(one.flow, protocol=int(protocol)), one.mark)


def _spelt_out(flows: Iterable[MarkedFlow]) -> frozenset[MarkedFlow]:
    """Those of which each port is a key of its own: single ports all, ranges as far as they go."""
    widths = {each: _width(each) for each in flows if each.to_host and each.flow.ports}
    found = {each for each, width in widths.items() if width == 1}
    left = MOST_SPELT_OUT
    narrow = (each for each, width in widths.items() if 1 < width <= SPELT_OUT)
    for each in sorted(narrow, key=lambda each: (widths[each], str(each.flow))):
        left -= widths[each]
        if left < 0:
            break
        found.add(each)
    return frozenset(found)


def _width(one: MarkedFlow) -> int:
    return sum(each.last - each.first + 1 for each in one.flow.ports)


def _hosts(of: NftSet, flows: Iterable[MarkedFlow]) -> Iterator[NftElement]:
    for each in flows:
        for ports in each.flow.ports:
            for port in range(ports.first, ports.last + 1):
                yield of.element(*_key(each, port), data=each.mark)


def _ranges(of: NftSet, flows: Sequence[MarkedFlow]) -> tuple[NftElement, ...]:
    return _sorted(
        of.element(
            *_key(each, first),
            to=_key(each, last, end=True),
            data=each.mark,
        )
        for each in _disjoint(flows)
        for first, last in _spans(each)
    )


def _spans(one: MarkedFlow) -> Iterator[tuple[int, int]]:
    """Its ports; of every port, 0 too, which a packet may have though no service does."""
    if not one.flow.ports:
        yield 0, MAX_PORT
    for ports in one.flow.ports:
        yield ports.first, ports.last


def _key(
    one: MarkedFlow, port: int, *, end: bool = False
) -> tuple[IPv4Address | IPv6Address, int, int]:
    address = one.network.broadcast_address if end else one.network.network_address
    return address, one.flow.protocol or 0, port


def _whole_hosts(of: NftSet, flows: Iterable[MarkedFlow]) -> Iterator[NftElement]:
    for each in flows:
        if each.to_host:
            yield of.element(each.network.network_address, data=each.mark)


def _networks(of: NftSet, flows: Sequence[MarkedFlow]) -> tuple[NftElement, ...]:
    return _sorted(
        of.element(
            each.network.network_address, to=[each.network.broadcast_address], data=each.mark
        )
        for each in _disjoint(flows)
    )


def _gate(
    table: TableId, address: DataType, suffix: str, flows: Sequence[MarkedFlow]
) -> tuple[NftSet, tuple[NftElement, ...]]:
    """All destinations: a hash where they are single ones."""
    networks = {each.network for each in flows}
    interval = not all(each.to_host for each in flows)
    of = NftSet(table, f"vips{suffix}", (address,), interval=interval)
    if interval:
        # Of one family, which its types do not say.
        networks = set(cast("Iterable[Network]", collapse_addresses(networks)))
    return of, _sorted(
        of.element(each.network_address, to=[each.broadcast_address]) for each in networks
    )


def _disjoint(flows: Sequence[MarkedFlow]) -> Iterator[MarkedFlow]:
    """The same packets, each in one of them: what a map of ranges takes. Packets that two have are
    left to the one with the wider destination, or else to the one that comes first.
    """
    ordered = sorted(flows, key=lambda each: each.network.prefixlen)
    lanes = Lanes((each.flow, at) for at, each in enumerate(ordered))
    for at, each in enumerate(ordered):
        left: tuple[Packets, ...] = (each.flow,)
        for other, place in lanes.around(each.flow):
            if place < at:
                left = tuple(part for one in left for part in _without(one, other))
        yield from (MarkedFlow(part, each.mark) for part in left)


def _without(one: Packets, other: Packets) -> tuple[Packets, ...]:
    """``one`` without the packets of ``other``, whose destination holds its own."""
    if not other.ports:
        return ()
    return (one if one.ports else replace(one, ports=(EVERY_PORT,))).subtract(other) or ()


def _unique(elements: Iterable[NftElement]) -> tuple[NftElement, ...]:
    """Those that come first, of each key."""
    found: dict[bytes, NftElement] = {}
    for each in elements:
        found.setdefault(each.start, each)
    return _sorted(found.values())


def _sorted(elements: Iterable[NftElement]) -> tuple[NftElement, ...]:
    return tuple(sorted(elements, key=lambda each: each.start))
