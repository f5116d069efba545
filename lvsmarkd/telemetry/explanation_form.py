"""An explanation as JSON, which the command prints for people too. A contract."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from lvsmarkd.model.explanation import ExplainedFlow, ExplainedPackets, ExplainedStep, Explanation
from lvsmarkd.model.packets import Packets, written
from lvsmarkd.model.ports import joined
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.service import Network
from lvsmarkd.telemetry.form import Form


def explanation_form(explained: Explanation) -> Form:
    """The packets of one family."""
    return {
        "family": str(explained.family),
        "mark": explained.service.mark if explained.service else None,
        "origins": [str(origin) for origin in explained.origins],
        "remarks": list(explained.remarks),
        "unread": list(explained.unread),
        "services_known": explained.services_known,
        "flows": [_flow_form(flow) for flow in explained.flows],
    }


def _flow_form(flow: ExplainedFlow) -> Form:
    return {
        "packets": flow.packets.text(),
        "declared": str(flow.declared.origin) if flow.declared else None,
        "from": str(flow.source),
        "any_client": flow.is_any_client,
        "in": flow.interface,
        "parts": [_part_form(part) for part in flow.parts],
    }


def _part_form(part: ExplainedPackets) -> Form:
    fate, serves = part.fate, part.serves
    return {
        "packets": packets_text(part.packets),
        "interfaces": None if part.interfaces is None else list(part.interfaces),
        "fate": str(fate.fate),
        "mark": fate.mark,
        "serves": serves.key.mark if serves else None,
        "serves_origins": [str(origin) for origin in serves.origins] if serves else [],
        "limited": fate.is_limited,
        "reason": fate.reason,
        "hidden_by": _rule_form(fate.hidden_by) if fate.hidden_by else None,
        "steps": [_step_form(step) for step in part.steps],
    }


def _step_form(step: ExplainedStep) -> Form:
    taken = step.taken
    return {
        "hook": str(step.hook) if step.hook else None,
        "priority": step.priority,
        "depth": step.depth,
        "rule": _rule_form(taken.rule),
        "before": taken.before,
        "after": taken.after,
        "leads": taken.leads,
        "own": step.is_own,
    }


def _rule_form(rule: RuleRef) -> Form:
    """``line`` is 0 for the policy of a base chain."""
    return {
        "table": rule.table,
        "chain": rule.chain,
        "line": rule.line,
        "text": rule.text,
        "where": rule.where,
    }


def packets_text(packets: Iterable[Packets]) -> str:
    """Packets together, in few words: ports are joined, and networks to ranges."""
    ports: dict[Packets, list[Packets]] = {}
    for each in packets:
        ports.setdefault(replace(each, ports=()), []).append(each)
    networks: dict[Packets, list[Network]] = {}
    for of, several in ports.items():
        every = all(each.ports for each in several)
        together = joined(span for each in several for span in each.ports) if every else ()
        anywhere = replace(of, destination=None, ports=together)
        spans = networks.setdefault(anywhere, [])
        if of.destination is not None:
            spans.append(of.destination)
    said = []
    for of, several_networks in networks.items():
        to = ",".join(_ranges(several_networks)) or "any"
        said.append(" ".join([to, *of.further_words()]))
    return "; ".join(said)


def _ranges(networks: list[Network]) -> Iterator[str]:
    """Networks that follow upon each other as one, or as a range."""
    spans: list[list[Network]] = []
    for each in sorted(networks, key=lambda network: int(network.network_address)):
        if spans and int(spans[-1][-1].broadcast_address) + 1 == int(each.network_address):
            spans[-1].append(each)
        else:
            spans.append([each])
    for span in spans:
        first, last = span[0].network_address, span[-1].broadcast_address
        if len(span) == 1:
            yield written(span[0])
        else:
            yield f"{first}-{last}"
