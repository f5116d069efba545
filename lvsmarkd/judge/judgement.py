"""The judgement of one pass: findings and steps, from what must hold and what was seen."""

from collections.abc import Iterator

from lvsmarkd.judge.adviser import Adviser
from lvsmarkd.judge.beyond_rules import beyond_rules
from lvsmarkd.judge.claimants import known_claims
from lvsmarkd.judge.claims import overlaps
from lvsmarkd.judge.configuration_findings import configuration_findings
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.drift import History, judge_chain
from lvsmarkd.judge.notices import noticed
from lvsmarkd.judge.orphans import orphans
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.judge.packet_findings import packet_findings
from lvsmarkd.judge.permanent import fleeting, lasting_findings
from lvsmarkd.judge.presence import presence
from lvsmarkd.judge.previous_backend import cleanup_of_previous, left_by_ended
from lvsmarkd.judge.prospects import Prospects
from lvsmarkd.judge.rivals import uninvited, unmarked_vips
from lvsmarkd.judge.undeclared import undeclared
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import Hook, Plane, Rule
from lvsmarkd.model.snapshot import Snapshot

_NOTHING_KNOWN = History()


def judge(
    desired: Desired,
    snapshot: Snapshot,
    *,
    history: History = _NOTHING_KNOWN,
    outlooks: Outlooks | None = None,
) -> Plan:
    """All findings and the steps that mend what can be mended. See ``judge_chain``. ``outlooks``
    remember what was judged before.
    """
    prospects = Prospects(desired, snapshot, outlooks or Outlooks())
    adviser = Adviser(desired, snapshot, prospects.now)
    diffs = [
        judge_chain(chain_key, prospects, history=history) for chain_key in sorted(snapshot.chains)
    ]
    diffs += left_by_ended(desired, snapshot, history)
    cleanups = list(cleanup_of_previous(desired, snapshot, history))
    steps = [step for verdict in diffs for step in verdict.steps]
    drift = [finding for verdict in (*diffs, *cleanups) for finding in verdict.findings]
    missing = {
        finding.rule
        for finding in drift
        if finding.kind is Kind.MISSING
        and finding.plane is Plane.RUNTIME
        and isinstance(finding.rule, Rule)
    }
    # Of a firewall that is not there it is told, not what that does to each service.
    foresees = bool(steps) or not snapshot.chains
    findings: list[Finding] = [
        *undeclared(prospects, adviser),
        *drift,
        *packet_findings(desired, snapshot, prospects.ahead if foresees else prospects.bare),
        *lasting_findings(prospects),
        *beyond_rules(desired, snapshot, prospects.now),
        *orphans(prospects),
        *fleeting(prospects, adviser),
        *uninvited(desired),
        *unmarked_vips(desired, prospects.now),
        *presence(desired),
        *overlaps(
            desired.services.values(),
            (*desired.runtime_state.claims, *known_claims(snapshot.names)),
        ),
        *noticed(snapshot, missing),
        *_nowhere(desired, snapshot),
        *configuration_findings(desired),
    ]
    severities = list(Severity)
    findings.sort(key=lambda finding: severities.index(finding.severity))
    steps = steps or [step for verdict in cleanups for step in verdict.steps]
    return Plan(tuple(findings), tuple(steps))


def _nowhere(desired: Desired, snapshot: Snapshot) -> Iterator[Finding]:
    """Rules for a place that the firewall at hand does not have."""
    hooks = {chain_key.hook for chain_key in snapshot.chains}
    wanted = any(rule.hook is Hook.OUTPUT for rule in desired.rules)
    if wanted and hooks and Hook.OUTPUT not in hooks:
        yield Finding(
            Kind.REFUSED,
            "firewall.local is set, and this firewall keeps no rules for the director's own"
            " packets",
            "unset it, or use the iptables backend",
            graded=Severity.WARNING,
            subject="firewall.local",
        )
