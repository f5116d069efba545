"""Findings by what becomes of packets: lost ones, and those of which it cannot be told.

A finding for each service and each rule that takes its packets, whoever's: all or a certain part of
a service's packets lost is critical, what one interface of several keeps out a warning.
"""

from collections.abc import Iterator

from msgspec import Struct

from lvsmarkd.judge.coverage import waits
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlook import FlowFate, Outlook, ServiceOutlook
from lvsmarkd.model.fate import LOST, Fate, PacketFate
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Hook, Plane
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.snapshot import Snapshot

_NARROW = "remove or narrow it"


def packet_findings(desired: Desired, seen: Snapshot, ahead: Outlook) -> Iterator[Finding]:
    """What takes packets from services, or may. ``ahead`` is judged with our rules in force."""
    served = {key.family for key in ahead.services}
    for family in sorted(served):
        if unread := ahead.unread.get(family):
            yield _unread(family, unread)
    for key, each in sorted(ahead.services.items()):
        if ahead.unread.get(key.family) or seen.unread(key.family) or waits(key, desired):
            continue
        if not each.parts and desired.flows[key]:
            continue
        for loss in losses(key, each, seen):
            yield loss.finding(key, desired)
        yield from hidden(key, each, desired)


def losses(key: ServiceKey, each: ServiceOutlook, seen: Snapshot) -> list["Loss"]:
    """What a service loses: one for each rule that takes it, the worst."""
    told: dict[tuple[Kind, RuleRef | None], Loss] = {}
    for part in each.parts:
        loss = Loss.of(part, key, seen)
        if loss is None:
            continue
        same = told.get(loss.key)
        if same is None or (same.is_partly and not loss.is_partly):
            told[loss.key] = loss
    return list(told.values())


class Loss(Struct, frozen=True):
    """Packets that a rule takes from a service."""

    kind: Kind
    rule: RuleRef | None
    packets: Packets
    fact: str
    advice: str
    is_partly: bool
    origin: Origin | None

    @property
    def key(self) -> tuple[Kind, RuleRef | None]:
        """One finding for each."""
        return self.kind, self.rule

    @classmethod
    def of(cls, part: FlowFate, key: ServiceKey, seen: Snapshot) -> "Loss | None":
        """Of a part of a service's flows; None where it is not lost."""
        fate = part.fate
        if fate.fate not in LOST:
            return None
        at_input = fate.lost_at is Hook.INPUT
        rule = _culprit(fate, seen)
        kind = Kind.UNACCEPTED if at_input and fate.fate is Fate.DROPPED else Kind.CONFLICT
        advice = _advice(part, rule, seen, key.mark, at_input=at_input)
        declared = part.declared
        return cls(
            kind,
            rule,
            fate.packets,
            _fact(fate, key, rule),
            advice,
            part.is_partly,
            declared.origin if declared else None,
        )

    def finding(self, key: ServiceKey, desired: Desired, plane: Plane = Plane.RUNTIME) -> Finding:
        """What is told of it."""
        origins = (self.origin,) if self.origin else desired.services[key].origins
        return Finding(
            self.kind,
            self.fact,
            self.advice,
            graded=Severity.WARNING if self.is_partly else Severity.CRITICAL,
            service=key,
            plane=plane,
            family=key.family,
            rule=self.rule,
            origins=origins,
            subject=self.packets if self.rule is None else None,
        )


def _culprit(fate: PacketFate, seen: Snapshot) -> RuleRef | None:
    """The rule that takes the packets, or their mark; None where none of others' does."""
    if fate.fate in {Fate.DROPPED, Fate.ELSEWHERE}:
        return fate.rules[-1] if fate.rules else None
    changed = [step.rule for step in fate.steps if step.before != step.after]
    if changed and not seen.is_own(changed[-1]):
        return changed[-1]
    if changed:
        return None
    others = [step.rule for step in fate.steps if not (step.leads or seen.is_own(step.rule))]
    return others[-1] if others and fate.fate is Fate.UNMARKED else None


def _fact(fate: PacketFate, key: ServiceKey, rule: RuleRef | None) -> str:
    packets = fate.packets
    where = "" if rule is None else f"a rule in {rule.where}"
    if rule is not None and rule.is_policy:
        where = f"the policy of {rule.where}"
    marked = any(step.after == key.mark for step in fate.steps)
    match fate.fate:
        case Fate.DROPPED if fate.lost_at is Hook.INPUT:
            by = f"by {where}" if rule is not None and rule.is_policy else f"by “{rule}”"
            return f"packets of {packets} are refused at INPUT {by} before IPVS sees them"
        case Fate.DROPPED:
            return f"{where} drops packets of {packets} on their way to IPVS"
        case Fate.ELSEWHERE:
            return f"{where} sends packets of {packets} elsewhere, so that IPVS does not see them"
        case Fate.WRONG if rule is not None and marked:
            return (
                f"{where} gives packets of {packets} mark {fate.mark} after mark {key.mark} was set"
            )
        case Fate.WRONG:
            return f"packets of {packets} come to IPVS with mark {fate.mark}, not {key.mark}"
        case _ if rule is not None and marked:
            return f"{where} takes mark {key.mark} from packets of {packets}"
        case _ if rule is not None:
            return f"{where} keeps packets of {packets} from the rules that set mark {key.mark}"
        case _:
            return f"packets of {packets} come to IPVS without mark {key.mark}"


def _advice(
    part: FlowFate, rule: RuleRef | None, seen: Snapshot, mark: int, *, at_input: bool
) -> str:
    if at_input and part.fate.fate is Fate.DROPPED:
        if part.declared is None:
            return "accept them in your own rules"
        if part.declared.accept:
            return _NARROW
        if not seen.limits.accepts:
            return (
                "have the chain that refuses them accept what bears the mark (nft: meta mark"
                f" {mark} accept; iptables: -m mark --mark {mark} -j ACCEPT)"
            )
        return "add `accept` to the declaration, or accept them in your own rules"
    if rule is None:
        by = [str(each) for each in part.flow.qualifiers]
        return (
            f"see by which interfaces they come ({', '.join(by)})" if by else "see lvsmarkd explain"
        )
    moving = any(place.leads_from(rule) for place in seen.places.values())
    changes = part.fate.fate in {Fate.WRONG, Fate.UNMARKED} and not at_input
    if moving and changes and not seen.limits.jump_at_end:
        return f'{_NARROW}, or set position = "last" under [firewall.iptables]'
    return _NARROW


def hidden(key: ServiceKey, each: ServiceOutlook, desired: Desired) -> Iterator[Finding]:
    """One note for each rule that hides what becomes of packets."""
    if each.covered is not None:
        return
    for fate in each.hidden:
        yield Finding(
            Kind.UNKNOWN,
            f"whether packets of {fate.packets} come to IPVS with mark {key.mark} cannot be told:"
            f" {fate.why_unknown}",
            f"see lvsmarkd explain {key.mark}",
            graded=Severity.NOTE,
            service=key,
            family=key.family,
            rule=fate.hidden_by,
            origins=desired.services[key].origins,
            subject=fate.packets if fate.hidden_by is None else None,
        )


def _unread(family: Family, reasons: tuple[str, ...]) -> Finding:
    return Finding(
        Kind.UNKNOWN,
        f"whether {family} packets come to IPVS with their marks cannot be told:"
        f" {'; '.join(reasons)}",
        graded=Severity.NOTE,
        family=family,
        subject="ruleset",
    )
