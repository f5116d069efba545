"""Foreign rules: whether they overrule our marks, refuse our packets, mark in vain.

They are read and judged, never changed.
"""

from collections.abc import Iterator

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.rule import Accept, ChainKey, Hook, Plane, SetMark
from lvsmarkd.model.rule_spec import SetConnmark, SetsUnknownMark
from lvsmarkd.model.service import MAX_MARK, Family, FlowSource, ServiceKey
from lvsmarkd.model.snapshot import Chain, Drop, ForeignRule, LeavesTable, Side, Snapshot


def marked_by_others(key: ServiceKey, snapshot: Snapshot, plane: Plane = Plane.RUNTIME) -> bool:
    """Whether some foreign rule gives packets of the family just this mark, and not in vain."""
    return any(True for _ in givers(key, snapshot, plane))


def givers(
    key: ServiceKey, snapshot: Snapshot, plane: Plane = Plane.RUNTIME
) -> Iterator[ForeignRule]:
    """The foreign rules that give packets of the family just this mark, where no other foreign
    rule certainly takes all of them away before, or their mark after.
    """
    chain_key = ChainKey(plane, key.family, Hook.PREROUTING)
    rules = [rule for rule in snapshot.foreign if rule.chain_key == chain_key]
    for index, rule in enumerate(rules):
        if _gives(rule, key.mark, rules) and not _in_vain(index, rule, key.mark, rules):
            yield rule


def _gives(rule: ForeignRule, mark: int, rules: list[ForeignRule]) -> bool:
    match rule.effect:
        case SetMark(value, _):
            return value == mark
        case SetConnmark(value, bits):
            # Restored for the packets of the connection, the first one included.
            return (value, bits) == (mark, MAX_MARK) and any(
                isinstance(other.effect, SetsUnknownMark) and other.effect.restores
                for other in rules
            )
        case _:
            return False


def _in_vain(index: int, rule: ForeignRule, mark: int, rules: list[ForeignRule]) -> bool:
    before = (r for r in rules[:index] if isinstance(r.effect, LeavesTable | Drop) and not r.later)
    after = (
        r for r in rules[index + 1 :] if isinstance(r.effect, SetMark) and not _harmless(r, mark)
    )
    return any(other.takes_all_of(rule) for other in (*before, *after))


def conflicts(desired: Desired, snapshot: Snapshot) -> Iterator[Finding]:
    """Foreign rules that undo our mark, or keep packets from it, now or after a reload.

    Rules do not end the way through a chain by marking, so the last writer wins (measured).
    With our jump at the head, that is any foreign rule behind it; with it at the end, only
    a rule ahead that lets packets leave the table harms.
    """
    rivals = [
        rule
        for rule in snapshot.foreign
        if rule.chain_key.hook is Hook.PREROUTING
        and _rivals(rule, snapshot.limits)
        # Of what is in force now packets tell, where all rules were read.
        and not (snapshot.is_complete and rule.chain_key.plane is Plane.RUNTIME)
    ]
    for key, flows in desired.flows.items():
        told = set()
        for rule in sorted(rivals, key=lambda rule: rule.chain_key.plane is not Plane.RUNTIME):
            if rule.chain_key.family is not key.family or _harmless(rule, key.mark):
                continue
            hit = _hit(rule, key, flows)
            if hit is not None and rule.ref not in told:
                if rule.chain_key.plane is Plane.RUNTIME:
                    told.add(rule.ref)
                yield _conflict(rule, key, hit, _movable(rule.chain_key, snapshot))


def _movable(chain_key: ChainKey, snapshot: Snapshot) -> bool:
    """Whether a setting of ours can move our rules past others'."""
    chain = snapshot.chains.get(chain_key)
    return not (isinstance(chain, Chain) and chain.container)


def _hit(
    rule: ForeignRule, key: ServiceKey, flows: tuple[DeclaredFlow, ...]
) -> DeclaredFlow | None:
    """The flow that a rival harms: the first that it takes all of, or some of."""
    if isinstance(rule.effect, Drop):
        return next((d for d in flows if rule.matches_all_of(d.flow)), None)
    mark = key.mark if _writes(rule) else None
    touched = [d for d in flows if rule.may_match(d.flow, mark)]
    certain = (d for d in touched if rule.matches_all_of(d.flow, mark))
    return next(certain, next(iter(touched), None))


def _writes(rule: ForeignRule) -> bool:
    return isinstance(rule.effect, SetMark | SetsUnknownMark)


def _rivals(rule: ForeignRule, limits: Limits) -> bool:
    if isinstance(rule.effect, Drop):
        return True
    if limits.jump_at_end and not rule.later:
        return rule.side is Side.BEFORE and isinstance(rule.effect, LeavesTable)
    return rule.side is Side.AFTER and _writes(rule)


def _harmless(rule: ForeignRule, mark: int) -> bool:
    effect = rule.effect
    return isinstance(effect, SetMark) and (mark & ~effect.mask) ^ effect.value == mark


def _conflict(
    rule: ForeignRule,
    key: ServiceKey,
    hit: DeclaredFlow,
    movable: bool,  # noqa: FBT001
) -> Finding:
    match rule.effect:
        case SetMark() as effect:
            does = f"gives packets of {hit.flow} {effect} after mark {key.mark} was set"
        case SetsUnknownMark(target):
            does = f"changes the mark of packets of {hit.flow} after it was set (-j {target})"
        case Drop():
            does = f"drops packets of {hit.flow} on their way to IPVS"
        case _:
            does = f"lets packets of {hit.flow} leave the table before mark {key.mark} is set"
    # A drop may be meant; what it takes is not balanced unmarked.
    mark = key.mark if _writes(rule) else None
    certain = rule.matches_all_of(hit.flow, mark) and not isinstance(rule.effect, Drop)
    moving = movable and not rule.later and not isinstance(rule.effect, Drop)
    remedy = ', or set position = "last" under [firewall.iptables]' if moving else ""
    return Finding(
        Kind.CONFLICT,
        f"a rule in {rule.where} {does}",
        f"remove or narrow it{remedy}",
        graded=Severity.CRITICAL if certain else None,
        service=key,
        plane=rule.chain_key.plane,
        family=key.family,
        rule=rule.ref,
        origins=(hit.origin,),
    )


def unaccepted(desired: Desired, snapshot: Snapshot) -> Iterator[Finding]:
    """Declared flows that INPUT refuses before IPVS can see them.

    Only what is certain is reported: a rule that may accept a part of a flow settles it.
    """
    for family in Family:
        chain_key = ChainKey(Plane.RUNTIME, family, Hook.INPUT)
        walk = [
            rule
            for rule in snapshot.foreign
            if rule.chain_key == chain_key
            and (isinstance(rule.effect, Accept | LeavesTable) or not rule.narrowed)
        ]
        refusing = family in snapshot.dropping_families
        if not refusing and not any(isinstance(rule.effect, Drop) for rule in walk):
            continue
        for key, flows in desired.flows.items():
            if key.family is family:
                yield from _refused(key, flows, walk, refusing=refusing)


def _refused(
    key: ServiceKey, flows: tuple[DeclaredFlow, ...], walk: list[ForeignRule], *, refusing: bool
) -> Iterator[Finding]:
    for declared in flows:
        culprit = _refusal(key, declared, walk)
        if culprit is None and (not refusing or declared.accept):
            continue
        if culprit is False:
            continue
        by = f"“{culprit.text}”" if isinstance(culprit, ForeignRule) else "the policy of INPUT"
        yield Finding(
            Kind.UNACCEPTED,
            f"packets of {declared.flow} are refused at INPUT by {by} before IPVS sees them",
            "add `accept` to the declaration, or accept them in your own rules",
            service=key,
            family=key.family,
            rule=culprit.ref if isinstance(culprit, ForeignRule) else None,
            origins=(declared.origin,),
            subject=declared.flow,
        )


def _refusal(
    key: ServiceKey, declared: DeclaredFlow, walk: list[ForeignRule]
) -> ForeignRule | bool | None:
    """The rule that refuses the flow; False where one lets it in; None where none decides."""
    for rule in walk:
        if declared.accept and rule.side is Side.AFTER:
            return False
        match rule.effect:
            case Accept() if rule.may_match(declared.flow, key.mark):
                return False
            case LeavesTable() if rule.matches_all_of(declared.flow):
                return None
            case Drop() if rule.matches_all_of(declared.flow):
                return rule
            case _:
                continue
    return None


def orphans(desired: Desired, snapshot: Snapshot) -> Iterator[Finding]:
    """Foreign rules that set a whole mark that no service of their family uses.

    Masked writes are left alone: they are how others (kube-proxy, CNIs) use single bits.
    """
    bare = {
        family: [
            key.mark
            for key, coverage in desired.coverage.items()
            if key.family is family
            and coverage is FlowSource.NONE
            and not marked_by_others(key, snapshot)
        ]
        for family in Family
    }
    seen: set[tuple[Family, int]] = set()
    for rule in sorted(
        snapshot.foreign, key=lambda rule: rule.chain_key.plane is not Plane.RUNTIME
    ):
        effect = rule.effect
        if not isinstance(effect, SetMark) or effect.mask != MAX_MARK or effect.value == 0:
            continue
        family, value = rule.chain_key.family, effect.value
        if ServiceKey(family, value) in desired.services or (family, value) in seen:
            continue
        if any(_routes_by(claim, family, value) for claim in desired.runtime_state.claims):
            continue
        seen.add((family, value))
        hint = near_miss(value, _meant(rule, desired, bare[family]))
        yield Finding(
            Kind.ORPHAN,
            f"a rule in {rule.where} sets mark {value}, which no {family} service uses",
            hint,
            graded=Severity.WARNING if hint else None,
            plane=rule.chain_key.plane,
            family=family,
            rule=rule.ref,
        )


def _routes_by(claim: MarkClaim, family: Family, mark: int) -> bool:
    """Whether policy routing asks for a mark: then somebody uses it."""
    return claim.use is Use.ROUTE and claim.family in {None, family} and claim.concerns(mark)


def _meant(rule: ForeignRule, desired: Desired, bare: list[int]) -> list[int]:
    """The marks that a rule may have meant: those of the flows that it marks, else those that
    nothing sets.
    """
    family = rule.chain_key.family
    touched = [
        key.mark
        for key, flows in desired.flows.items()
        if key.family is family and any(rule.may_match(d.flow, key.mark) for d in flows)
    ]
    return touched or bare


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
