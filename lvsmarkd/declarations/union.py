"""All that is declared for one service, in one form: the same packets, said once."""

from collections.abc import Iterable

from msgspec.structs import replace

from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.lanes import Lanes
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import EVERY_PORT, PortRange, PortSet, joined, without


def union(declared: Iterable[DeclaredFlow]) -> tuple[DeclaredFlow, ...]:
    """The flows of one service, without the overlaps that only repeat.

    Where two declarations speak of the same packets these are accepted if either says so.
    Flows that differ in nothing but their ports become disjoint ranges with the origin that
    was written first; a flow that lies wholly in another is dropped.
    """
    groups: dict[Packets, list[DeclaredFlow]] = {}
    for each in declared:
        groups.setdefault(replace(each.flow, ports=()), []).append(each)
    merged = [flow for bare, own in groups.items() for flow in _merged(bare, own)]
    lanes = Lanes((each.flow, each) for each in merged)
    return tuple(
        each
        for each in merged
        if not any(
            other is not each and other.accept >= each.accept and flow.covers(each.flow)
            for flow, other in lanes.around(each.flow)
        )
    )


def _merged(bare: Packets, declared: list[DeclaredFlow]) -> list[DeclaredFlow]:
    """The union of flows that differ in ports and accept only."""
    accepted = [each for each in declared if each.accept]
    plain = [each for each in declared if not each.accept]
    for own in (accepted, plain):
        whole = next((each for each in own if not each.flow.ports), None)
        if whole is not None and (own is accepted or not accepted):
            return [whole]
    kept = _all_ports(accepted)
    rest = without(_all_ports(plain), kept)
    pieces = [(each, accepted) for each in kept] + [(each, plain) for each in rest]
    return [
        DeclaredFlow(
            flow=replace(bare, ports=(piece,)),
            accept=own is accepted,
            origin=_first(own, piece).origin,
        )
        for piece, own in sorted(pieces, key=lambda piece: piece[0])
    ]


def _ports(declared: DeclaredFlow) -> PortSet:
    return declared.flow.ports or (EVERY_PORT,)


def _all_ports(declared: Iterable[DeclaredFlow]) -> PortSet:
    return joined(ports for each in declared for ports in _ports(each))


def _first(declared: list[DeclaredFlow], piece: PortRange) -> DeclaredFlow:
    return next(each for each in declared if any(p.overlaps(piece) for p in _ports(each)))
