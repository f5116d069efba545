"""What becomes of all services' packets of one family, kept with what each answer depends on: after
a change only what it may bear on is followed anew.

The rest is as it would be found again: followed were packets that no rule that went or came may
hold for (`RuleIndex`), of which each look into a set finds the same, from the same sender, by the
same interfaces, through the same base chains. Only the lines of rules may be others.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from operator import is_

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.evaluation.bearing import Bearing
from lvsmarkd.judge.evaluation.census import Census
from lvsmarkd.judge.evaluation.chain_walk import Budget
from lvsmarkd.judge.evaluation.changes import Changes
from lvsmarkd.judge.evaluation.fates import ends_with, fates_of
from lvsmarkd.judge.evaluation.hook_path import hook_path
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.needs import Needs
from lvsmarkd.judge.evaluation.packet_class import PacketClass, classes_of
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.judge.evaluation.trail import End
from lvsmarkd.judge.lines import Lines, lines_of, relined
from lvsmarkd.judge.outlook import FlowFate, ServiceOutlook, destinations, mistaken_for
from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.fate import Fate, PacketFate
from lvsmarkd.model.host import HostView
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ruleset import Ruleset
from lvsmarkd.model.service import Family, Network, ServiceKey


class _What(Enum):
    """What some packets are to a service; `ServiceOutlook` has a list of each."""

    PART = auto()
    HAD_MARK = auto()
    MISTAKEN = auto()


_Told = tuple[ServiceKey, _What, FlowFate]
"""What is told of some packets."""
_Flows = tuple[DeclaredFlow, ...]


class _Answer(Struct):
    """What is told of a service's flows, or (of services without) of the packets to an address;
    and what that depends on.
    """

    told: tuple[_Told, ...]
    needs: Needs
    flows: _Flows = ()
    outlook: ServiceOutlook | None = None
    """Of a service's flows, once it is put together."""

    def service(self) -> ServiceOutlook:
        """All of it, where it is about a service's flows."""
        if self.outlook is None:
            self.outlook = ServiceOutlook(tuple(fate for _, _, fate in self.told))
        return self.outlook

    def relined(self, lines: Lines) -> None:
        """Tell of rules by the lines that they have now."""
        told = tuple(
            (key, what, each if fate is each.fate else replace(each, fate=fate))
            for key, what, each in self.told
            for fate in (relined(each.fate, lines),)
        )
        if not all(map(is_, (each for _, _, each in told), (each for _, _, each in self.told))):
            self.told, self.outlook = told, None


class _Bare(Struct, frozen=True):
    """The services without flows by their marks, and by those that may be mistaken for one."""

    marks: Mapping[int, ServiceKey] = field(default_factory=dict)
    odd: Mapping[int, ServiceKey] = field(default_factory=dict)

    @classmethod
    def of(cls, desired: Desired, family: Family) -> "_Bare":
        used = {key.mark: key for key in desired.services if key.family is family}
        marks = {mark: key for mark, key in used.items() if not desired.flows[key]}
        odd = {
            other: key
            for key in marks.values()
            for other in mistaken_for(key.mark)
            if other not in used
        }
        return cls(marks, odd)


class Survey:
    """Sends packets of an ordinary client through the ruleset, by all interfaces."""

    def __init__(
        self, family: Family, desired: Desired, ruleset: Ruleset, host: HostView, budget: Budget
    ) -> None:
        self.family = family
        self._terrain = Terrain(ruleset, hook_path(ruleset, family), host)
        self._census = Census(self._terrain)
        self._terrain.told(tracks=self._census.tracks_connections, filled=self._census.filled)
        self._sender = self._census.sender
        self.entries = host.entries(self._census.interfaces)
        self._bare = _Bare()
        self._declared: dict[ServiceKey, _Answer] = {}
        self._addresses: dict[Network, _Answer] = {}
        self.services: Mapping[ServiceKey, ServiceOutlook] = {}
        self._follow(desired, budget)

    @property
    def unread(self) -> tuple[str, ...]:
        """Why nothing is certain, where some table could not be read."""
        return tuple(dict.fromkeys(why for _, why in self._terrain.path.unread))

    def change(
        self, desired: Desired, ruleset: Ruleset, different: Changes, budget: Budget
    ) -> bool:
        """Take in what is different, of the rules and of what is desired. False: all is to be
        followed anew, by another survey; this one is spent.
        """
        if different and not self._take_in(ruleset, different):
            return False
        self._follow(desired, budget)
        return True

    def _take_in(self, ruleset: Ruleset, different: Changes) -> bool:
        """Forget the answers that changes may bear on. False: they may bear on all."""
        before = self._terrain
        now = before.changed(ruleset, hook_path(ruleset, self.family), different)
        self._census.recount(before, now, different)
        now.told(tracks=self._census.tracks_connections, filled=self._census.filled)
        if (
            self._census.sender != self._sender
            or now.host.entries(self._census.interfaces) != self.entries
            or (now.tracks, now.filled) != (before.tracks, before.filled)
        ):
            return False
        bearing = Bearing(before, now, different, self._sender)
        lines = lines_of(different)
        moved = {change.chain for change in different.chains if change.moved}
        for answers in (self._declared, self._addresses):
            for asked in [asked for asked, each in answers.items() if bearing.is_on(each.needs)]:
                del answers[asked]  # type: ignore[arg-type] # one of these
            for answer in answers.values():
                if not answer.needs.classes.keys().isdisjoint(moved):
                    answer.relined(lines)
        self._terrain = now
        return True

    def _follow(self, desired: Desired, budget: Budget) -> None:
        """Find the answers that are not there, and put all together."""
        keys = [key for key in desired.services if key.family is self.family]
        self._follow_flows({key: tuple(desired.flows[key]) for key in keys}, budget)
        self._follow_bare(desired, budget)
        self.services = {
            **{key: answer.service() for key, answer in self._declared.items()},
            **self._bearers(),
        }

    def _bearers(self) -> Mapping[ServiceKey, ServiceOutlook]:
        """What is told of services without flows."""
        lists: dict[ServiceKey, dict[_What, list[FlowFate]]]
        lists = {key: {what: [] for what in _What} for key in self._bare.marks.values()}
        for answer in self._addresses.values():
            for key, what, fate in answer.told:
                lists[key][what].append(fate)
        return {
            key: ServiceOutlook(
                tuple(_with_partly(found[_What.PART])),
                tuple(found[_What.HAD_MARK]),
                tuple(found[_What.MISTAKEN]),
            )
            for key, found in lists.items()
        }

    def _follow_flows(self, flows: Mapping[ServiceKey, _Flows], budget: Budget) -> None:
        for key in [key for key in self._declared if not flows.get(key)]:
            del self._declared[key]
        for key, declared in flows.items():
            known = self._declared.get(key)
            if declared and (known is None or known.flows != declared):
                answer = self._noted(self._of_flows(key, declared, budget))
                answer.flows = declared
                self._declared[key] = answer

    def _follow_bare(self, desired: Desired, budget: Budget) -> None:
        bare = _Bare.of(desired, self.family)
        if bare != self._bare:
            self._bare = bare
            self._addresses.clear()
        if not bare.marks:
            return
        known = self._addresses
        self._addresses = {}
        for network in destinations(desired, self._terrain):
            found = known.get(network)
            if found is None:
                found = self._noted(self._to_address(network, budget))
            self._addresses[network] = found

    def _noted(self, following: Iterator[_Told]) -> _Answer:
        """What packets come to, with what that depends on."""
        needs = self._terrain.noting()
        told = tuple(following)
        self._terrain.needs = None
        return _Answer(told, needs)

    def _of_flows(self, key: ServiceKey, flows: _Flows, budget: Budget) -> Iterator[_Told]:
        for declared in flows:
            fates: list[PacketFate] = []
            for packet in classes_of(declared.flow, self.family, self.entries):
                fates += fates_of(self._ends(packet, budget), key.mark)
            if not fates:
                fates.append(PacketFate(declared.flow, Fate.UNMARKED))  # by no interface there is
            served = [fate for fate in fates if fate.fate is Fate.RIGHT]
            for fate in fates:
                partly = _is_partly(fate, served)
                yield key, _What.PART, FlowFate(declared.flow, fate, declared, partly)

    def _to_address(self, network: Network, budget: Budget) -> Iterator[_Told]:
        """The packets that come with the marks of services without flows."""
        marks, odd = self._bare.marks, self._bare.odd
        flow = Packets(destination=network)
        for packet in classes_of(flow, self.family, self.entries):
            ends = self._ends(packet, budget)
            borne = ends_with(ends)
            for mark in sorted(borne & odd.keys()):
                for fate in fates_of(ends, mark):
                    if fate.fate is Fate.RIGHT:
                        yield odd[mark], _What.MISTAKEN, FlowFate(flow, fate)
            for mark in sorted(borne & marks.keys()):
                for fate in fates_of(ends, mark):
                    had_it = any(step.after == mark for step in fate.steps)
                    if fate.fate is Fate.RIGHT or (had_it and _kept(fate, mark)):
                        yield marks[mark], _What.PART, FlowFate(flow, fate)
                    elif had_it:
                        yield marks[mark], _What.HAD_MARK, FlowFate(flow, fate)

    def _ends(self, packet: PacketClass, budget: Budget) -> list[End]:
        return Journey(self._terrain, self._sender, budget).ends(packet)


def _kept(fate: PacketFate, mark: int) -> bool:
    """Whether packets bear the mark in the end, wherever that is."""
    return bool(fate.steps) and fate.steps[-1].after == mark


def _is_partly(fate: PacketFate, served: list[PacketFate]) -> bool:
    """Whether it is about some interfaces, and others let the same packets in."""
    if fate.fate is Fate.RIGHT:
        return False
    return any(
        fate.interfaces.isdisjoint(other.interfaces)
        and _plain(fate.packets).overlaps(_plain(other.packets))
        for other in served
    )


def _plain(packets: Packets) -> Packets:
    return Packets(destination=packets.destination, protocol=packets.protocol, ports=packets.ports)


def _with_partly(parts: list[FlowFate]) -> Iterator[FlowFate]:
    served = [part.fate for part in parts if part.fate.fate is Fate.RIGHT]
    for part in parts:
        yield FlowFate(part.flow, part.fate, None, _is_partly(part.fate, served))
