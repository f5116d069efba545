"""Packets guided through a ruleset: what becomes of a flow, part by part, with every step."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.evaluation.census import Census
from lvsmarkd.judge.evaluation.fates import fates_of
from lvsmarkd.judge.evaluation.hook_path import hook_path
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.packet_class import classes_of
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.explanation import (
    ExplainedFlow,
    ExplainedPackets,
    ExplainedStep,
    PacketQuestion,
)
from lvsmarkd.model.fate import Fate, FateStep, PacketFate
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule_ref import Keeper, RuleRef
from lvsmarkd.model.ruleset import TableKey
from lvsmarkd.model.service import Address, Family, Service, ServiceKey
from lvsmarkd.model.snapshot import Snapshot

_ARRIVED = frozenset({Fate.RIGHT, Fate.WRONG, Fate.UNMARKED})


class Guide(Struct):
    """Who is sent through the ruleset, and by which interfaces."""

    desired: Desired
    terrain: Terrain
    sender: Sender
    entries: frozenset[str]
    own: frozenset[tuple[Keeper, str, str]]
    question: PacketQuestion | None = None

    @classmethod
    def of(
        cls,
        family: Family,
        desired: Desired,
        seen: Snapshot,
        question: PacketQuestion | None = None,
    ) -> "Guide":
        """A guide for an ordinary client, or for whom a question names."""
        terrain = Terrain(seen.ruleset, hook_path(seen.ruleset, family), seen.host)
        census = Census(terrain)
        sender = census.sender
        entries = terrain.host.entries(census.interfaces)
        if question is not None and question.source is not None:
            sender = replace(sender, source=int(question.source))
        if question is not None and question.interface is not None:
            entries = frozenset({question.interface})
        own = (place.table.rule(place.chain, 0, "") for place in seen.places.values())
        return cls(desired, terrain, sender, entries, frozenset(map(_chain, own)), question)

    def explained(
        self, packets: Packets, mark: int | None = None, declared: DeclaredFlow | None = None
    ) -> ExplainedFlow:
        """What becomes of packets; ``mark`` is that of the service whose flow they are, or None for
        whichever service gets them.
        """
        fates = [
            self._certain(fate) if mark is not None else self._of_any(self._certain(fate))
            for packet in classes_of(packets, self.terrain.family, self.entries)
            for fate in fates_of(Journey(self.terrain, self.sender).ends(packet), mark or 0)
        ]
        asked = self.question
        return ExplainedFlow(
            packets,
            self._source,
            tuple(self._parts(packets, fates)),
            declared,
            asked.interface if asked is not None else None,
            is_any_client=asked is None or asked.source is None,
        )

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be looked into, and why."""
        where: dict[str, list[str]] = {}
        for of, reason in self.terrain.path.unread:
            name = f"{of.source} {of.family} {of.name}" if isinstance(of, TableKey) else str(of)
            where.setdefault(" ".join(reason.split()), []).append(name)
        return tuple(f"{', '.join(names)}: {reason}" for reason, names in where.items())

    def _certain(self, fate: PacketFate) -> PacketFate:
        """A fate that is told although something could not be read would be a guess."""
        if not self.terrain.path.unread or fate.fate is Fate.UNKNOWN:
            return fate
        reason = "not all that packets meet could be read"
        return replace(fate, fate=Fate.UNKNOWN, mark=None, reason=reason, is_limited=False)

    def _of_any(self, fate: PacketFate) -> PacketFate:
        """A fate as it is for whichever service the packets come to."""
        if fate.mark is None or fate.fate not in _ARRIVED:
            return fate
        if fate.mark == 0:
            return replace(fate, fate=Fate.UNMARKED)
        return replace(fate, fate=Fate.RIGHT if self._service(fate.mark) else Fate.WRONG)

    def _service(self, mark: int | None) -> Service | None:
        key = ServiceKey(self.terrain.family, mark) if mark else None
        return self.desired.services.get(key) if key is not None else None

    def _parts(self, flow: Packets, fates: list[PacketFate]) -> Iterator[ExplainedPackets]:
        """The fates, those united that are of one way."""
        alike: dict[object, list[PacketFate]] = {}
        for fate in fates:
            lines = tuple(step.rule.line for step in fate.steps)
            way = replace(fate, packets=EVERY_PACKET)
            alike.setdefault((way, lines), []).append(fate)
        by = flow.qualifier(InInterface)
        entered = self.entries if by is None else self.entries & {by.name}
        for same in sorted(alike.values(), key=_first):
            fate = same[0]
            packets = (replace(each.packets, qualifiers=flow.qualifiers) for each in same)
            fewer = None if fate.interfaces == entered else tuple(sorted(fate.interfaces))
            steps = tuple(self._steps(fate.steps))
            serves = self._service(fate.mark)
            yield ExplainedPackets(tuple(sorted(packets, key=_order)), fate, steps, fewer, serves)

    def _steps(self, steps: tuple[FateStep, ...]) -> Iterator[ExplainedStep]:
        """The steps, each below the base chain from which jumps led to it."""
        bases = {
            _chain(hooked.table.key.rule(hooked.chain.name, 0, "")): (stage.hook, hooked.base)
            for stage in self.terrain.path.stages
            for hooked in stage.chains
        }
        hook = priority = None
        below: list[str] = []
        for step in steps:
            name = step.rule.chain
            base = bases.get(_chain(step.rule))
            if base is not None:
                hook, priority = base[0], base[1].priority
                below = [name]
            elif name in below:
                below = below[: below.index(name) + 1]
            else:
                below.append(name)
            is_own = _chain(step.rule) in self.own
            yield ExplainedStep(step, hook, priority, len(below) - 1, is_own)

    @property
    def _source(self) -> Address:
        number = self.sender.source
        return IPv4Address(number) if self.terrain.family is Family.INET else IPv6Address(number)


def _first(same: list[PacketFate]) -> tuple[object, ...]:
    return min(_order(fate.packets) for fate in same), sorted(same[0].interfaces)


def _chain(rule: RuleRef) -> tuple[Keeper, str, str]:
    return rule.keeper, rule.table, rule.chain


def _order(packets: Packets) -> tuple[object, ...]:
    to = packets.destination
    ports = [(each.first, each.last) for each in packets.ports]
    return int(to.network_address) if to is not None else 0, packets.protocol or 0, ports
