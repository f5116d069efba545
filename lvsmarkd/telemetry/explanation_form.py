"""An explanation as JSON, which the command prints for people too. A contract."""

from lvsmarkd.model.explanation import ExplainedFlow, ExplainedPackets, Explanation
from lvsmarkd.model.fate import FateStep
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.telemetry.form import Form


def explanation_form(explained: Explanation) -> Form:
    """The packets of one family."""
    return {
        "family": str(explained.family),
        "mark": explained.service.mark if explained.service else None,
        "origins": [str(origin) for origin in explained.origins],
        "remarks": list(explained.remarks),
        "unread": list(explained.unread),
        "flows": [_flow_form(flow) for flow in explained.flows],
    }


def _flow_form(flow: ExplainedFlow) -> Form:
    return {
        "packets": flow.packets.text(),
        "declared": str(flow.declared.origin) if flow.declared else None,
        "from": str(flow.source),
        "parts": [_part_form(part) for part in flow.parts],
    }


def _part_form(part: ExplainedPackets) -> Form:
    fate = part.fate
    return {
        "packets": fate.packets.text(),
        "fate": str(fate.fate),
        "mark": fate.mark,
        "serves": part.serves.mark if part.serves else None,
        "limited": fate.is_limited,
        "reason": fate.reason,
        "hidden_by": _rule_form(fate.hidden_by) if fate.hidden_by else None,
        "steps": [_step_form(step) for step in fate.steps],
    }


def _step_form(step: FateStep) -> Form:
    return {"rule": _rule_form(step.rule), "before": step.before, "after": step.after}


def _rule_form(rule: RuleRef) -> Form:
    """``line`` is 0 for the policy of a base chain."""
    return {
        "table": rule.table,
        "chain": rule.chain,
        "line": rule.line,
        "text": rule.text,
        "where": rule.where,
    }
