"""What the judge says of packets beside what became of them in the kernel."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from msgspec import Struct, field

from lvsmarkd.judge.evaluation.fates import fates_of
from lvsmarkd.judge.evaluation.hook_path import HookPath, hook_path
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.judge.evaluation.trail import End, Ending
from lvsmarkd.model.fate import Fate, PacketFate
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.ruleset import Ruleset
from lvsmarkd.model.service import Family
from tests.fuzz.judge.director import HOST, Director, Seen
from tests.fuzz.judge.packets import Packet
from tests.fuzz.judge.script import Script

GONE = "gone"
ANY = "any"
"""It arrives, with what mark is not known."""
Outcome = int | str
"""The mark of a packet where IPVS looks, or one of these two."""


_MARK = 80
"""The mark that packets of a flow should bear: what is not it is wrong."""


class Disagreement(Struct, frozen=True):
    """A packet of which the judge says something else than what is so. ``of`` is what was judged:
    the packet alone, or a flow that it is in.
    """

    packet: Packet
    said: frozenset[Outcome]
    seen: Seen
    of: str

    def __str__(self) -> str:
        said = ", ".join(sorted(map(str, self.said)))
        came = GONE if self.seen.ipvs is None else self.seen.ipvs
        return f"{self.packet}: {came} (late {self.seen.late}), judged {self.of}: {said}"


class Comparison(Struct):
    """The figures of one ruleset, or of many."""

    counts: Counter[str] = field(default_factory=Counter)
    hidden_by: Counter[str] = field(default_factory=Counter)
    """What made answers uncertain, by kind."""
    disagreements: list[Disagreement] = field(default_factory=list)


class Judge:
    """The judge over one ruleset."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._terrains: dict[Family, Terrain] = {}
        self._ruleset = ruleset

    def path(self, family: Family) -> HookPath:
        """What packets of a family meet."""
        return self._terrain(family).path

    def ends(self, packet: Packet, packets: PacketClass) -> list[End]:
        """What becomes of a class of packets from a packet's sender."""
        return Journey(self._terrain(packet.family), packet.sender).ends(packets)

    def _terrain(self, family: Family) -> Terrain:
        if family not in self._terrains:
            path = hook_path(self._ruleset, family)
            self._terrains[family] = Terrain(self._ruleset, path, HOST)
        return self._terrains[family]


def outcomes(ends: Iterable[End]) -> frozenset[Outcome]:
    """What ends come to for IPVS."""
    return frozenset(each for end in ends for each in _outcomes(end))


def _outcomes(end: End) -> Iterator[Outcome]:
    match end.ending:
        case Ending.ARRIVED:
            yield ANY if end.packets.mark is None else end.packets.mark
        case Ending.CUT:
            yield from (ANY, GONE)
        case _:
            yield GONE


def admits(said: frozenset[Outcome], seen: Seen) -> bool:
    """Whether what became of a packet is among what was said."""
    if seen.ipvs is None:
        return GONE in said
    return seen.ipvs in said or ANY in said


def compare(
    director: Director,
    lines: Script,
    packets: Sequence[Packet],
    flows: Iterable[tuple[Packet, PacketClass]] = (),
) -> Comparison:
    """Have rules in force, send packets, judge each alone, and flows with a packet in each.

    Raises RefusedError where the rules cannot be had.
    """
    director.load(lines)
    return compare_loaded(director, packets, flows)


def compare_loaded(
    director: Director,
    packets: Sequence[Packet],
    flows: Iterable[tuple[Packet, PacketClass]] = (),
) -> Comparison:
    """The same for the rules that are in force, whoever put them there."""
    ruleset = director.read()
    seen = dict(zip(packets, director.send(packets), strict=True))
    judge = Judge(ruleset)
    found = Comparison()
    for packet in packets:
        _judge(judge, packet, packet.alone, seen[packet], found)
    for packet, flow in flows:
        _judge(judge, packet, flow, seen[packet], found)
    return found


def _judge(
    judge: Judge, packet: Packet, packets: PacketClass, seen: Seen, found: Comparison
) -> None:
    kind = "packets" if packets == packet.alone else "flows"
    found.counts[kind] += 1
    if judge.path(packet.family).unread:
        found.counts[f"{kind} of rulesets that were not read"] += 1
        return
    whole = judge.ends(packet, packets)
    ends = [end for end in whole if end.sent.overlaps(packet.alone)]
    said = outcomes(ends)
    if len(said) == 1 and ANY not in said:
        found.counts[f"{kind} certain"] += 1
        found.counts[f"{kind} told"] += 1
    else:
        if not any(f.fate is Fate.UNKNOWN for m in _asked(seen) for f in fates_of(ends, m)):
            found.counts[f"{kind} told"] += 1
        found.hidden_by[_hiding(ends)] += 1
    if not admits(said, seen):
        of = "alone" if kind == "packets" else "in a flow"
        found.disagreements.append(Disagreement(packet, said, seen, of))
    for mark in _asked(seen) if kind == "flows" else ():
        parts = [each for each in fates_of(whole, mark) if _holds(each, packet)]
        if not any(_is_so(each, seen, mark) for each in parts):
            told = frozenset[Outcome](f"{each.fate} {each.mark}" for each in parts)
            found.disagreements.append(Disagreement(packet, told, seen, f"as a part for {mark}"))


def _asked(seen: Seen) -> set[int]:
    """The marks that a service may have, for which fates are told: one that is certain of a rate
    limit or of chance is certain of what becomes of the service.
    """
    return {_MARK, seen.ipvs or _MARK}


def _hiding(ends: Sequence[End]) -> str:
    """What makes the answer uncertain: the first fork of which both ways do not come to the
    same.
    """
    forks = dict.fromkeys((fork.place, fork.why) for end in ends for fork in end.trail.forks())
    for place, why in forks:
        ways: dict[bool, set[Outcome]] = {}
        for end in ends:
            for fork in end.trail.forks():
                if (fork.place, fork.why) == (place, why):
                    ways.setdefault(fork.matched, set()).update(_outcomes(end))
        if len(ways) < 2 or ways[True] != ways[False]:
            return f"{type(why).__name__} {why}"[:80]
    return "a mark that is not known" if not forks else "several forks together"


def _holds(fate: PacketFate, packet: Packet) -> bool:
    """Whether a part of a flow has the packet."""
    this = Packets(
        destination=ip_network(packet.destination),
        protocol=packet.protocol,
        ports=(PortRange(packet.port, packet.port),),
        qualifiers=(InInterface.of(packet.interface),),
    )
    return packet.interface in fate.interfaces and fate.packets.covers(this)


def _is_so(fate: PacketFate, seen: Seen, mark: int) -> bool:
    """Whether what is said of a part is what became of a packet in it, or may be."""
    if fate.is_limited and seen.ipvs is None:
        return True
    match fate.fate:
        case Fate.UNKNOWN:
            return True
        case Fate.DROPPED | Fate.ELSEWHERE:
            return seen.ipvs is None
        case Fate.RIGHT:
            return seen.ipvs == mark
        case Fate.UNMARKED:
            return seen.ipvs == 0
        case Fate.WRONG:
            return seen.ipvs is not None and seen.ipvs == fate.mark
