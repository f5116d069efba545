"""Rules that set a mark that no service uses, and what was probably meant."""

from collections.abc import Iterator

from lvsmarkd.judge.marking_rules import MarkingRule, marking_rules
from lvsmarkd.judge.prospects import Prospects
from lvsmarkd.judge.undeclared import is_marked
from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.rule import Hook, Plane, Rule
from lvsmarkd.model.ruleset import Ruleset
from lvsmarkd.model.service import MAX_MARK, Family, FlowSource, ServiceKey
from lvsmarkd.model.snapshot import Chain, Snapshot


def orphans(prospects: Prospects) -> Iterator[Finding]:
    """Rules of others that set a whole mark that no service of their family uses.

    Masked writes are left alone: they are how others (kube-proxy, CNIs) use single bits.
    """
    desired, seen = prospects.desired, prospects.seen
    told: set[tuple[Family, int]] = set()
    for plane, family, each in _of_others(seen):
        value = each.effect.value
        if each.effect.mask != MAX_MARK or value == 0 or (family, value) in told:
            continue
        if ServiceKey(family, value) in desired.services:
            continue
        if any(_routes_by(claim, family, value) for claim in desired.runtime_state.claims):
            continue
        told.add((family, value))
        hint = near_miss(value, _meant(each, family, prospects))
        yield Finding(
            Kind.ORPHAN,
            f"a rule in {each.rule.where} sets mark {value}, which no {family} service uses",
            hint,
            graded=Severity.WARNING if hint else None,
            plane=plane,
            family=family,
            rule=each.rule,
        )


def _of_others(seen: Snapshot) -> Iterator[tuple[Plane, Family, MarkingRule]]:
    """What is in force comes first, in the firewall's own words where it lists it."""
    rulesets: list[tuple[Plane, Ruleset | None]] = [
        (Plane.RUNTIME, seen.listed),
        (Plane.RUNTIME, seen.ruleset),
        (Plane.PERMANENT, seen.lasting),
    ]
    for plane, ruleset in rulesets:
        for family in Family if ruleset is not None else ():
            own = _own(seen, family)
            for each in marking_rules(ruleset or Ruleset(), family):
                if not _is_own(each, own, seen):
                    yield plane, family, each
    for family in Family:
        yield from _on_own_packets(seen, family)


def _on_own_packets(seen: Snapshot, family: Family) -> Iterator[tuple[Plane, Family, MarkingRule]]:
    """What the director itself sends is looked at in the table that holds our rules for it."""
    for chain_key, place in seen.places.items():
        if (chain_key.family, chain_key.hook) != (family, Hook.OUTPUT):
            continue
        for each in marking_rules(seen.ruleset, family, (Hook.OUTPUT,)):
            if each.table == place.table and not place.holds(each.rule):
                yield Plane.RUNTIME, family, each


def _own(seen: Snapshot, family: Family) -> set[tuple[object, object]]:
    """What rules of ours say, wherever they are."""
    chains = [c for key, c in seen.held.items() if key.family is family and isinstance(c, Chain)]
    rules: list[Rule] = [rule for chain in chains for rule in (*chain.rules, *chain.incomplete)]
    return {(rule.match, rule.action) for rule in rules}


def _is_own(each: MarkingRule, own: set[tuple[object, object]], seen: Snapshot) -> bool:
    if seen.is_own(each.rule):
        return True
    return not each.spec.conditions and (each.spec.packets, each.effect) in own


def _routes_by(claim: MarkClaim, family: Family, mark: int) -> bool:
    """Whether policy routing asks for a mark: then somebody uses it."""
    return claim.use is Use.ROUTE and claim.family in {None, family} and claim.concerns(mark)


def _meant(each: MarkingRule, family: Family, prospects: Prospects) -> list[int]:
    """The marks that a rule may have meant: those of the flows that it marks, else those that
    nothing sets.
    """
    desired = prospects.desired
    touched = [
        key.mark
        for key, flows in desired.flows.items()
        if key.family is family and any(each.packets.overlaps(d.flow) for d in flows)
    ]
    if touched:
        return touched
    return [
        key.mark
        for key, coverage in desired.coverage.items()
        if key.family is family
        and coverage is FlowSource.NONE
        and not is_marked(key, prospects.now)
    ]


def near_miss(value: int, meant: list[int]) -> str:
    """What was probably meant by a mark that nobody uses, of the marks in question.

    Seen in the wild: a hexadecimal prefix on a decimal mark (``0x${mark}``), and simply
    another number.
    """
    for mark in meant:
        if f"{value:x}" == str(mark):
            return (
                f"keepalived's {mark} is decimal and {value:#x} is {value}: write --set-mark {mark}"
            )
        if str(value) == f"{mark:x}":
            return f"{value} is {mark} written in hexadecimal without 0x: write --set-mark {mark}"
    if len(meant) == 1:
        return f"keepalived uses mark {meant[0]}: is that the one meant?"
    return ""
