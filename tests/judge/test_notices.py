"""What a firewall is like, besides its rules, becomes findings: every kind of notice does."""

import pytest

from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.rule_ref import Keeper, RuleRef
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Snapshot
from tests.harness.values import declare, flow, want

IPTABLES = FirewallIdentity(Program.IPTABLES, "nft", "1.8.9")
RULES = tuple(want(declare(80, flow("192.0.2.1", 1)), declare(81, flow("192.0.2.2", 2))).rules)
MASKED = RuleRef("", "zone public", "rule … mark set=1/1", keeper=Keeper.FIREWALLD)
FOUND = [
    (Notice(NoticeKind.DOWN, "it is off"), "critical: broken: it is off; no rule of ours is in"),
    (Notice(NoticeKind.FAILED, "it failed"), "critical: broken: it failed"),
    (Notice(NoticeKind.PANIC, "it panics"), "critical: broken: it panics"),
    (Notice(NoticeKind.KERNEL_UNSEEN, "no nft"), "note: unseen: whether the kernel has what"),
    (
        Notice(NoticeKind.TABLE_UNREAD, "nft failed"),
        "warning: unknown: it could not be seen whether firewalld's table (inet firewalld) is in"
        " the kernel and changes marks after our rules: nft failed",
    ),
    (
        Notice(NoticeKind.OTHERS_TABLE_UNSEEN, "it crashed", names=("inet", "t")),
        "note: unseen: what is in the nft table inet t could not be seen: it crashed",
    ),
    (
        Notice(NoticeKind.GUARD_SAVED, names=("/etc/nftables.conf", "7")),
        "warning: broken: /etc/nftables.conf:7: the file holds lvsmarkd's own table inet"
        " lvsmarkd_guard, so that nft loads nothing of it while lvsmarkd runs",
    ),
    (Notice(NoticeKind.DROPPING), "critical: broken: a reload of firewalld failed and left it"),
    (Notice(NoticeKind.FLUSHED), "critical: broken: firewalld's tables are not in the kernel"),
    (
        Notice(NoticeKind.LISTED_ONLY, "reload is never", own=RULES),
        "critical: broken: firewalld lists 2 rule(s) of ours that the kernel does not have, which"
        " only a reload mends; reload is never",
    ),
    (
        Notice(NoticeKind.INTERIM, "reload is never", names=("zone a", "policy b"), count=1),
        "note: fleeting: the rules stand in zone a until firewalld is reloaded and knows its"
        " policy b; reload is never",
    ),
    (
        Notice(NoticeKind.NO_ZONE, names=("a", "b"), plane=Plane.PERMANENT),
        "warning: bypassed: firewalld has no zone a, b (permanent), which",
    ),
    (Notice(NoticeKind.NO_ZONE, names=("a",)), "critical: bypassed: firewalld has no zone a"),
    (
        Notice(NoticeKind.NOT_ENTERED, names=("a", "b")),
        "critical: bypassed: no packet enters by firewalld's zone a, b, where our rules stand;",
    ),
    (
        Notice(NoticeKind.OTHER_ENTRANCE, names=("dmz", "interface eth1", "source 10.0.0.0/8")),
        "warning: bypassed: packets that enter by interface eth1, source 10.0.0.0/8 are in"
        " firewalld's zone dmz, where no rule of ours stands",
    ),
    (
        Notice(NoticeKind.MASKED, rule=MASKED),
        "warning: conflict: a rich rule in firewalld's zone public sets a mark with a mask",
    ),
    (
        Notice(NoticeKind.NOT_AT_BOOT, "masked-runtime", plane=Plane.PERMANENT),
        "warning: fleeting: firewalld runs and is masked-runtime at boot: the next boot brings"
        " none of these rules; run systemctl unmask firewalld",
    ),
    (
        Notice(NoticeKind.NOT_AT_BOOT, "enabled-runtime", plane=Plane.PERMANENT),
        "warning: fleeting: firewalld runs and is enabled-runtime at boot: the next boot brings"
        " none of these rules; run systemctl enable firewalld",
    ),
    (
        Notice(
            NoticeKind.OTHER_VARIANT,
            names=("iptables-legacy", "mangle"),
            count=3,
            family=Family.INET6,
        ),
        "warning: mixed: table mangle of iptables-legacy (inet6) holds 3 rule(s) beside"
        " iptables-nft, which lvsmarkd uses: the kernel evaluates both; move them to one variant",
    ),
    (Notice(NoticeKind.FIREWALLD_BESIDE), "warning: mixed: firewalld runs here, and lvsmarkd"),
]


@pytest.mark.parametrize(("notice", "said"), FOUND)
def test_a_notice_is_a_finding(notice: Notice, said: str) -> None:
    plan = judge(want(), Snapshot({}, notices=(notice,), firewall=IPTABLES))
    (finding,) = plan.findings
    assert str(finding).startswith(said)
    assert (finding.plane, finding.family) == (notice.plane, notice.family)
    assert plan.steps == ()
    assert plan.in_sync is (finding.severity is Severity.NOTE)


def test_every_kind_of_notice_is_one() -> None:
    assert {notice.kind for notice, _ in FOUND} == set(NoticeKind)


def test_two_zones_without_our_rules_are_two_findings() -> None:
    notices = [Notice(NoticeKind.OTHER_ENTRANCE, names=(zone, "interface e")) for zone in "ab"]
    found = judge(want(), Snapshot({}, notices=tuple(notices))).findings
    assert {finding.kind for finding in found} == {Kind.BYPASSED}
    assert len({finding.key for finding in found}) == 2
