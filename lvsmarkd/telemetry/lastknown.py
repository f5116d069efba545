"""Unknown is not absent: a report filled in with what was last known."""

from dataclasses import replace

from lvsmarkd.model.finding import DRIFT, Finding, Kind
from lvsmarkd.model.report import NO_BACKEND, Report, ServiceState

Identity = tuple[object, ...]


def identity(finding: Finding) -> Identity:
    """What makes two findings of two passes the same one.

    The rule where there is one: the sentence about it may change while it lasts.
    """
    about = finding.detail or finding.message
    if finding.kind is Kind.PROBLEM:
        # The same line of the same file, whether or not the service that it is about is there.
        return (finding.kind, finding.origins, about)
    return (finding.kind, finding.service, finding.plane, finding.family, about)


def with_last_known(before: Report | None, after: Report) -> Report:
    """``after``, with the drift, the coverage and the firewall of ``before`` where it could not
    look.

    A family that could not be read as a whole keeps what was last known of it, unless
    something was written to it since.
    """
    if before is None:
        return after
    if after.backend == NO_BACKEND:
        after = replace(after, backend=before.backend, backend_version=before.backend_version)
    unread = {(f.plane, f.family) for f in after.left.findings if f.kind is Kind.UNKNOWN}
    unread -= {(r.step.spot.plane, r.step.spot.family) for r in after.repairs}
    seen = {identity(finding) for finding in after.left.findings}
    kept = tuple(
        finding
        for finding in before.left.findings
        if finding.kind in DRIFT
        and (finding.plane, finding.family) in unread
        and identity(finding) not in seen
    )
    known = {state.key: state for state in before.services}
    services = tuple(_filled_in(state, known.get(state.key)) for state in after.services)
    if not kept and services == after.services:
        return after
    left = replace(after.left, findings=(*after.left.findings, *kept))
    return replace(after, left=left, services=services)


def _filled_in(state: ServiceState, before: ServiceState | None) -> ServiceState:
    if state.covered is not None or before is None:
        return state
    return replace(state, covered=before.covered)
