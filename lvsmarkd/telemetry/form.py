"""Values as plain dictionaries: the JSON that the command line prints. A contract."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from lvsmarkd.model.finding import Finding
from lvsmarkd.model.guard import GuardState
from lvsmarkd.model.plan import (
    AddRule,
    EnsureJump,
    Plan,
    RemoveChain,
    RemoveRule,
    ReplaceChain,
    Step,
)
from lvsmarkd.model.qualifiers import Qualifier, kinds
from lvsmarkd.model.report import Report, ServiceState
from lvsmarkd.model.rule import Plane, Rule
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.service import Family
from lvsmarkd.telemetry.left import as_left
from lvsmarkd.telemetry.message import listed

Form = dict[str, Any]


def finding_form(finding: Finding) -> Form:
    """One finding."""
    service = finding.service
    return {
        "kind": str(finding.kind),
        "severity": str(finding.severity),
        "plane": finding.plane_name,
        "family": str(service.family) if service else finding.family and str(finding.family),
        "mark": service.mark if service else None,
        "message": finding.message,
        "fact": finding.fact,
        "advice": finding.advice,
        "detail": finding.detail,
        "rule": None if finding.rule is None else _named_form(finding.rule),
        "paste": finding.paste,
        "origins": [str(origin) for origin in finding.origins],
    }


def _named_form(rule: Rule | RuleRef) -> Form:
    """The rule that a finding is about: one of ours, or where somebody else's stands."""
    if isinstance(rule, Rule):
        return {"own": True, "text": str(rule)}
    return {
        "own": False,
        "table": rule.table or None,
        "chain": rule.chain,
        "line": rule.line or None,
        "text": rule.text,
    }


def step_form(step: Step) -> Form:
    """One step: what is done, where, to which rules."""
    form: Form = {
        "plane": step.chain_key.plane_name,
        "family": str(step.chain_key.family),
        "place": step.chain_key.hook.duty,
        "text": str(step),
    }
    match step:
        case AddRule(_, rule):
            return {"action": "add", **form, "rule": rule_form(rule)}
        case RemoveRule(_, rule):
            return {"action": "remove", **form, "rule": rule_form(rule)}
        case ReplaceChain(_, rules):
            return {"action": "rewrite", **form, "rules": [rule_form(rule) for rule in rules]}
        case EnsureJump():
            return {"action": "anchor", **form}
        case RemoveChain():
            return {"action": "dissolve", **form}


def rule_form(rule: Rule) -> Form:
    """One rule of ours."""
    match = rule.match
    return {
        "mark": rule.mark,
        "destination": str(match.destination) if match.destination else None,
        "protocol": match.protocol,
        "ports": [str(ports) for ports in match.ports],
        **{kind.key(): _qualifier_form(kind, match.qualifier(kind)) for kind in kinds()},
        "action": str(rule.action),
    }


def _qualifier_form(kind: type[Qualifier], found: Qualifier | None) -> list[str] | str | None:
    """As TOML has it; nothing where there is none."""
    if kind.listed:
        return [] if found is None else list(found.values)
    return None if found is None else found.values[0]


def plan_form(plan: Plan) -> Form:
    """Findings and steps."""
    return {
        "findings": [finding_form(finding) for finding in plan.findings],
        "steps": [step_form(step) for step in plan.steps],
    }


def state_form(state: ServiceState) -> Form:
    """One service as the daemon last saw it."""
    return {
        "family": str(state.key.family),
        "mark": state.key.mark,
        "coverage": state.coverage,
        "covered": state.covered,
        "unknown_because": state.unknown_because or None,
        "guarded": state.guarded,
        "packets": state.packets,
        "loaded": state.loaded,
        "configured": state.configured,
    }


def guard_form(guard: GuardState) -> Form:
    """The guard, and what it has marked since the daemon began."""
    return {
        "in_force": guard.in_force,
        "reason": guard.reason or None,
        "lasts": guard.lasts,
        "packets": [
            {"family": str(key.family), "mark": key.mark, "packets": packets}
            for key, packets in sorted(guard.packets.items())
        ],
    }


def _counts_form(counts: Mapping[Plane, Mapping[Family, int]]) -> Form:
    return {str(p): {str(f): n for f, n in families.items()} for p, families in counts.items()}


def _left(report: Report) -> tuple[Finding, ...]:
    return tuple(as_left(finding, report) for finding in report.left.findings)


def report_form(report: Report) -> Form:
    """One pass, as ``lvsmarkd status --json`` and ``apply --json`` show it."""
    return {
        "result": str(report.result),
        "in_sync": report.left.in_sync,
        "mode": str(report.mode),
        "trigger": str(report.trigger),
        "backend": report.backend,
        "backend_version": report.backend_version,
        "finished": report.finished,
        "duration": report.duration,
        "error": report.error,
        "checksum": report.checksum,
        "source": report.source,
        "rules_desired": _counts_form(report.rules_desired),
        "rules_present": _counts_form(report.rules_present),
        "services": [state_form(state) for state in report.services],
        "repairs": [
            {"cause": str(repair.cause), **step_form(repair.step)} for repair in report.repairs
        ],
        "fights": [
            {
                "rule": listed(map(str, fight.over)),
                "rules": [str(owned) for owned in fight.over],
                "repairs": fight.repairs,
                "actors": [str(actor) for actor in fight.actors],
            }
            for fight in report.fights
        ],
        "guard": guard_form(report.guard),
        **plan_form(replace(report.left, findings=_left(report))),
    }
