"""What a pass repaired, and who had undone it, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.plan import (
    AddRule,
    EnsureJump,
    Plan,
    RemoveChain,
    RemoveRule,
    ReplaceChain,
    Step,
)
from lvsmarkd.model.report import Cause, Report
from lvsmarkd.model.rule import ChainKey, Plane, Rule
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.telemetry.message import (
    Event,
    Message,
    Priority,
    actor_fields,
    counted,
    fields,
    listed,
    who,
)

PLAN_LINES = 50
"""Lines of a plan that go along with a message; `lvsmarkd plan` shows all."""


def repaired(before: Report | None, report: Report) -> Iterator[Message]:
    """One message for each service whose rules somebody undid, and for each jump.

    Who undid what the pass before had found already was told then.
    """
    cases: dict[tuple[ChainKey, ServiceKey | None], _Case] = {}
    for repair in report.repairs:
        if repair.cause is not Cause.DRIFT:
            continue
        chain_key = repair.step.chain_key
        match repair.step:
            case AddRule(_, rule):
                cases.setdefault((chain_key, rule.service), _Case()).added.append(rule)
            case RemoveRule(_, rule):
                cases.setdefault((chain_key, rule.service), _Case()).removed.append(rule)
            case ReplaceChain(_, rules):
                lost = _lost(report.found, chain_key)
                for rule in rules:
                    if str(rule) in lost:
                        cases.setdefault((chain_key, rule.service), _Case()).added.append(rule)
                yield _structure(report, chain_key, "made our chain unfit", Kind.ALTERED)
            case EnsureJump(_, surplus):
                kind, deed = _displaced(surplus)
                yield _structure(report, chain_key, f"{deed} the jump to our chain", kind)
            case RemoveChain():
                continue  # nobody undoes what nobody wants
    doubled = {f.detail for f in report.found.findings if f.kind is Kind.DUPLICATE}
    told = {chain_key: _lost(before.left, chain_key) for chain_key, _ in cases} if before else {}
    for (chain_key, service), case in cases.items():
        if case.added and {str(rule) for rule in case.added} <= told.get(chain_key, set()):
            yield _back(report, chain_key, service, case)
        else:
            yield _message(report, chain_key, service, case, doubled)


def applied(report: Report) -> Iterator[Message]:
    """One message for all that was changed because the configuration asks for it."""
    steps = [repair.step for repair in report.repairs if repair.cause is Cause.CONFIG]
    if not steps:
        return
    added = [rule for step in steps for rule in _added(step)]
    removed = [step.rule for step in steps if isinstance(step, RemoveRule)]
    removed += [r for step in steps if isinstance(step, RemoveChain) for r in step.rules]
    services = dict.fromkeys(str(r.service or f"VRRP {r.family}") for r in [*added, *removed])
    deeds = [f"{counted(len(added), 'rule')} added"] if added else []
    deeds += [f"{counted(len(removed), 'rule')} removed"] if removed else []
    what = ", ".join(deeds) or f"{counted(len(steps), 'change')} around our chains"
    about = f" for {listed(services)}" if services else ""
    yield Message(
        Event.APPLIED,
        Priority.NOTICE,
        f"{what}{about}, as the configuration asks{_after(report, '; in force after')}",
        fields(
            cause=Cause.CONFIG,
            trigger=report.trigger,
            latency_ms=latency_ms(report),
            plan=_excerpt(Plan(steps=tuple(steps))),
        ),
    )


def latency_ms(report: Report) -> str:
    """How long the repair took, in milliseconds; empty where there was none."""
    if report.latency is None:
        return ""
    milliseconds = report.latency * 1000
    return f"{milliseconds:.1f}" if milliseconds < 10 else f"{milliseconds:.0f}"


@dataclass(slots=True)
class _Case:
    """What was done to the rules of one service at one chain."""

    added: list[Rule] = field(default_factory=list)
    removed: list[Rule] = field(default_factory=list)


def _back(report: Report, chain_key: ChainKey, service: ServiceKey | None, case: _Case) -> Message:
    return Message(
        Event.REPAIRED,
        Priority.NOTICE,
        f"{service or f'VRRP {chain_key.family}'}:"
        f" {listed(map(_quoted, case.added))} in force again",
        fields(
            service,
            family=chain_key.family,
            plane=chain_key.plane,
            trigger=report.trigger,
            cause=Cause.DRIFT,
            want="\n".join(map(str, case.added)),
        ),
    )


def _message(
    report: Report, chain_key: ChainKey, service: ServiceKey | None, case: _Case, doubled: set[str]
) -> Message:
    want, have = listed(map(_quoted, case.added)), listed(map(_quoted, case.removed))
    if want and have:
        kind, deed = Kind.ALTERED, f"changed {want} to {have}"
    elif want:
        kind, deed = Kind.MISSING, f"removed {want}"
    elif {str(rule) for rule in case.removed} <= doubled:
        kind, deed = Kind.DUPLICATE, f"put in {have} once more"
    else:
        kind, deed = Kind.STALE, f"put {have} into our chain, where it serves nothing"
    if chain_key.plane is Plane.PERMANENT:
        deed += ", in firewalld's permanent configuration"
    return Message(
        Event.REPAIRED,
        Priority.WARNING,
        f"{service or f'VRRP {chain_key.family}'}: {who(report.actors)} {deed}"
        f"{_after(report, '; repaired after')}",
        fields(
            service,
            family=chain_key.family,
            kind=kind,
            plane=chain_key.plane,
            trigger=report.trigger,
            cause=Cause.DRIFT,
            want="\n".join(map(str, case.added)),
            have="\n".join(map(str, case.removed)),
            latency_ms=latency_ms(report),
        )
        | actor_fields(report.actors),
    )


def _structure(report: Report, chain_key: ChainKey, deed: str, kind: Kind) -> Message:
    return Message(
        Event.REPAIRED,
        Priority.WARNING,
        f"{chain_key}: {who(report.actors)} {deed}{_after(report, '; repaired after')}",
        fields(
            family=chain_key.family,
            kind=kind,
            plane=chain_key.plane,
            trigger=report.trigger,
            cause=Cause.DRIFT,
            latency_ms=latency_ms(report),
        )
        | actor_fields(report.actors),
    )


def _displaced(surplus: int) -> tuple[Kind, str]:
    match surplus:
        case 0:
            return Kind.MISSING, "removed"
        case 1:
            return Kind.ALTERED, "displaced"
        case _:
            return Kind.DUPLICATE, "doubled"


def _lost(plan: Plan, chain_key: ChainKey) -> set[str]:
    """The rules of a chain that were found missing or altered."""

    def here(finding: Finding) -> bool:
        return (finding.plane, finding.family) == (chain_key.plane, chain_key.family)

    kinds = {Kind.MISSING, Kind.ALTERED}
    return {f.detail for f in plan.findings if f.kind in kinds and f.detail and here(f)}


def _added(step: Step) -> tuple[Rule, ...]:
    match step:
        case AddRule(_, rule):
            return (rule,)
        case ReplaceChain(_, rules):
            return rules
        case _:
            return ()


def _quoted(rule: Rule) -> str:
    return f"“{rule}”"


def _after(report: Report, words: str) -> str:
    return f"{words} {latency_ms(report)} ms" if report.latency is not None else ""


def _excerpt(plan: Plan) -> str:
    lines = str(plan).splitlines()
    rest = len(lines) - PLAN_LINES
    return "\n".join([*lines[:PLAN_LINES], *([f"({rest:,} more)"] if rest > 0 else [])])
