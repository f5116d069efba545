"""An index that finds the flows which may share a packet with a flow, without trying all.

Two networks are either nested or apart, so all that can meet a flow stand at its own network
or one that contains it (or the other way round, and then the other finds this one).
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Generic, TypeVar

from msgspec import Struct, field

from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import MAX_PORT
from lvsmarkd.model.service import Network

T = TypeVar("T")
_Key = tuple[int, int, int, int | None]


class _Lane(Struct, Generic[T]):
    """The flows of one network and one protocol, by their first port.

    ``reach[i]`` is the highest port among the first i + 1 of them: going back from the last
    that starts early enough, it tells when nothing further can touch.
    """

    entries: list[tuple[int, int, int, Packets, T]] = field(default_factory=list)
    reach: list[int] = field(default_factory=list)

    def meeting(self, first: int, last: int) -> Iterator[tuple[Packets, T]]:
        at = bisect_right(self.entries, last, key=lambda entry: entry[0]) - 1
        while at >= 0 and self.reach[at] >= first:
            _, end, _, flow, owner = self.entries[at]
            if end >= first:
                yield flow, owner
            at -= 1


class Lanes(Generic[T]):
    """The flows given, each with its owner. Each has a destination."""

    def __init__(self, flows: Iterable[tuple[Packets, T]]) -> None:
        self._lanes: dict[_Key, _Lane[T]] = {}
        self._lengths: dict[int, list[int]] = {4: [], 6: []}
        protocols: set[int | None] = {None}
        for order, (flow, owner) in enumerate(flows):
            net = _network(flow)
            protocols.add(flow.protocol)
            lengths = self._lengths[net.version]
            if net.prefixlen not in lengths:
                insort(lengths, net.prefixlen)
            lane = self._lanes.setdefault(_key(net, net.prefixlen, flow.protocol), _Lane())
            lane.entries.append((*_span(flow), order, flow, owner))
        self._protocols = tuple(protocols)
        for lane in self._lanes.values():
            lane.entries.sort(key=lambda entry: entry[:3])
            lane.reach = list(accumulate((entry[1] for entry in lane.entries), max))

    def around(self, flow: Packets) -> Iterator[tuple[Packets, T]]:
        """All at the flow's network, or one around it, that share a packet with it.

        The flow itself is among them if it is in the index.
        """
        net = _network(flow)
        protocols = self._protocols if flow.protocol is None else (None, flow.protocol)
        first, last = _span(flow)
        for length in self._lengths[net.version]:
            if length > net.prefixlen:
                break
            for protocol in protocols:
                lane = self._lanes.get(_key(net, length, protocol))
                if lane is not None:
                    for other, owner in lane.meeting(first, last):
                        if flow.overlaps(other):
                            yield other, owner


def _network(flow: Packets) -> Network:
    if flow.destination is None:
        raise ValueError(f"a flow without a destination: {flow}")
    return flow.destination


def _key(net: Network, length: int, protocol: int | None) -> _Key:
    shift = net.max_prefixlen - length
    return net.version, length, int(net.network_address) >> shift, protocol


def _span(flow: Packets) -> tuple[int, int]:
    """From its first port to its last, whatever is between."""
    return (flow.ports[0].first, max(p.last for p in flow.ports)) if flow.ports else (0, MAX_PORT)
