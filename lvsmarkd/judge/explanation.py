"""Explain: which rules packets meet, in order, what mark comes out, and what becomes of them."""

from collections.abc import Iterator

from msgspec.structs import replace

from lvsmarkd.judge.beyond_rules import lost_beyond_rules
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.guide import Guide
from lvsmarkd.judge.outlook import destinations
from lvsmarkd.model.explanation import ExplainedFlow, Explanation, PacketQuestion
from lvsmarkd.model.fate import Fate
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.service import FlowSource, ServiceKey
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
    """The way of the packets of each service of a mark: those that are declared; else those that
    come with the mark, to whichever address. Nothing where there is no such service.
    """
    return tuple(
        _of_service(key, desired, seen) for key in sorted(desired.services) if key.mark == mark
    )


def explain_packets(question: PacketQuestion, desired: Desired, seen: Snapshot) -> Explanation:
    """The way of some packets."""
    guide = Guide.of(question.family, desired, seen, question)
    flow = guide.explained(question.packets)
    remarks = (*_of_interface(question, seen), *_of_destination(question.packets, seen))
    known = desired.removable
    return Explanation(question.family, (flow,), None, (), remarks, guide.unread, known)


def _of_service(key: ServiceKey, desired: Desired, seen: Snapshot) -> Explanation:
    guide = Guide.of(key.family, desired, seen)
    flows: list[ExplainedFlow] = []
    remarks: list[str] = []
    remarks += [
        finding.message for finding in lost_beyond_rules(desired, seen) if finding.service == key
    ]
    declared = desired.flows[key]
    for each in declared:
        flows.append(guide.explained(each.flow, key.mark, each))
        remarks += _of_destination(each.flow, seen)
    if not declared:
        found = destinations(desired, guide.terrain)
        all_flows = [guide.explained(Packets(destination=to), key.mark) for to in found]
        flows += [flow for each in all_flows if (flow := _bearing(each, key.mark)).parts]
        flows = flows or [flow for each in all_flows if (flow := _untold(each)).parts]
        remarks.append(_undeclared(key, desired, flows))
    if desired.coverage[key] is FlowSource.INFERRED:
        remarks.append("nobody declared its flows: these are inferred from the file")
    origins = desired.services[key].origins
    told = tuple(dict.fromkeys(remarks))
    known = desired.removable
    return Explanation(key.family, tuple(flows), key, origins, told, guide.unread, known)


def _undeclared(key: ServiceKey, desired: Desired, flows: list[ExplainedFlow]) -> str:
    if key.mark in desired.frozen_marks:
        return "what is declared of its flows is refused: see lvsmarkd plan"
    if all(part.fate.fate is Fate.UNKNOWN for flow in flows for part in flow.parts) and flows:
        return "nobody declared its flows, and which packets come with its mark is not known"
    if flows:
        return "nobody declared its flows: these are the packets that come with its mark, or had it"
    return (
        "nobody declared its flows, and no packet to keepalived's VIPs, this host's addresses or"
        " those that rules name gets its mark"
    )


def _bearing(flow: ExplainedFlow, mark: int) -> ExplainedFlow:
    """The parts that bear a mark in the end, or did on the way."""
    parts = tuple(
        part
        for part in flow.parts
        if part.fate.mark == mark or any(step.after == mark for step in part.fate.steps)
    )
    return replace(flow, parts=parts)


def _untold(flow: ExplainedFlow) -> ExplainedFlow:
    """The parts of which nothing is known."""
    parts = (part for part in flow.parts if part.fate.fate is Fate.UNKNOWN)
    return replace(flow, parts=tuple(parts))


def _of_interface(question: PacketQuestion, seen: Snapshot) -> Iterator[str]:
    """Whether packets come by an interface at all."""
    name, up = question.interface, seen.host.interfaces
    if name is not None and up is not None and name not in up:
        yield f"no interface {name} is up on this host now: what follows holds once it is"


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
