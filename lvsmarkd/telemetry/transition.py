"""From one pass to the next: made once per pass, told by journal, metrics and status.

Unknown is not absent: where a pass could not look, what was last known holds on for the journal,
beside what is so now: metrics and ``status`` say that it is not known.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.model.finding import SEEN_IN_FIREWALL, SEEN_OF_PACKETS, Finding, Kind
from lvsmarkd.model.report import NO_BACKEND, Report, ServiceState
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.service import Family


class Transition(Struct, frozen=True):
    """``before`` is None at the first pass. ``after`` is filled in with what was last known;
    ``changed`` is the last report of a pass that wrote something.

    ``came`` is left by this pass and was not by the one before; ``went`` was, and is not any
    more. ``found`` was found by this pass and not left by the one before; ``mended`` was found
    by it and is gone after what it wrote.
    """

    before: Report | None
    after: Report
    changed: Report | None = None
    came: tuple[Finding, ...] = ()
    went: tuple[Finding, ...] = ()
    found: tuple[Finding, ...] = ()
    mended: tuple[Finding, ...] = ()


def transition(last: Transition | None, report: Report) -> Transition:
    """The transition to the report of a pass, from where the last one led."""
    before = last.after if last else None
    after = with_last_known(before, report)
    had = before.left.findings if before else ()
    return Transition(
        before,
        after,
        report if report.repairs or last is None else last.changed,
        came=tuple(_beyond(after.left.findings, had)),
        went=tuple(_beyond(had, after.left.findings)),
        found=tuple(_beyond(after.found.findings, had)),
        mended=tuple(_beyond(after.found.findings, after.left.findings)),
    )


def _beyond(findings: Iterable[Finding], known: Iterable[Finding]) -> Iterator[Finding]:
    """The findings that are not among those known, each of which stands for one."""
    left = Counter(finding.key for finding in known)
    for finding in findings:
        if left[finding.key]:
            left[finding.key] -= 1
        else:
            yield finding


def with_last_known(before: Report | None, after: Report) -> Report:
    """``after``, with what was found in the firewall and the firewall of ``before`` where it could
    not look, and beside a coverage that is not known the one that was last.

    A family that could not be read as a whole keeps what was last known of it, unless
    something was written to it since.
    """
    if before is None:
        return after
    if after.backend == NO_BACKEND:
        after = replace(after, backend=before.backend, backend_version=before.backend_version)
    unread = after.unread - _touched(after)
    seen = {finding.key for finding in after.left.findings}
    kept = tuple(
        finding
        for finding in before.left.findings
        if (_is_unread(finding, unread) or _is_unjudged(finding, after)) and finding.key not in seen
    )
    known = {state.key: state for state in before.services}
    services = tuple(_remembering(state, known.get(state.key)) for state in after.services)
    if not kept and services == after.services:
        return after
    left = replace(after.left, findings=(*after.left.findings, *kept))
    return replace(after, left=left, services=services)


def _touched(report: Report) -> set[tuple[Plane, Family]]:
    """What a pass has changed in the firewall that keeps the rules."""
    keys = (repair.step.chain_key for repair in report.repairs)
    return {(key.plane, key.family) for key in keys if not key.of_previous}


def _is_unread(finding: Finding, unread: Collection[tuple[Plane, Family]]) -> bool:
    """Whether where it was found could not be looked at. What is about no family is about all;
    what a previous firewall has is looked at with what the present one has.
    """
    if not (finding.kind in SEEN_IN_FIREWALL or _is_hidden(finding)):
        return False
    families = tuple(Family) if finding.family is None else (finding.family,)
    return any((finding.plane, family) in unread for family in families)


def _is_unjudged(finding: Finding, after: Report) -> bool:
    of_packets = finding.kind in SEEN_OF_PACKETS or _is_hidden(finding)
    return of_packets and finding.family in after.unjudged


def _is_hidden(finding: Finding) -> bool:
    """Whether it says that a rule hides what becomes of a service's packets."""
    return finding.kind is Kind.UNKNOWN and finding.service is not None


def _remembering(state: ServiceState, before: ServiceState | None) -> ServiceState:
    if state.covered is not None or before is None:
        return state
    return replace(state, last_known=before.as_told)
