"""What iptables still has of ours, from the time when it kept our rules."""

from collections.abc import Iterator
from dataclasses import replace

from lvsmarkd.backends.iptables.chains import LOCATIONS
from lvsmarkd.model.plan import Plan, Step
from lvsmarkd.model.rule import ChainKey, Plane
from lvsmarkd.model.snapshot import Chain, Snapshot


def previous_chains(iptables: Snapshot) -> Iterator[tuple[ChainKey, Chain]]:
    """Our chains there. One that holds nothing of ours, and something else, is not ours."""
    for chain_key, chain in iptables.chains.items():
        if isinstance(chain, Chain) and (chain.rules or (chain.jumps and not chain.unknown_rules)):
            location = LOCATIONS[chain_key.hook]
            name = f"iptables' chain {location.chain} (table {location.table})"
            yield replace(chain_key, plane=Plane.FORMER), replace(chain, container=name)


def parted(plan: Plan) -> tuple[Plan, Plan]:
    """The plan for firewalld, and the one for iptables in its own terms."""
    former = [step for step in plan.steps if step.chain_key.plane is Plane.FORMER]
    present = [step for step in plan.steps if step.chain_key.plane is not Plane.FORMER]
    return Plan(steps=tuple(present)), Plan(steps=tuple(_on(Plane.RUNTIME, s) for s in former))


def _on(plane: Plane, step: Step) -> Step:
    return replace(step, chain_key=replace(step.chain_key, plane=plane))
