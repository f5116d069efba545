"""All that is declared for one service, in one form: the same packets, said once."""

from collections.abc import Iterable
from dataclasses import replace

from lvsmarkd.declarations.lanes import Lanes
from lvsmarkd.declarations.port_ranges import joined
from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.flow import MAX_PORT, Flow, PortRange

_EVERY_PORT = PortRange(1, MAX_PORT)


def union(declared: Iterable[DeclaredFlow]) -> tuple[DeclaredFlow, ...]:
    """The flows of one service, without the overlaps that only repeat.

    Where two declarations speak of the same packets these are accepted if either says so.
    Flows that differ in nothing but their ports become disjoint ranges with the origin that
    was written first; a flow that lies wholly in another is dropped.
    """
    groups: dict[Flow, list[DeclaredFlow]] = {}
    for each in declared:
        groups.setdefault(replace(each.flow, ports=None), []).append(each)
    merged = [flow for bare, own in groups.items() for flow in _merged(bare, own)]
    lanes = Lanes((each.flow, each) for each in merged)
    return tuple(
        each
        for each in merged
        if not any(
            other is not each and other.accept >= each.accept and _contains(flow, each.flow)
            for flow, other in lanes.around(each.flow)
        )
    )


def _merged(bare: Flow, declared: list[DeclaredFlow]) -> list[DeclaredFlow]:
    """The union of flows that differ in ports and accept only."""
    accepted = [each for each in declared if each.accept]
    plain = [each for each in declared if not each.accept]
    for own in (accepted, plain):
        whole = next((each for each in own if each.flow.ports is None), None)
        if whole is not None and (own is accepted or not accepted):
            return [whole]
    kept = joined(map(_ports, accepted))
    rest = _without(joined(map(_ports, plain)), kept)
    pieces = [(each, accepted) for each in kept] + [(each, plain) for each in rest]
    return [
        DeclaredFlow(replace(bare, ports=piece), own is accepted, _first(own, piece).origin)
        for piece, own in sorted(pieces, key=lambda piece: piece[0])
    ]


def _ports(declared: DeclaredFlow) -> PortRange:
    return declared.flow.ports or _EVERY_PORT


def _first(declared: list[DeclaredFlow], piece: PortRange) -> DeclaredFlow:
    return next(each for each in declared if _ports(each).overlaps(piece))


def _without(ranges: Iterable[PortRange], taken: tuple[PortRange, ...]) -> list[PortRange]:
    """What is left of sorted, disjoint ranges without others of that kind."""
    left: list[PortRange] = []
    for each in ranges:
        start = each.first
        for hole in taken:
            if hole.first > each.last or hole.last < start:
                continue
            if hole.first > start:
                left.append(PortRange(start, hole.first - 1))
            start = hole.last + 1
        if start <= each.last:
            left.append(PortRange(start, each.last))
    return left


def _contains(outer: Flow, inner: Flow) -> bool:
    """Whether each packet of ``inner`` is one of ``outer``, given that the two overlap."""
    return (
        outer.destination.prefixlen <= inner.destination.prefixlen
        and outer.transport in {None, inner.transport}
        and outer.in_interface in {None, inner.in_interface}
        and set(outer.not_from_mac) <= set(inner.not_from_mac)
        and (
            outer.ports is None
            or (
                inner.ports is not None
                and outer.ports.first <= inner.ports.first
                and inner.ports.last <= outer.ports.last
            )
        )
    )
