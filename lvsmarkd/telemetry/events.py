"""What to tell of a pass: transitions, not states. Pure."""

from collections.abc import Iterable, Iterator

from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.guard import NO_GUARD, GuardState
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.plan import Owned
from lvsmarkd.model.report import NO_BACKEND, Fight, Report
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.telemetry.findings import came, went
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
from lvsmarkd.telemetry.repairs import applied, latency_ms, repaired
from lvsmarkd.telemetry.transition import Transition

SINGLES = 10
"""Messages of one event that a pass tells one by one; of more, a summary comes first."""


def events_of(transition: Transition) -> tuple[Message, ...]:
    """What changed from one pass to the next; nothing where all is as it was."""
    before, after = transition.before, transition.after
    told = [
        *_mode(before, after),
        *_backend(before, after),
        *_whole(before, after),
        *_error(before, after),
        *repaired(transition),
        *applied(after),
        *_fights(before, after),
        *_guard(before, after),
        *_services(before, after),
        *came(transition),
        *went(transition),
    ]
    return tuple(_summarised(told, after))


def _mode(before: Report | None, after: Report) -> Iterator[Message]:
    if before is not None and before.mode is not after.mode:
        yield Message(
            Event.MODE_CHANGED,
            Priority.NOTICE,
            f"the mode is {after.mode} now, after {before.mode}",
            fields(mode=after.mode),
            about=after.mode,
        )


def _backend(before: Report | None, after: Report) -> Iterator[Message]:
    unread, was_unread = _unread(after), bool(before and _unread(before))
    if unread and not was_unread:
        more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
        severe = any(f.severity is not Severity.NOTE for f in unread)
        yield Message(
            Event.BACKEND_LOST,
            Priority.ERROR if severe else Priority.NOTICE,
            f"{unread[0].message}{more}",
            fields(kind=Kind.UNKNOWN, family=unread[0].family, trigger=after.trigger),
        )
    if was_unread and not unread:
        yield Message(
            Event.BACKEND_BACK,
            Priority.NOTICE,
            f"all rules can be read again ({after.backend})",
            fields(trigger=after.trigger),
        )
    if before and len({before.backend, after.backend, NO_BACKEND}) > 2:
        yield Message(
            Event.BACKEND_CHANGED,
            Priority.NOTICE,
            f"{after.backend} {after.backend_version} keeps the rules from now on, and"
            f" {before.backend} no longer",
            fields(trigger=after.trigger),
        )


def _unread(report: Report) -> list[Finding]:
    """What could not be read. What a rule hides of a service's packets is another matter."""
    return [f for f in report.left.findings if f.kind is Kind.UNKNOWN and f.service is None]


def _whole(before: Report | None, after: Report) -> Iterator[Message]:
    """Whether keepalived.conf could be read as a whole."""
    was_valid = before is None or before.configuration_valid
    if was_valid and not after.configuration_valid:
        yield Message(
            Event.CONFIGURATION_REFUSED,
            Priority.ERROR,
            "keepalived.conf cannot be read as a whole, so no rule is taken away and what it"
            " said before stays in force",
            fields(trigger=after.trigger),
        )
    if not was_valid and after.configuration_valid:
        yield Message(
            Event.CONFIGURATION_GOOD,
            Priority.NOTICE,
            "keepalived.conf can be read as a whole again and is in force",
            fields(trigger=after.trigger),
        )


def _error(before: Report | None, after: Report) -> Iterator[Message]:
    if after.error and not (before and before.error):
        yield Message(
            Event.REPAIR_FAILED,
            Priority.ERROR,
            f"the rules could not be written: {after.error}; it is tried again",
            fields(trigger=after.trigger, trouble=after.trouble),
            about=after.trouble,
        )


def _fights(before: Report | None, after: Report) -> Iterator[Message]:
    # Repairs of what is fought over are not told one by one: the fight is, ten times, a hundred
    # times and so on.
    known = _fought(before) if before else {}
    going_on = _fought(after)
    for fight in after.fights:
        new = [owned for owned in fight.over if owned not in known]
        times = max((known[owned].repairs for owned in fight.over if owned in known), default=0)
        if new or len(str(fight.repairs)) > len(str(times)):
            yield _fight(fight, new or fight.over, after)
    if over := [str(owned) for owned in known if owned not in going_on]:
        yield Message(
            Event.FIGHT_OVER,
            Priority.NOTICE,
            f"nobody undoes it any more: {listed(over)}",
            fields(want="\n".join(over)),
            about=tuple(over),
        )


def _guard(before: Report | None, after: Report) -> Iterator[Message]:
    known = before.guard if before else NO_GUARD
    is_fight = bool(before and before.fights and after.fights)
    # While it goes on `lvsmarkd status` and metrics count them; each pass of it is no news.
    if (more := _marked_since(known, after.guard)) and not is_fight:
        total = sum(more.values())
        services = listed(map(str, sorted(more)))
        yield Message(
            Event.GUARD_MARKED,
            Priority.NOTICE,
            f"{counted(total, 'packet')} of {services} came while the firewall's rules did not"
            f" mark them, and were marked by the guard{_changed_by(after)}",
            fields(count=total, trigger=after.trigger) | actor_fields(after.actors),
            about="guard",
        )
    if after.guard.reason and not known.reason:
        yield Message(
            Event.GUARD_LOST,
            Priority.WARNING if known.in_force else Priority.NOTICE,
            f"there is no guard: {after.guard.reason}; the firewall's rules mark packets all the"
            " same",
            about="guard",
        )
    if known.reason and after.guard.in_force:
        yield Message(Event.GUARD_BACK, Priority.NOTICE, "the guard is there", about="guard")


def _marked_since(before: GuardState, after: GuardState) -> dict[ServiceKey, int]:
    more = {key: n - before.packets.get(key, 0) for key, n in after.packets.items()}
    return {key: packets for key, packets in more.items() if packets > 0}


def _changed_by(report: Report) -> str:
    return f" (rules were changed by {who(report.actors)})" if report.actors else ""


def _fought(report: Report) -> dict[Owned, Fight]:
    return {owned: fight for fight in report.fights for owned in fight.over}


def _fight(fight: Fight, new: Iterable[Owned], report: Report) -> Message:
    over = [str(owned) for owned in new]
    return Message(
        Event.FIGHT_BEGINS,
        Priority.CRITICAL,
        f"{who(fight.actors)} undoes our work again and again, {fight.repairs} times by now:"
        f" {listed(over)}; it is put back each time: make one of the two stop",
        fields(want="\n".join(over), trigger=report.trigger, repairs=fight.repairs)
        | actor_fields(fight.actors),
        about=fight.actors,
    )


def _services(before: Report | None, after: Report) -> Iterator[Message]:
    known = {state.key: state.as_told for state in before.services} if before else {}
    reasons = {f.service: f for f in after.left.findings if f.kind is Kind.UNCOVERED}
    # A conflict has a message of its own, when it comes and when it goes.
    overruled = _overruled(after) | (_overruled(before) if before else set())
    for state in after.services:
        key = state.key
        if key in overruled and key not in reasons:
            continue
        about = fields(key, kind=Kind.UNCOVERED, trigger=after.trigger)
        if state.covered is False and known.get(key) is not False:
            reason = reasons.get(key)
            text = reason.message if reason else _partly(key, after)
            if reason:
                about |= fields(want=reason.paste)
            yield Message(Event.UNCOVERED, Priority.CRITICAL, f"{key}: {text}", about, key)
        if state.covered and known.get(key) is False:
            yield Message(
                Event.COVERED, Priority.NOTICE, f"{key}: its packets are marked now", about, key
            )
    here = {state.key for state in after.services}
    for key, covered in known.items():
        if covered is False and key not in here:
            yield Message(
                Event.COVERED,
                Priority.NOTICE,
                f"{key}: keepalived does not use it any more",
                fields(key, kind=Kind.UNCOVERED, trigger=after.trigger),
                key,
            )


def _partly(key: ServiceKey, report: Report) -> str:
    """What to say of a service whose rules, or some of them, are not there or do not suffice."""
    text = "not all of its packets come to IPVS with its mark now"
    refused = [
        str(problem.origin)
        for finding in report.configuration_problems
        if isinstance(problem := finding.subject, Problem)
        and problem.fatal
        and key.mark in problem.marks
    ]
    return text + (f", since a declaration is refused (see {listed(refused)})" if refused else "")


def _overruled(report: Report) -> set[ServiceKey | None]:
    return {f.service for f in report.left.findings if f.kind is Kind.CONFLICT}


def _summarised(messages: Iterable[Message], report: Report) -> Iterator[Message]:
    """The messages by event; where there are too many of one, a summary and the first few."""
    by_event: dict[Event, list[Message]] = {}
    for message in messages:
        by_event.setdefault(message.event, []).append(message)
    for event, group in by_event.items():
        if len(group) > SINGLES:
            yield _summary(event, group, report)
        yield from group[:SINGLES]


def _summary(event: Event, group: list[Message], report: Report) -> Message:
    services = {message.service for message in group if message.service}
    what = counted(len(services), "service") if services else counted(len(group), "time")
    by, repair = "", ""
    if event is Event.REPAIRED:
        by = f", undone by {who(report.actors)}"
        repair = f", repaired after {latency_ms(report)} ms"
    return Message(
        event,
        min(message.priority for message in group),
        f"{event.words}: {what}{by}{repair}; the first {SINGLES} follow",
        fields(
            trigger=report.trigger,
            count=len(group),
            latency_ms=latency_ms(report) if repair else "",
        )
        | (actor_fields(report.actors) if by else {}),
    )
