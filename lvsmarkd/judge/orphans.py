"""Rules that set a mark that no service uses, and what was probably meant."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from lvsmarkd.judge.marking_rules import MarkingRule, marking_rules
from lvsmarkd.judge.prospects import Prospects
from lvsmarkd.judge.undeclared import is_marked
from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.guard import GUARD_KEY
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Hook, Plane
from lvsmarkd.model.ruleset import TableKey
from lvsmarkd.model.service import MAX_MARK, Family, FlowSource
from lvsmarkd.model.snapshot import Chain, Snapshot


def orphans(prospects: Prospects) -> Iterator[Finding]:
    """Rules of others that set a whole mark that no service of their family uses.

    Masked writes are left alone: they are how others (kube-proxy, CNIs) use single bits.
    """
    used = _Used.of(prospects)
    for plane, family, each in _marking(prospects.seen):
        value = each.effect.value
        # Nearly all rules set marks that are known by now: look no closer than is needed.
        if used.has(family, each) or _is_own(each, family, used):
            continue
        used.known.add((family, value))
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


class _Used(Struct, frozen=True):
    """The marks that somebody uses, or of which it is told already that nobody does; our own
    chains; and what rules of ours say, wherever they are.
    """

    known: set[tuple[Family, int]]
    routed: tuple[MarkClaim, ...]
    places: frozenset[tuple[TableKey, str]]
    own: Mapping[Family, frozenset[tuple[Packets, object]]]

    @classmethod
    def of(cls, prospects: Prospects) -> "_Used":
        seen, claims = prospects.seen, prospects.desired.runtime_state.claims
        return cls(
            {(key.family, key.mark) for key in prospects.desired.services},
            # Policy routing that asks for a mark uses it.
            tuple(claim for claim in claims if claim.use is Use.ROUTE),
            frozenset((place.table, place.chain) for place in seen.places.values()),
            {family: frozenset(_said_by_ours(seen, family)) for family in Family},
        )

    def has(self, family: Family, each: MarkingRule) -> bool:
        """Whether a mark is none to tell of: a part of one, or no mark, is nobody's whole mark."""
        value, mask = each.effect.value, each.effect.mask
        if mask != MAX_MARK or value == 0 or (family, value) in self.known:
            return True
        return any(c.family in {None, family} and c.concerns(value) for c in self.routed)


def _said_by_ours(seen: Snapshot, family: Family) -> Iterator[tuple[Packets, object]]:
    for chain_key, chain in seen.held.items():
        if chain_key.family is family and isinstance(chain, Chain):
            yield from ((rule.match, rule.action) for rule in (*chain.rules, *chain.incomplete))


def _is_own(each: MarkingRule, family: Family, used: _Used) -> bool:
    if each.table == GUARD_KEY or (each.table, each.chain) in used.places:
        return True
    return not each.spec.conditions and (each.spec.packets, each.effect) in used.own[family]


def _marking(seen: Snapshot) -> Iterator[tuple[Plane, Family, MarkingRule]]:
    """What is in force comes first, in the firewall's own words where it lists it."""
    rulesets = [(Plane.RUNTIME, seen.listed), (Plane.RUNTIME, seen.ruleset)]
    if seen.lasting is not None:
        rulesets.append((Plane.PERMANENT, seen.lasting))
    for plane, ruleset in rulesets:
        for family in Family:
            yield from ((plane, family, each) for each in marking_rules(ruleset, family))
    # What the director itself sends is looked at in the table that holds our rules for it.
    for chain_key, place in seen.places.items():
        if chain_key.hook is Hook.OUTPUT:
            for each in marking_rules(seen.ruleset, chain_key.family, (Hook.OUTPUT,)):
                if each.table == place.table:
                    yield Plane.RUNTIME, chain_key.family, each


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
