"""Rules of others that do what ours are to do, before ours are there."""

import pytest

from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.guard import GUARD_TABLE
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.rule import Hook, SetMark
from lvsmarkd.model.rule_spec import MarkTest, RuleSpec
from lvsmarkd.model.ruleset import (
    BaseChain,
    Lister,
    Ruleset,
    Table,
    TableChain,
    TableKey,
    TableRule,
)
from lvsmarkd.model.snapshot import Snapshot
from tests.harness.paper import PaperFirewall
from tests.harness.values import declare, flow, key, want
from tests.harness.whole import whole

WEB = want(declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443)))
VIP = "pre -d 192.0.2.10 "
WHOLE = VIP + "-p tcp MARK 80\n"
GOES = "which can go once ours is there"


def missing(seen: Snapshot) -> list[Finding]:
    return [f for f in judge(WEB, seen).findings if f.kind is Kind.MISSING]


@pytest.mark.parametrize(
    ("rules", "state"),
    [
        (WHOLE, True),
        ("pre MARK 80", True),
        ("".join(VIP + f"-p tcp --dport {port} MARK 80\n" for port in (80, 443)), True),
        (VIP + "-p tcp --dport 80 MARK 80", False),
        (VIP + "-s 203.0.113.0/24 MARK 80", False),
        (VIP + "-m time MARK 80", None),
        # By the mark that packets bear in the end, however it is made.
        (VIP + "-j MARK --set-xmark 0x50/0xff", True),
        (VIP + "-j CONNMARK --set-mark 80\npre -j CONNMARK --restore-mark", True),
        (VIP + "MARK 81", False),
        ("pre -j ACCEPT\n" + WHOLE, False),
        (WHOLE + "pre -j ACCEPT", True),
        (VIP + "-j DROP\n" + WHOLE, False),
        (WHOLE + "pre MARK 7", False),
        (WHOLE + "mangle INPUT MARK 7", False),
        (WHOLE + "pre -j CONNMARK --restore-mark", False),
        (WHOLE + "pre -j MARK --set-xmark 0x50/0xff", True),
        ("pre MARK 7\n" + WHOLE, True),
        (WHOLE + "pre -m time MARK 7", None),
        (WHOLE + "pre -s 203.0.113.0/24 MARK 7", True),
        (VIP + "-m mark --mark 0 MARK 80", True),
        ("pre MARK 5\n" + VIP + "-m mark --mark 0x0/0xff MARK 80", False),
        ("pre -m time MARK 5\n" + VIP + "-m mark --mark 0x0/0xff MARK 80", None),
    ],
)
def test_others_who_mark_all_that_is_declared_stand_in_for_rules_to_come(
    rules: str, state: bool | None
) -> None:
    seen = whole(PaperFirewall().chains, behind=rules)
    assert covered(WEB, seen) == {key(80): state}
    told = missing(seen)
    assert len(told) == 2  # the rule, and the jump
    assert {f.severity is Severity.WARNING for f in told} == {state is True}
    assert ("meanwhile a rule in table mangle" in told[0].message) is (state is True)
    assert judge(WEB, seen).steps == judge(WEB, PaperFirewall().read()).steps


@pytest.mark.parametrize(
    ("rules", "goes"),
    [
        (WHOLE, True),
        ("pre MARK 7\n" + WHOLE, False),  # ours comes first, and 7 after it
        ("pre -j CONNMARK --restore-mark\n" + WHOLE, False),
        ("pre -m mark --mark 0 MARK 80", True),
    ],
)
def test_what_can_go_once_ours_is_there_is_what_does_nothing_then(rules: str, goes: bool) -> None:
    assert (GOES in missing(whole(PaperFirewall().chains, behind=rules))[0].message) is goes


def test_with_the_jump_at_the_end_what_is_before_it_can_go() -> None:
    seen = whole(
        PaperFirewall().chains, behind="pre MARK 7\n" + WHOLE, limits=Limits(jump_at_end=True)
    )
    assert GOES in missing(seen)[0].message


def test_the_guard_is_nobody_else() -> None:
    """Packets keep their mark by it, so that a rule that is gone costs none; it is to be mended
    all the same, and the guard is no rule of others that can go, nor one too many.
    """
    text = "table inet lvsmarkd_guard {"
    key_of_guard = TableKey(Lister.NFT, "inet", GUARD_TABLE)
    spec = RuleSpec(flow("192.0.2.10"), (MarkTest(0),), (SetMark(80),))
    chain = TableChain("c", (TableRule(spec, 1, text),), BaseChain(Hook.PREROUTING, -139))
    guard = Ruleset({key_of_guard: Table(key_of_guard, {"c": chain})})
    seen = whole(PaperFirewall().chains, beside=guard)
    assert covered(WEB, seen) == {key(80): True}
    assert {f.severity for f in missing(seen)} == {Severity.WARNING}
    assert "; meanwhile the guard marks these packets" in missing(seen)[0].message
    assert Kind.ORPHAN not in {f.kind for f in judge(want(), seen).findings}


def test_where_one_service_is_stood_in_for_and_another_is_not_the_jump_is_critical() -> None:
    both = want(declare(80, flow("192.0.2.10", 80)), declare(25, flow("192.0.2.10", 25)))
    rules = VIP + "-p tcp -m multiport --dports 80,443 MARK 80"
    seen = whole(PaperFirewall().chains, behind=rules)
    assert covered(both, seen) == {key(80): True, key(25): False}
    told = [f for f in judge(both, seen).findings if f.kind is Kind.MISSING]
    assert {(f.service, f.severity) for f in told} == {
        (key(80), Severity.WARNING),
        (key(25), Severity.CRITICAL),
        (None, Severity.CRITICAL),
    }
