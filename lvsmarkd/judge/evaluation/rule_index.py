"""Which rules of a chain can matter to a class of packets: found by number, not by trying all."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from msgspec import Struct, field

from lvsmarkd.judge.evaluation.changes import NOWHERE, ChainChange
from lvsmarkd.judge.evaluation.fields import span_of
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.model.fields import Field
from lvsmarkd.model.rule_spec import FieldTest, MarkTest, RuleSpec
from lvsmarkd.model.ruleset import TableChain
from lvsmarkd.model.service import MAX_MARK, Family

_GONE = -1
_FEW = 15
"""So many ports, which is what multiport takes, a rule is found by."""
_BITS = {Family.INET: 32, Family.INET6: 128}


class _PortIndex(Struct):
    """Rules by the few ports that they are about; ``wide`` are those about many, or all."""

    by_port: dict[int, list[int]] = field(default_factory=dict)
    wide: list[int] = field(default_factory=list)

    def add(self, number: int, spec: RuleSpec) -> None:
        ports = spec.packets.ports
        if ports and sum(each.last - each.first for each in ports) + len(ports) <= _FEW:
            for each in ports:
                for port in range(each.first, each.last + 1):
                    self.by_port.setdefault(port, []).append(number)
        else:
            self.wide.append(number)

    def of(self, packet: PacketClass) -> list[int]:
        if not self.by_port:
            return self.wide
        if packet.low == packet.high:
            found = self.by_port.get(packet.low)
            return self.wide if found is None else [*self.wide, *found]
        if packet.high - packet.low < len(self.by_port):
            ports = range(packet.low, packet.high + 1)
            return [*self.wide, *(n for port in ports for n in self.by_port.get(port, ()))]
        inside = (
            n
            for port, numbers in self.by_port.items()
            if packet.low <= port <= packet.high
            for n in numbers
        )
        return [*self.wide, *inside]


class _NetworkIndex(Struct):
    """Rules by the network that they are about, one dictionary for each length of prefix."""

    bits: int
    by_size: dict[int, dict[int, _PortIndex]] = field(default_factory=dict)
    """By the bits that are free in it."""
    starts: dict[int, list[int]] = field(default_factory=dict)
    """For each size the networks in order, as far as they were asked for."""

    def add(self, number: int, span: tuple[int, int], spec: RuleSpec) -> None:
        free = (span[1] - span[0]).bit_length()
        networks = self.by_size.setdefault(free, {})
        self.starts.pop(free, None)
        networks.setdefault(span[0] >> free, _PortIndex()).add(number, spec)

    def of(self, first: int, last: int, packet: PacketClass) -> list[int]:
        found: list[int] = []
        for free, networks in self.by_size.items():
            low, high = first >> free, last >> free
            if low == high:
                ports = networks.get(low)
                found += ports.of(packet) if ports is not None else ()
                continue
            starts = self.starts.get(free)
            if starts is None:
                starts = self.starts[free] = sorted(networks)
            for start in starts[bisect_left(starts, low) : bisect_right(starts, high)]:
                found += networks[start].of(packet)
        return found


class RuleIndex:
    """The rules of a chain, for packets of one family. Inside, a rule has a number for as long as
    it is there; at which place of the chain it stands is known of each.
    """

    def __init__(self, chain: TableChain, family: Family) -> None:
        self.chain = chain
        self._family = family
        bits = _BITS[family]
        self._to = _NetworkIndex(bits)
        self._from = _NetworkIndex(bits)
        self._anywhere = _PortIndex()
        self._by_mark: dict[int, list[int]] = {}
        self._known: dict[tuple[int, int, int, int, int], list[int]] = {}
        self._marked: dict[int, list[int]] = {}
        self._numbers = list(range(len(chain.rules)))
        self._places = list(self._numbers)
        for number, rule in enumerate(chain.rules):
            self._add(number, rule.spec)

    def changed(self, chain: TableChain, change: ChainChange) -> "RuleIndex":
        """The index of the chain after a change: this one, which is it from now on."""
        self.chain = chain
        before = self._numbers
        self._places = [_GONE] * len(self._places)
        self._numbers = []
        for stood, rule in zip(change.stood, chain.rules, strict=True):
            if stood == NOWHERE:
                self._numbers.append(len(self._places))
                self._places.append(_GONE)
                self._add(self._numbers[-1], rule.spec)
            else:
                self._numbers.append(before[stood])
        for place, number in enumerate(self._numbers):
            self._places[number] = place
        self._known.clear()
        self._marked.clear()
        return self

    def may_hold(self, packet: PacketClass, sender: Sender) -> bool:
        """Whether some rule may hold for packets of the class, or might, were it still there."""
        if self._anywhere.of(packet):
            return True
        if self._to.by_size and self._to.of(packet.first, packet.last, packet):
            return True
        if self._from.by_size and self._from.of(sender.source, sender.source, packet):
            return True
        return bool(self._by_mark) and (packet.mark is None or packet.mark in self._by_mark)

    def next(self, at: int, packet: PacketClass, sender: Sender) -> int | None:
        """The first rule from ``at`` on that may hold for packets of the class."""
        key = (packet.first, packet.last, packet.low, packet.high, sender.source)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._in_place(self._candidates(packet, sender))
        place = bisect_left(found, at)
        following = found[place] if place < len(found) else None
        if self._by_mark:
            following = self._sooner(at, following, packet.mark)
        return following

    def _sooner(self, at: int, following: int | None, mark: int | None) -> int | None:
        """The same, those included that look for a mark."""
        for asked in self._by_mark if mark is None else (mark,):
            places = self._marked.get(asked)
            if places is None:
                places = self._marked[asked] = self._in_place(self._by_mark.get(asked, ()))
            number = bisect_left(places, at)
            if number < len(places) and (following is None or places[number] < following):
                following = places[number]
        return following

    def _in_place(self, numbers: Iterable[int]) -> list[int]:
        """The places of rules that are there, in order."""
        places = self._places
        return sorted({place for number in numbers if (place := places[number]) != _GONE})

    def _candidates(self, packet: PacketClass, sender: Sender) -> list[int]:
        return [
            *self._to.of(packet.first, packet.last, packet),
            *self._from.of(sender.source, sender.source, packet),
            *self._anywhere.of(packet),
        ]

    def _add(self, number: int, spec: RuleSpec) -> None:
        if spec.family not in {None, self._family}:
            return
        network = spec.packets.destination
        if network is not None:
            if (span := span_of(Field.DESTINATION, network, self._family)) is not None:
                self._to.add(number, span, spec)
            return
        for condition in spec.conditions:
            match condition:
                case FieldTest(Field.SOURCE, (value,), False):
                    span = span_of(Field.SOURCE, value, self._family)
                    if span is None and not isinstance(value, str | tuple):
                        return  # of the other family
                    if span is None:
                        continue
                    size = span[1] - span[0] + 1
                    if size & (size - 1) or span[0] % size:
                        continue  # a range that is no network
                    self._from.add(number, span, spec)
                    return
                case MarkTest(value, mask, False) if mask == MAX_MARK:
                    self._by_mark.setdefault(value, []).append(number)
                    return
                case _:
                    continue
        self._anywhere.add(number, spec)
