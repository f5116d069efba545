"""What a pass mended, and who had undone it, in sentences."""

from collections.abc import Iterator

from msgspec import Struct

from lvsmarkd.model.finding import DRIFT, Finding, Kind
from lvsmarkd.model.plan import (
    AddRule,
    Owned,
    Part,
    Plan,
    RemoveChain,
    RemoveRule,
    ReplaceChain,
    Step,
    owned_by,
)
from lvsmarkd.model.report import Cause, Report
from lvsmarkd.model.rule import ChainKey, Plane, Rule
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.telemetry.left import owned_of
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
from lvsmarkd.telemetry.transition import Transition

PLAN_LINES = 50
"""Lines of a plan that go along with a message; `lvsmarkd plan` shows all."""


class _Deed(Struct, frozen=True):
    """What was undone alike: of the rules of one service in one chain, or of one chain."""

    chain_key: ChainKey
    service: ServiceKey | None
    kind: Kind
    part: Part | None
    told: bool
    """Whether the pass before left it, and told who was seen at it."""


def repaired(transition: Transition) -> Iterator[Message]:
    """One message for each service whose rules somebody undid in one way, and for each chain.

    It tells what was found and is gone; the steps say no more than whether somebody undid it or
    the configuration asked for it.
    """
    report = transition.after
    undone = {
        owned
        for repair in report.repairs
        if repair.cause is Cause.DRIFT
        for owned in owned_by(repair.step)
    }
    if transition.before is not None:  # what is fought over is told as a fight
        undone -= {owned for fight in transition.before.fights for owned in fight.over}
    known = {f.key for f in transition.before.left.findings} if transition.before else set()
    deeds: dict[_Deed, list[Finding]] = {}
    for finding in transition.mended:
        kind = _undone(finding, undone)
        if kind is not None and finding.chain is not None:
            part = finding.subject if isinstance(finding.subject, Part) else None
            told = finding.key in known
            deed = _Deed(finding.chain, finding.service, kind, part, told)
            deeds.setdefault(deed, []).append(finding)
    for deed, findings in deeds.items():
        yield _message(report, deed, findings)


def _undone(finding: Finding, undone: set[Owned]) -> Kind | None:
    """In which way somebody undid what a finding is about; None where nobody did.

    Of an altered rule the configuration may have asked for the one half: only the other was
    somebody's doing.
    """
    owned = owned_of(finding)
    if owned is None or finding.kind not in DRIFT:
        return None
    ours = owned in undone
    if finding.instead is None:
        return finding.kind if ours else None
    chain_key = owned.chain_key
    put_in = bool(undone & {Owned(chain_key, finding.instead), Owned(chain_key, Part.CHAIN)})
    match ours, put_in:
        case True, True:
            return Kind.ALTERED
        case True, False:
            return Kind.MISSING
        case False, True:
            return Kind.STALE
        case _:
            return None


def _message(report: Report, deed: _Deed, findings: list[Finding]) -> Message:
    did, again, want, have = _words(deed, findings)
    lasting = deed.chain_key.plane is Plane.PERMANENT
    place = ", in firewalld's permanent configuration" if lasting else ""
    about: ServiceKey | ChainKey | str = deed.service or f"VRRP {deed.chain_key.family}"
    if deed.part is not None:
        about = deed.chain_key
    if deed.told:
        text = f"{about}: {again}{place}"
    else:
        text = f"{about}: {who(report.actors)} {did}{place}{_after(report, '; repaired after')}"
    return Message(
        Event.REPAIRED,
        Priority.NOTICE if deed.told else Priority.WARNING,
        text,
        fields(
            deed.service,
            family=deed.chain_key.family,
            kind=deed.kind,
            plane=deed.chain_key.plane_name,
            trigger=report.trigger,
            cause=Cause.DRIFT,
            want="\n".join(map(str, want)),
            have="\n".join(map(str, have)),
            latency_ms="" if deed.told else latency_ms(report),
        )
        | ({} if deed.told else actor_fields(report.actors)),
        deed.service,
        deed,
    )


_Rules = list[Rule | RuleRef]


def _words(deed: _Deed, findings: list[Finding]) -> tuple[str, str, _Rules, _Rules]:
    """What somebody did, to follow the name of who did it; what is so again; the rules that
    should be there, and those that were.
    """
    rules: _Rules = [f.rule for f in findings if f.rule is not None]
    instead: _Rules = [f.instead for f in findings if f.instead is not None]
    these, those = (listed(f"“{rule}”" for rule in each) for each in (rules, instead or rules))
    match deed.kind, deed.part:
        case Kind.MISSING, None:
            return f"removed {these}", f"{these} in force again", rules, []
        case Kind.ALTERED, None:
            return f"changed {these} to {those}", f"{these} in force again", rules, instead
        case Kind.DUPLICATE, None:
            return f"put in {these} once more", f"{these} there only once again", [], rules
        case _, None:
            did = f"put {those} into our chain, where it serves nothing"
            return did, f"{those} removed from our chain", [], instead or rules
        case _, Part.CHAIN:
            return f"put {these} into our chain", f"{these} removed from our chain", [], rules
        case _, Part.CONTAINER:
            did = f"changed what holds our rules ({findings[0].fact})"
            return did, "what holds our rules is as it should be again", [], []
        case Kind.MISSING, _:
            return "removed the jump to our chain", "the jump to our chain in force again", [], []
        case Kind.DUPLICATE, _:
            return "doubled the jump to our chain", "one jump to our chain again", [], []
        case _:
            did = f"displaced the jump to our chain by {these}"
            return did, "the jump to our chain in its place again", [], rules


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
        about=tuple(services),
    )


def latency_ms(report: Report) -> str:
    """How long the repair took, in milliseconds; empty where there was none."""
    if report.latency is None:
        return ""
    milliseconds = report.latency * 1000
    return f"{milliseconds:.1f}" if milliseconds < 10 else f"{milliseconds:.0f}"


def _added(step: Step) -> tuple[Rule, ...]:
    match step:
        case AddRule(_, rule):
            return (rule,)
        case ReplaceChain(_, rules):
            return rules
        case _:
            return ()


def _after(report: Report, words: str) -> str:
    return f"{words} {latency_ms(report)} ms" if report.latency is not None else ""


def _excerpt(plan: Plan) -> str:
    lines = str(plan).splitlines()
    rest = len(lines) - PLAN_LINES
    return "\n".join([*lines[:PLAN_LINES], *([f"({rest:,} more)"] if rest > 0 else [])])
