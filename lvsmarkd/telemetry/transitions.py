"""Findings that came and findings that went, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass

from lvsmarkd.model.finding import DRIFT, Finding, FindingKey, Kind, Severity
from lvsmarkd.model.report import Mode, Report, Result
from lvsmarkd.telemetry.message import Event, Message, Priority, actor_fields, fields, listed


@dataclass(frozen=True, slots=True)
class _Course:
    """The events with which a finding comes and goes; None where its end is no news."""

    comes: Event
    goes: Event | None = None
    by_somebody: bool = False
    """It comes by a change of a firewall, so whoever changed one is worth naming."""


_DRIFT = _Course(Event.DRIFT_FOUND, Event.DRIFT_OVER, by_somebody=True)
_HELD = _Course(Event.STALE_HELD)
_COURSES = dict.fromkeys(DRIFT, _DRIFT) | {
    Kind.INFERRED: _Course(Event.INFERRED),
    Kind.CONFLICT: _Course(Event.CONFLICT, Event.CONFLICT_OVER, by_somebody=True),
    Kind.UNACCEPTED: _Course(Event.UNACCEPTED, Event.ACCEPTED, by_somebody=True),
    Kind.ORPHAN: _Course(Event.ORPHAN, Event.ORPHAN_GONE, by_somebody=True),
    Kind.CLAIMED: _Course(Event.CLAIMED, Event.CLAIM_GONE),
    Kind.MIXED: _Course(Event.MIXED_FIREWALLS, Event.MIXED_FIREWALLS_OVER, by_somebody=True),
    Kind.BYPASSED: _Course(Event.BYPASSED, Event.BYPASS_OVER, by_somebody=True),
    Kind.FLEETING: _Course(Event.FLEETING, Event.LASTING),
    Kind.BROKEN: _Course(Event.FIREWALL_BROKEN, Event.FIREWALL_WELL, by_somebody=True),
    Kind.REFUSED: _Course(Event.CONFIGURATION_REFUSED, Event.CONFIGURATION_GOOD),
    Kind.REJECTED: _Course(Event.RULE_REFUSED, Event.RULE_TAKEN),
    Kind.PROBLEM: _Course(Event.KEEPALIVED_PROBLEM, Event.KEEPALIVED_PROBLEM_GONE),
    Kind.UNUSED: _Course(Event.DECLARATION_UNUSED),
    Kind.UNLOADED: _Course(Event.UNLOADED, Event.LOADED),
    Kind.LEFTOVER: _Course(Event.LEFTOVER, Event.LEFTOVER_GONE),
    Kind.ELSEWHERE: _Course(Event.ELSEWHERE, Event.ELSEWHERE_OVER),
    Kind.UNSEEN: _Course(Event.UNSEEN, Event.SEEN),
    # UNCOVERED and UNKNOWN are told by what they mean for services and for the backend.
}

_CONFIGURATION = frozenset({Kind.REFUSED, Kind.PROBLEM, Kind.UNUSED})


def came(before: Report | None, after: Report) -> Iterator[Message]:
    """One message for each finding that the pass before did not leave."""
    known = _keys(before)
    for finding in after.left.findings:
        course = _course(finding)
        if course is None or finding.key in known:
            continue
        actors = after.actors if course.by_somebody and before is not None else ()
        seen = f"; seen at work: {listed(map(str, actors))}" if actors else ""
        why = _why_left(finding, after) if finding.kind in DRIFT else ""
        yield Message(
            course.comes,
            Priority.of(finding.severity),
            f"{_about(finding)}{_place(finding)}{finding.message}{seen}{why}",
            _fields(finding, after) | actor_fields(actors),
        )


def went(before: Report | None, after: Report) -> Iterator[Message]:
    """One message for each finding that is no more, unless a repair tells it."""
    known = _keys(after)
    touched = {(r.step.chain_key.plane, r.step.chain_key.family) for r in after.repairs}
    for finding in before.left.findings if before else ():
        course = _course(finding)
        if course is None or course.goes is None or finding.key in known:
            continue
        if finding.kind in DRIFT and (finding.plane, finding.family) in touched:
            continue
        yield Message(
            course.goes,
            Priority.NOTICE,
            f"{_about(finding)}no longer so: {_place(finding)}{_fact(finding)}",
            _fields(finding, after),
        )


def _course(finding: Finding) -> _Course | None:
    match finding:
        case Finding(kind=Kind.STALE, severity=Severity.NOTE):
            return _HELD
        case _:
            return _COURSES.get(finding.kind)


def _keys(report: Report | None) -> frozenset[FindingKey]:
    return frozenset(finding.key for finding in report.left.findings) if report else frozenset()


def _about(finding: Finding) -> str:
    return f"{finding.service}: " if finding.service else ""


def _place(finding: Finding) -> str:
    """Where to look, for findings about a file whose message does not say it."""
    if finding.kind not in _CONFIGURATION or not finding.origins:
        return ""
    place = str(finding.origins[0])
    return "" if place in finding.message else f"{place}: "


def _fact(finding: Finding) -> str:
    """The message without its advice, which does not hold any more."""
    return finding.fact


def _why_left(finding: Finding, report: Report) -> str:
    """Why drift was found and not repaired."""
    if report.mode is not Mode.ENFORCE:
        return f"; not repaired: the mode is {report.mode}"
    match report.result:
        case Result.ERROR:
            return "; the repair failed"
        case Result.SUPPRESSED:
            refused = any(rule == finding.rule for rule, _ in report.rejected)
            return "; it is refused" if refused else "; left alone for now: see the fight over it"
        case _:
            return ""


def _fields(finding: Finding, report: Report) -> dict[str, str]:
    wanted = finding.kind in {Kind.MISSING, Kind.ALTERED, Kind.INFERRED, Kind.REJECTED}
    return fields(
        finding.service,
        family=finding.family,
        kind=finding.kind,
        plane=finding.plane,
        trigger=report.trigger,
        want=finding.detail if wanted else "",
        have="" if wanted else finding.detail,
        origin=finding.origins[0] if finding.origins else "",
    )
