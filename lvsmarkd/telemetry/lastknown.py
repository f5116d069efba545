"""Unknown is not absent: a report filled in with what was last known."""

from collections.abc import Collection
from dataclasses import replace

from lvsmarkd.model.finding import SEEN_IN_FIREWALL, Finding
from lvsmarkd.model.report import NO_BACKEND, Report, ServiceState
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.service import Family


def with_last_known(before: Report | None, after: Report) -> Report:
    """``after``, with what was found in the firewall, the coverage and the firewall of ``before``
    where it could not look.

    A family that could not be read as a whole keeps what was last known of it, unless
    something was written to it since.
    """
    if before is None:
        return after
    if after.backend == NO_BACKEND:
        after = replace(after, backend=before.backend, backend_version=before.backend_version)
    unread = after.unread - {
        (r.step.chain_key.plane, r.step.chain_key.family) for r in after.repairs
    }
    seen = {finding.key for finding in after.left.findings}
    kept = tuple(
        finding
        for finding in before.left.findings
        if finding.kind in SEEN_IN_FIREWALL
        and _is_unread(finding, unread)
        and finding.key not in seen
    )
    known = {state.key: state for state in before.services}
    services = tuple(_filled_in(state, known.get(state.key)) for state in after.services)
    if not kept and services == after.services:
        return after
    left = replace(after.left, findings=(*after.left.findings, *kept))
    return replace(after, left=left, services=services)


def _is_unread(finding: Finding, unread: Collection[tuple[Plane, Family]]) -> bool:
    """Whether where it was found could not be looked at. What is about no family is about all;
    what a former firewall has is looked at with what the present one has.
    """
    plane = Plane.RUNTIME if finding.plane is Plane.FORMER else finding.plane
    families = tuple(Family) if finding.family is None else (finding.family,)
    return any((plane, family) in unread for family in families)


def _filled_in(state: ServiceState, before: ServiceState | None) -> ServiceState:
    if state.covered is not None or before is None:
        return state
    return replace(state, covered=before.covered)
