"""Rules of ours in a firewall that kept them before: they go once they are where they belong."""

from collections.abc import Iterator

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.drift import History, Verdict, stays
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.observed import Chain, Observed
from lvsmarkd.model.plan import Dissolve, RemoveRule
from lvsmarkd.model.rule import Plane, Rule, Spot


def farewell(desired: Desired, observed: Observed, history: History) -> Iterator[Verdict]:
    """What is left in the former firewall, and the steps that take it away.

    They are for when nothing else is to be done. A chain stays for as long as the present
    firewall lacks a rule that is wanted, or that would not be taken away if it stood there.
    """
    for spot, chain in observed.chains.items():
        if spot.plane is Plane.FORMER and isinstance(chain, Chain) and not chain.left:
            needed = _needed(spot, chain, desired, observed, history)
            steps = () if needed else (Dissolve(spot, chain.anchors, chain.rules),)
            yield Verdict((_finding(spot, chain, needed=needed),), steps)


def outlived(desired: Desired, observed: Observed, history: History) -> Iterator[Verdict]:
    """What a firewall that has ended left of ours and is not wanted any more, rule by rule.

    It does not wait for anything: packets meet it beside the rules of the present firewall, and
    it may overrule them.
    """
    for spot, chain in observed.chains.items():
        if spot.plane is not Plane.FORMER or not isinstance(chain, Chain) or not chain.left:
            continue
        want = [r for r in desired.rules if (r.family, r.place) == (spot.family, spot.place)]
        for rule in chain.rules:
            if rule not in want and not stays(rule, desired, want, history.lingers):
                yield Verdict((_outlived(spot, chain, rule),), (RemoveRule(spot, rule),))


def _outlived(spot: Spot, chain: Chain, rule: Rule) -> Finding:
    return Finding(
        Kind.MIXED,
        Severity.WARNING,
        f"{chain.holder} still has “{rule}”, which packets meet and nothing asks for any more;"
        " applying the plan takes it away",
        rule.service,
        spot.plane,
        spot.family,
        detail=str(rule),
    )


def _needed(
    spot: Spot, chain: Chain, desired: Desired, observed: Observed, history: History
) -> bool:
    now = observed.chains.get(Spot(Plane.RUNTIME, spot.family, spot.place))
    there: set[Rule] = set()
    if isinstance(now, Chain) and now.anchors:
        there = set(now.rules)
    want = [r for r in desired.rules if (r.family, r.place) == (spot.family, spot.place)]
    left = [rule for rule in chain.rules if rule not in there and rule not in want]
    return not there.issuperset(want) or any(
        stays(rule, desired, want, history.lingers) for rule in left
    )


def _finding(spot: Spot, chain: Chain, *, needed: bool) -> Finding:
    still = (
        "it stays until all that is needed of it is in the firewall that keeps the rules now"
        if needed
        else "applying the plan takes it away"
    )
    return Finding(
        Kind.MIXED,
        Severity.WARNING if needed else Severity.NOTE,
        f"{chain.holder} is there from the time when lvsmarkd kept its rules in it, and packets"
        f" meet it too; {still}",
        plane=spot.plane,
        family=spot.family,
    )
