"""Findings that came and findings that went, in sentences."""

from collections.abc import Iterator

from msgspec import Struct

from lvsmarkd.model.finding import DRIFT, Finding, Kind, Severity
from lvsmarkd.model.plan import Owned
from lvsmarkd.model.report import Mode, Report
from lvsmarkd.model.rule import Rule
from lvsmarkd.telemetry.left import as_left, owned_of
from lvsmarkd.telemetry.message import Event, Message, Priority, actor_fields, fields, listed
from lvsmarkd.telemetry.transition import Transition


class _Course(Struct, frozen=True):
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
    Kind.UNDELIVERED: _Course(Event.UNDELIVERED, Event.DELIVERED),
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
_HIDDEN = _Course(Event.COVERAGE_UNKNOWN, Event.COVERAGE_KNOWN, by_somebody=True)
"""UNKNOWN, where a rule hides what becomes of a service's packets."""

_CONFIGURATION = frozenset({Kind.REFUSED, Kind.PROBLEM, Kind.UNUSED})


def came(transition: Transition) -> Iterator[Message]:
    """One message for each finding that the pass before did not leave. What is fought over comes
    and goes with each pass, and is told as a fight.
    """
    report = transition.after
    fought = _fought(report)
    untold = _fought(transition.before) - fought
    new = {each.key for each in transition.came}
    left_over = (
        each for each in report.left.findings if owned_of(each) in untold and each.key not in new
    )
    for finding in (*transition.came, *left_over):
        course = _course(finding)
        if course is None or owned_of(finding) in fought:
            continue
        actors = report.actors if course.by_somebody and transition.before is not None else ()
        seen = f"; seen at work: {listed(map(str, actors))}" if actors else ""
        yield Message(
            course.comes,
            Priority.of(finding.severity),
            f"{_about(finding)}{_place(finding)}{as_left(finding, report).message}{seen}",
            _fields(finding, report) | actor_fields(actors),
            finding.service,
            finding.key,
        )


def went(transition: Transition) -> Iterator[Message]:
    """One message for each finding that is no more, unless what mended it tells that."""
    mended = {finding.key for finding in transition.mended if finding.kind in DRIFT}
    fought = _fought(transition.before) | _fought(transition.after)
    for finding in transition.went:
        course = _course(finding)
        if course is None or course.goes is None or finding.key in mended:
            continue
        if owned_of(finding) in fought:
            continue
        yield Message(
            course.goes,
            Priority.NOTICE,
            f"{_about(finding)}no longer the case: {_place(finding)}“{finding.fact}”",
            _fields(finding, transition.after),
            finding.service,
            finding.key,
        )


def _fought(report: Report | None) -> set[Owned | None]:
    """What is put back each time; nothing where it is not, and left so."""
    if report is None or report.mode is not Mode.ENFORCE or report.error:
        return set()
    return {owned for fight in report.fights for owned in fight.over}


def _course(finding: Finding) -> _Course | None:
    if finding.kind is Kind.UNKNOWN and finding.service is not None:
        return _HIDDEN
    held = finding.kind is Kind.STALE and finding.severity is Severity.NOTE
    return _HELD if held else _COURSES.get(finding.kind)


def _about(finding: Finding) -> str:
    return f"{finding.service}: " if finding.service else ""


def _place(finding: Finding) -> str:
    """Where to look, for findings about a file."""
    in_file = finding.kind in _CONFIGURATION and finding.origins
    return f"{finding.origins[0]}: " if in_file else ""


_WANTED = frozenset({Kind.MISSING, Kind.ALTERED, Kind.REJECTED})
"""The kinds whose rule of ours should be there."""


def _fields(finding: Finding, report: Report) -> dict[str, str]:
    wanted = isinstance(finding.rule, Rule) and finding.kind in _WANTED
    return fields(
        finding.service,
        family=finding.family,
        kind=finding.kind,
        plane=finding.plane_name,
        trigger=report.trigger,
        want=finding.rule if wanted else finding.paste,
        have=finding.instead if wanted else finding.rule,
        origin=finding.origins[0] if finding.origins else "",
    )
