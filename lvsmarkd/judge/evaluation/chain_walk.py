"""Packets taken through a chain, rule by rule, and through the chains that it jumps to.

How the kernel takes jumps, gotos, returns and the effects of a rule: net/netfilter/nf_tables_core.c
(nft_do_chain), net/ipv4/netfilter/ip_tables.c (ipt_do_table).
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.evaluation.conditions import part_packets
from lvsmarkd.judge.evaluation.fork import Fork, Likelihood, Place
from lvsmarkd.judge.evaluation.lookups import Unsure
from lvsmarkd.judge.evaluation.marks import marked
from lvsmarkd.judge.evaluation.packet_class import PacketClass, Parts
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.judge.evaluation.translation import translated
from lvsmarkd.judge.evaluation.way import Onward, Parting, Way
from lvsmarkd.model.host import ListeningPort
from lvsmarkd.model.rule import SetMark
from lvsmarkd.model.rule_spec import (
    GO_ON,
    Condition,
    Effect,
    Element,
    FillSet,
    Jump,
    MapMark,
    NeedsListener,
    NeedsSocket,
    RuleSpec,
    SetTest,
    TranslateDestination,
    UnknownTarget,
    Verdict,
    VerdictMap,
    When,
)
from lvsmarkd.model.ruleset import Table

MOST_STEPS = 50_000
"""Rules that one class of packets is taken to, until its way is given up."""
_DEPTH = 128
_WHY = {
    True: "a condition on a destination that is not the one that the packets were sent to",
    False: "a qualifier that is not known here",
}


class TooLongError(Exception):
    """The way of a class was not followed to its end."""


class Budget:
    """How many rules packets may be taken to, all classes together."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @property
    def is_spent(self) -> bool:
        """Whether some packets were not followed to the end."""
        return self.left < 0


class _At(Struct, frozen=True):
    """A rule that packets are at, ``depth`` jumps below a base chain."""

    table: Table
    place: Place
    depth: int


class ChainWalk:
    """All chains that packets from one kind of sender come through. ``sent_elsewhere`` are those
    that a rule sent to another host.
    """

    def __init__(self, terrain: Terrain, sender: Sender, budget: Budget) -> None:
        self._terrain = terrain
        self._sender = sender
        self._budget = budget
        self._left = MOST_STEPS
        self._needs = terrain.needs
        self.sent_elsewhere: list[Way] = []

    def chain(
        self, table: Table, name: str, ways: Sequence[Way], depth: int = 0
    ) -> Iterator[tuple[Verdict | None, Way]]:
        """The packets that leave a chain, each by a verdict, or (None) at its end. Raises
        TooLongError.
        """
        index = self._terrain.index(table, name)
        if depth > _DEPTH:
            raise TooLongError
        waiting = [(0, way) for way in ways]
        seen: set[tuple[int, object]] = set()
        while waiting:
            number, way = waiting.pop()
            if self._needs is not None:
                self._needs.compared(table.key, name, way.packets)
            found = index.next(number, way.packets, self._sender)
            if found is None:
                yield None, way
                continue
            key = (found, way.key)
            if waiting or seen:
                if key in seen:
                    continue
                seen.add(key)
            self._spend()
            rule = index.chain.rules[found]
            at = _At(table, Place(table.key, name, rule), depth)
            for going, after in self._rule(at, rule.spec, way):
                match going:
                    case Onward.NEXT_RULE:
                        waiting.append((found + 1, after))
                    case Onward.OUT_OF_CHAIN:
                        yield None, after
                    case _:
                        yield going, after

    def _spend(self) -> None:
        self._left -= 1
        self._budget.left -= 1
        if self._left < 0 or self._budget.left < 0:
            raise TooLongError

    def _rule(self, at: _At, spec: RuleSpec, way: Way) -> Iterator[Parting]:
        """What becomes of packets at a rule."""
        for is_hit, part in self._matched(at, spec, way):
            if is_hit:
                yield from self._effects(at, spec.effects, part, part.packets.mark)
            else:
                yield Onward.NEXT_RULE, part

    def _matched(self, at: _At, spec: RuleSpec, way: Way) -> Iterator[tuple[bool, Way]]:
        """The packets that a rule matches, and those that it does not."""
        if spec.family not in {None, self._terrain.family}:
            yield False, way
            return
        parts = part_packets(spec.packets, way.packets, self._sender)
        matching: list[Way] = []
        for is_hit, part in self._answered(at, None, way, parts):
            if is_hit:
                matching.append(part)
            else:
                yield False, part
        conditions = self._terrain.conditions(at.table)
        for condition in spec.conditions:
            still: list[Way] = []
            for each in matching:
                if self._needs is not None and isinstance(condition, SetTest):
                    self._needs.looked_up(at.table.key, condition.lookup, each.packets)
                parts = conditions.part(condition, each.packets, self._sender)
                for is_hit, part in self._answered(at, condition, each, parts):
                    if is_hit:
                        still.append(part)
                    else:
                        yield False, part
            matching = still
        yield from ((True, each) for each in matching)

    def _answered(
        self, at: _At, condition: Condition | None, way: Way, parts: Parts
    ) -> Iterator[tuple[bool, Way]]:
        """The parts by their answers; those without one go both ways."""
        for part, answer in parts:
            narrow = way.narrowed(part)
            if answer is not None:
                yield answer, narrow
                continue
            why = condition or _WHY[part.moved or part.port_moved]
            likelihood = self._terrain.conditions(at.table).likelihood(condition)
            fork = Fork(at.place, why, likelihood)
            yield False, narrow.forked(fork)
            yield True, narrow.forked(replace(fork, matched=True))

    def _effects(
        self, at: _At, effects: Sequence[Effect], way: Way, before: int | None
    ) -> Iterator[Parting]:
        """The effects of a rule, one after the other, on packets that it matches; ``before`` is
        the mark that these had.
        """
        for number, effect in enumerate(effects):
            changed = marked(effect, way.packets)
            if changed is not None:
                way = way.become(changed)
            elif isinstance(effect, NeedsSocket):
                fork = Fork(at.place, effect)
                if self._waits(effect, way.packets) is False:
                    yield Verdict.DROP, way.noted(at.place, before)
                    return
                yield Verdict.DROP, way.noted(at.place, before).forked(fork)
                way = way.forked(replace(fork, matched=True))
            elif isinstance(effect, FillSet):
                filling = self._terrain.filled.get((at.table.key, effect.name))
                # Where it limits by itself, a condition behind it says so.
                limited = filling is not None and filling.is_limited and not effect.is_ipset
                if limited and not effect.is_limited:
                    fork = Fork(at.place, effect, Likelihood.RATE)
                    yield Onward.NEXT_RULE, way.noted(at.place, before).forked(fork)
                    way = way.forked(replace(fork, matched=True))
            elif isinstance(effect, UnknownTarget):
                fork = Fork(at.place, effect)
                lost = way.noted(at.place, before).forked(replace(fork, matched=True))
                yield Verdict.DROP, lost
                way = way.forked(fork).become(replace(way.packets, mark=None, connmark=None))
            elif (
                ways := self._ended(at, effects[number:], way.noted(at.place, before))
            ) is not None:
                yield from ways
                return
        yield Onward.NEXT_RULE, way.noted(at.place, before)

    def _waits(self, effect: NeedsSocket, packets: PacketClass) -> bool | None:
        """Whether a socket waits where packets are handed to; None: it may, or is not the right
        one.
        """
        known = self._terrain.host.sockets
        if known is None or (not effect.port and packets.low != packets.high):
            return None
        at = ListeningPort(packets.protocol, effect.port or packets.low)
        return None if at in known else False

    def _ended(self, at: _At, effects: Sequence[Effect], way: Way) -> Iterator[Parting] | None:
        """What becomes of packets by the first effect, where that decides on their way; None: it
        does nothing.
        """
        match effects[0]:
            case Verdict.RETURN:
                return iter([(Onward.OUT_OF_CHAIN, way)])
            case Verdict() as verdict:
                return iter([(verdict, way)])
            case Jump() as jump:
                return self._jump(at, jump, way)
            case When(spec):
                return self._rule(at, spec, way)
            case MapMark() | VerdictMap() as effect:
                return self._mapped(at, effect, effects[1:], way)
            case TranslateDestination() as effect:
                return self._translated(at.place, effect, way)
            case NeedsListener(queues, bypass) if self._terrain.host.listens_at(queues) is False:
                return iter([(Verdict.ACCEPT if bypass else Verdict.DROP, way)])
            case _:
                return None

    def _jump(self, at: _At, jump: Jump, way: Way) -> Iterator[Parting]:
        for verdict, after in self.chain(at.table, jump.chain, [way], at.depth + 1):
            if verdict is not None:
                yield verdict, after
            else:
                yield Onward.OUT_OF_CHAIN if jump.goto else Onward.NEXT_RULE, after

    def _mapped(
        self, at: _At, effect: MapMark | VerdictMap, rest: Sequence[Effect], way: Way
    ) -> Iterator[Parting]:
        """What a map has for the packets. For one that it lacks the rule ends there (measured)."""
        looks = self._terrain.conditions(at.table).found(effect.lookup, way.packets, self._sender)
        if self._needs is not None:
            self._needs.looked_up(at.table.key, effect.lookup, way.packets)
        if looks is None:
            raise TooLongError
        for part, found in looks:
            narrow = way.narrowed(part)
            if found is None:
                yield Onward.NEXT_RULE, narrow
                continue
            if isinstance(found, Unsure):
                fork = Fork(at.place, effect)
                yield Onward.NEXT_RULE, narrow.forked(fork)
                narrow = narrow.forked(replace(fork, matched=True))
            data = None if isinstance(found, Unsure) else found.data
            match effect:
                case MapMark():
                    borne = narrow.become(_mapped_mark(found, part))
                    yield from self._effects(at, rest, borne, part.mark)
                case VerdictMap() if isinstance(found, Unsure):
                    yield Verdict.DROP, narrow
                case _ if data is None or isinstance(data, int):
                    yield Onward.NEXT_RULE, narrow
                case _ if data == GO_ON:
                    yield from self._effects(at, rest, narrow, part.mark)
                case _:
                    yield from self._effects(at, (data,), narrow, part.mark)

    def _translated(
        self, place: Place, effect: TranslateDestination, way: Way
    ) -> Iterator[Parting]:
        """Packets that are sent to another destination: IPVS sees them if that is this host."""
        for part in translated(effect, way.packets, self._terrain.host):
            narrow = way.narrowed(part.before)
            if part.after is None:
                yield Verdict.DROP, narrow
                continue
            moved = narrow.become(part.after)
            if part.is_here is None:
                fork = Fork(place, effect)
                self.sent_elsewhere.append(moved.forked(replace(fork, matched=True)))
                yield Verdict.ACCEPT, moved.forked(fork)
            elif part.is_here:
                yield Verdict.ACCEPT, moved
            else:
                self.sent_elsewhere.append(moved)


def _mapped_mark(found: Element | Unsure, packets: PacketClass) -> PacketClass:
    """The packets with the mark that a map has for them. An element of an ipset without one leaves
    it as it was (measured).
    """
    match found:
        case Element(data=int(mark)):
            return replace(packets, mark=mark)
        case Element(data=None):
            return packets
        case Element(data=SetMark() as effect) if packets.mark is not None:
            return marked(effect, packets) or packets
        case _:
            return replace(packets, mark=None)
