"""Drift that a pass found and did not mend: what is done about it, in the daemon's own words."""

from msgspec.structs import replace

from lvsmarkd.model.finding import DRIFT, Finding, Kind
from lvsmarkd.model.plan import Owned, Part
from lvsmarkd.model.report import Mode, Report, Result
from lvsmarkd.model.rule import Rule


def as_left(finding: Finding, report: Report) -> Finding:
    """The finding as a pass leaves it: what it advises is no plan any more, but what became of
    that. Others than drift are not mended by a pass, and stay as they are.
    """
    if finding.kind not in DRIFT:
        return finding
    why = _why_left(finding, report)
    return replace(finding, advice=why) if why else finding


def owned_of(finding: Finding) -> Owned | None:
    """The thing of ours that a finding is about, if it is about one."""
    if finding.chain is None:
        return None
    if isinstance(finding.subject, Part):
        return Owned(finding.chain, finding.subject)
    return Owned(finding.chain, finding.rule) if isinstance(finding.rule, Rule) else None


def _why_left(finding: Finding, report: Report) -> str:
    if report.mode is not Mode.ENFORCE:
        return f"not repaired: the mode is {report.mode}"
    if report.result is Result.ERROR:
        return "the repair failed, and is tried again"
    if any(f.kind is Kind.REJECTED and f.rule == finding.rule for f in report.left.findings):
        return "the firewall refuses it, and it is tried again later"
    return ""
