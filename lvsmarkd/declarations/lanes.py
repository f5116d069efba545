"""An index that finds the flows which may share a packet with a flow, without trying all.

Two networks are either nested or apart, so all that can meet a flow stand at its own network
or one that contains it (or the other way round, and then the other finds this one).
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

from lvsmarkd.model.flow import MAX_PORT, Flow, Transport

T = TypeVar("T")
_TRANSPORTS: tuple[Transport | None, ...] = (None, *Transport)
_Key = tuple[int, int, int, Transport | None]


@dataclass(slots=True)
class _Lane(Generic[T]):
    """The flows of one network and one transport, by their first port.

    ``reach[i]`` is the highest port among the first i + 1 of them: going back from the last
    that starts early enough, it tells when nothing further can touch.
    """

    entries: list[tuple[int, int, int, Flow, T]] = field(default_factory=list)
    reach: list[int] = field(default_factory=list)

    def meeting(self, first: int, last: int) -> Iterator[tuple[Flow, T]]:
        at = bisect_right(self.entries, last, key=lambda entry: entry[0]) - 1
        while at >= 0 and self.reach[at] >= first:
            _, end, _, flow, owner = self.entries[at]
            if end >= first:
                yield flow, owner
            at -= 1


class Lanes(Generic[T]):
    """The flows given, each with its owner."""

    def __init__(self, flows: Iterable[tuple[Flow, T]]) -> None:
        self._lanes: dict[_Key, _Lane[T]] = {}
        self._lengths: dict[int, list[int]] = {4: [], 6: []}
        for order, (flow, owner) in enumerate(flows):
            net = flow.destination
            lengths = self._lengths[net.version]
            if net.prefixlen not in lengths:
                insort(lengths, net.prefixlen)
            lane = self._lanes.setdefault(_key(flow, net.prefixlen, flow.transport), _Lane())
            lane.entries.append((*_span(flow), order, flow, owner))
        for lane in self._lanes.values():
            lane.entries.sort(key=lambda entry: entry[:3])
            lane.reach = list(accumulate((entry[1] for entry in lane.entries), max))

    def around(self, flow: Flow) -> Iterator[tuple[Flow, T]]:
        """All at the flow's network, or one around it, that share a packet with it.

        The flow itself is among them if it is in the index.
        """
        transports = _TRANSPORTS if flow.transport is None else (None, flow.transport)
        first, last = _span(flow)
        for length in self._lengths[flow.destination.version]:
            if length > flow.destination.prefixlen:
                break
            for transport in transports:
                lane = self._lanes.get(_key(flow, length, transport))
                if lane is not None:
                    for other, owner in lane.meeting(first, last):
                        if flow.overlaps(other):
                            yield other, owner


def _key(flow: Flow, length: int, transport: Transport | None) -> _Key:
    net = flow.destination
    shift = net.max_prefixlen - length
    return net.version, length, int(net.network_address) >> shift, transport


def _span(flow: Flow) -> tuple[int, int]:
    return (flow.ports.first, flow.ports.last) if flow.ports else (0, MAX_PORT)
