"""What iptables still has of ours, from the time when it kept our rules."""

from collections.abc import Iterator
from dataclasses import replace

from lvsmarkd.firewall.iptables.chains import SEATS
from lvsmarkd.model.observed import Chain, Observed
from lvsmarkd.model.plan import Plan, Step
from lvsmarkd.model.rule import Plane, Spot


def former_chains(iptables: Observed) -> Iterator[tuple[Spot, Chain]]:
    """Our chains there. One that holds nothing of ours, and something else, is not ours."""
    for spot, chain in iptables.chains.items():
        if isinstance(chain, Chain) and (chain.rules or (chain.anchors and not chain.aliens)):
            seat = SEATS[spot.place]
            name = f"iptables' chain {seat.chain} (table {seat.table})"
            yield replace(spot, plane=Plane.FORMER), replace(chain, holder=name)


def parted(plan: Plan) -> tuple[Plan, Plan]:
    """The plan for firewalld, and the one for iptables in its own terms."""
    former = [step for step in plan.steps if step.spot.plane is Plane.FORMER]
    present = [step for step in plan.steps if step.spot.plane is not Plane.FORMER]
    return Plan(steps=tuple(present)), Plan(steps=tuple(_on(Plane.RUNTIME, s) for s in former))


def _on(plane: Plane, step: Step) -> Step:
    return replace(step, spot=replace(step.spot, plane=plane))
