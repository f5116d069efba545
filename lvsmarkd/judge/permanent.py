"""What the firewall's permanent configuration means: what packets will meet after its next reload,
or the next boot, that is otherwise now.

Where there is no permanent plane (iptables), others see to what comes back, and nothing can be
said.
"""

from collections.abc import Iterator

from lvsmarkd.judge.adviser import Adviser
from lvsmarkd.judge.coverage import waits
from lvsmarkd.judge.marking_rules import marking_rules
from lvsmarkd.judge.outlook import ServiceOutlook
from lvsmarkd.judge.packet_findings import losses
from lvsmarkd.judge.prospects import Prospects
from lvsmarkd.model.fate import LOST, Fate
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Hook, Plane
from lvsmarkd.model.rule_ref import Keeper, RuleRef
from lvsmarkd.model.service import FlowSource, ServiceKey


def lasting_findings(prospects: Prospects) -> Iterator[Finding]:
    """What a rule of the permanent configuration will certainly take from services. What they lose
    already is told as that; but for what INPUT refuses, of which that configuration says nothing
    here.
    """
    lasting, seen = prospects.lasting, prospects.seen
    if lasting is None:
        return
    for key, each in sorted(lasting.services.items()):
        if lasting.unread.get(key.family) or not prospects.desired.flows[key]:
            continue
        if waits(key, prospects.desired):
            continue
        lost = _lost(prospects.ahead.services[key])
        for loss in losses(key, each, seen):
            if loss.rule is None or loss.rule.keeper is not Keeper.FIREWALLD:
                continue
            if not any(loss.packets.overlaps(packets) for packets in lost):
                yield loss.finding(key, prospects.desired, Plane.PERMANENT)


def _lost(each: ServiceOutlook) -> list[Packets]:
    return [
        part.fate.packets
        for part in each.parts
        if part.fate.fate in LOST and part.fate.lost_at is not Hook.INPUT
    ]


def fleeting(prospects: Prospects, adviser: Adviser) -> Iterator[Finding]:
    """Services that only others mark, where these do so only until the next reload or boot."""
    lasting = prospects.lasting
    if lasting is None:
        return
    for key, coverage in sorted(prospects.desired.coverage.items()):
        if coverage is not FlowSource.NONE or lasting.unread.get(key.family):
            continue
        giving = _giving(key, prospects)
        kept = lasting.services[key]
        if giving is not None and not (kept.parts or kept.had_mark):
            yield Finding(
                Kind.FLEETING,
                f"mark {key.mark} is set by a rule in {giving.where} that is in force now and"
                " not in the permanent configuration: the next reload or boot loses it",
                "make it permanent, or declare what the mark stands for",
                service=key,
                plane=Plane.PERMANENT,
                family=key.family,
                rule=giving,
                origins=prospects.desired.services[key].origins,
                paste=adviser.advice(key).text,
            )


def _giving(key: ServiceKey, prospects: Prospects) -> RuleRef | None:
    """A rule that gives packets the service's mark now, as the firewall lists it if it does."""
    if prospects.seen.unread(key.family) or prospects.now.unread.get(key.family):
        return None
    for each in marking_rules(prospects.seen.listed, key.family):
        if each.sets(key.mark):
            return each.rule
    for part in prospects.now.services[key].parts:
        setting = [step.rule for step in part.fate.steps if step.after == key.mark != step.before]
        if setting and part.fate.fate is Fate.RIGHT:
            return setting[-1]
    return None
