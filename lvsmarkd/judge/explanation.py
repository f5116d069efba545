"""Explain: which rules packets meet, in order, what mark comes out, and what becomes of them."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.evaluation.fates import fates_of
from lvsmarkd.judge.evaluation.hook_path import hook_path
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.named import named_interfaces, ordinary
from lvsmarkd.judge.evaluation.packet_class import classes_of
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.explanation import (
    ExplainedFlow,
    ExplainedPackets,
    Explanation,
    PacketQuestion,
)
from lvsmarkd.model.fate import Fate
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.service import Address, Family, FlowSource, ServiceKey
from lvsmarkd.model.snapshot import Snapshot


def explain(
    question: int | PacketQuestion, desired: Desired, seen: Snapshot
) -> tuple[Explanation, ...]:
    """The way of the packets of a mark's services, or of those that are described. ``seen`` holds
    all that packets meet (``Surroundings``).
    """
    if isinstance(question, int):
        return explain_mark(question, desired, seen)
    return (explain_packets(question, desired, seen),)


def explain_mark(mark: int, desired: Desired, seen: Snapshot) -> tuple[Explanation, ...]:
    """The way of the packets of each service of a mark: those that are declared; else those to
    keepalived's VIPs that come with the mark. Nothing where there is no such service.
    """
    return tuple(
        _of_service(key, desired, seen) for key in sorted(desired.services) if key.mark == mark
    )


def explain_packets(question: PacketQuestion, desired: Desired, seen: Snapshot) -> Explanation:
    """The way of some packets."""
    guide = _Guide.of(question.family, desired, seen, question)
    flow = guide.explained(question.packets)
    remarks = tuple(_of_destination(question.packets, seen))
    return Explanation(question.family, (flow,), None, (), remarks, guide.unread)


class _Guide(Struct):
    """Who is sent through the ruleset, and by which interfaces."""

    desired: Desired
    terrain: Terrain
    sender: Sender
    entries: frozenset[str]

    @classmethod
    def of(
        cls,
        family: Family,
        desired: Desired,
        seen: Snapshot,
        question: PacketQuestion | None = None,
    ) -> "_Guide":
        """A guide for an ordinary client, or for whom a question names."""
        terrain = Terrain(seen.ruleset, hook_path(seen.ruleset, family), seen.host)
        sender = ordinary(terrain)
        entries = terrain.host.entries(named_interfaces(terrain))
        if question is not None and question.source is not None:
            sender = replace(sender, source=int(question.source))
        if question is not None and question.interface is not None:
            entries = frozenset({question.interface})
        return cls(desired, terrain, sender, entries)

    def explained(
        self, packets: Packets, mark: int = 0, declared: DeclaredFlow | None = None
    ) -> ExplainedFlow:
        """What becomes of packets; ``mark`` is that of the service whose flow they are."""
        family = self.terrain.family
        parts = []
        for packet in classes_of(packets, family, self.entries):
            for fate in fates_of(Journey(self.terrain, self.sender).ends(packet), mark):
                key = ServiceKey(family, fate.mark) if fate.mark else None
                serves = key if key in self.desired.services else None
                parts.append(ExplainedPackets(fate, serves))
        return ExplainedFlow(packets, self._source, tuple(parts), declared)

    @property
    def unread(self) -> tuple[str, ...]:
        """Why some tables could not be looked into."""
        return tuple(dict.fromkeys(reason for _, reason in self.terrain.path.unread))

    @property
    def _source(self) -> Address:
        number = self.sender.source
        return IPv4Address(number) if self.terrain.family is Family.INET else IPv6Address(number)


def _of_service(key: ServiceKey, desired: Desired, seen: Snapshot) -> Explanation:
    guide = _Guide.of(key.family, desired, seen)
    flows: list[ExplainedFlow] = []
    remarks: list[str] = []
    declared = desired.flows[key]
    for each in declared:
        flows.append(guide.explained(each.flow, key.mark, each))
        remarks += _of_destination(each.flow, seen)
    if not declared:
        vips = (guide.explained(to, key.mark) for to in _vips(key.family, desired))
        flows += [flow for each in vips if (flow := _bearing(each, key.mark)).parts]
        remarks.append(_undeclared(key, desired, flows))
    if desired.coverage[key] is FlowSource.INFERRED:
        remarks.append("nobody declared its flows: these are inferred from the file")
    origins = desired.services[key].origins
    told = tuple(dict.fromkeys(remarks))
    return Explanation(key.family, tuple(flows), key, origins, told, guide.unread)


def _undeclared(key: ServiceKey, desired: Desired, flows: list[ExplainedFlow]) -> str:
    if flows:
        return "nobody declared its flows: these are the packets that come with its mark, or had it"
    if not any(True for _ in _vips(key.family, desired)):
        return "nobody declared its flows, and keepalived.conf holds no address to look at"
    return "nobody declared its flows, and no packet to keepalived's VIPs gets its mark"


def _vips(family: Family, desired: Desired) -> Iterator[Packets]:
    seen = dict.fromkeys(vip for instance in desired.instances for vip in instance.vips)
    for vip in seen:
        if Family.of(vip) is family:
            yield Packets(destination=ip_network(vip))


def _bearing(flow: ExplainedFlow, mark: int) -> ExplainedFlow:
    """The parts that bear a mark in the end, or did on the way."""
    parts = tuple(
        part
        for part in flow.parts
        if part.fate.fate is Fate.RIGHT or any(step.after == mark for step in part.fate.steps)
    )
    return replace(flow, parts=parts)


def _of_destination(packets: Packets, seen: Snapshot) -> Iterator[str]:
    """Whether the host takes packets to there at all."""
    to = packets.destination
    if to is None:
        return
    first, last = int(to.network_address), int(to.broadcast_address)
    match seen.host.delivers(to.version, first, last):
        case False:
            yield (
                f"{packets.text()} is not delivered to this host now: it has no such address (a"
                " backup director has none), and what follows holds once it has"
            )
        case None if seen.host.local is not None:
            yield f"only a part of {to} is delivered to this host now"
        case _:
            return
