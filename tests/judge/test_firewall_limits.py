"""A declaration that the firewall at hand cannot hold takes nothing away."""

import pytest
from msgspec.structs import replace

from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.keepalived import Completeness
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.plan import AddRule
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, PreviousRules
from tests.harness.values import (
    HERE,
    RICH_RULES,
    declare,
    flow,
    key,
    qualified,
    reading,
    service,
    want,
)
from tests.harness.whole import whole

RICH = Options(limits=RICH_RULES)
NOW, THEN = (ChainKey(plane, Family.INET, Hook.PREROUTING) for plane in Plane)
PAST = replace(NOW, previous=Program.IPTABLES)
PLAIN = flow("192.0.2.10", 80)
MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
BEYOND = [
    replace(PLAIN, qualifiers=qualified("vip0")),
    replace(PLAIN, qualifiers=qualified(None, (MAC, OTHER))),
]
WEB = want(declare(80, PLAIN), policy=RICH)
HELD = Chain(exists=True, jumps=1, container="firewalld's policy lvsmarkd")
FULL = replace(HELD, rules=tuple(WEB.rules))
PLANES = {NOW: FULL, THEN: FULL}
READ = reading(service(80), service(25))
MAIL = declare(25, flow("192.0.2.10", 25))


def wish(flows: list[Packets], policy: Options = RICH, before: Desired | None = None) -> Desired:
    return desired(READ, Declared(declare(80, *flows) | MAIL), policy, before)


@pytest.mark.parametrize("beyond", BEYOND)
def test_the_last_good_flows_stay_and_the_place_is_named(beyond: Packets) -> None:
    now = wish([beyond], before=wish([PLAIN]))
    assert now.rules == wish([PLAIN]).rules
    assert now.frozen_marks == {80}
    plan = judge(now, whole(PLANES))
    assert {type(step) for step in plan.steps} == {AddRule}  # those of mark 25
    (refused,) = (f for f in plan.findings if f.kind is Kind.REFUSED)
    assert (refused.severity, refused.origins, refused.service) == (
        Severity.CRITICAL,
        (HERE,),
        key(80),
    )
    assert "what was in force before stays" in refused.message
    assert covered(now, whole(PLANES))[key(80)] is True


@pytest.mark.parametrize("beyond", BEYOND)
def test_at_a_cold_start_the_rules_of_the_mark_stay_in_both_planes(beyond: Packets) -> None:
    now = wish([beyond])
    assert {rule.mark for rule in now.rules} == {25}
    plan = judge(now, whole(PLANES))
    assert [(type(s), s.chain_key) for s in plan.steps] == [(AddRule, THEN), (AddRule, NOW)]
    assert covered(now, whole(PLANES))[key(80)] is True
    assert covered(now, whole({NOW: HELD, THEN: HELD}))[key(80)] is False


def test_what_it_can_hold_of_the_mark_is_followed_at_a_cold_start() -> None:
    now = wish([*BEYOND, flow("192.0.2.10", 443)])
    assert [d.flow for d in now.flows[key(80)]] == [flow("192.0.2.10", 443)]
    assert len(now.problems) == 2


def test_one_sender_can_be_left_out_and_iptables_can_hold_it_all() -> None:
    assert wish([replace(PLAIN, qualifiers=qualified(None, (MAC,)))]).problems == ()
    assert wish(BEYOND, Options()).problems == ()


def test_what_no_service_uses_asks_nothing_of_the_firewall() -> None:
    now = desired(reading(service(25)), Declared(declare(80, *BEYOND) | MAIL), RICH)
    assert (now.problems, now.frozen_marks) == ((), frozenset())


@pytest.mark.parametrize("completeness", Completeness)
def test_the_rules_stay_in_the_firewall_that_could_hold_them(completeness: Completeness) -> None:
    in_iptables = wish(BEYOND, Options())
    read = replace(READ, completeness=completeness)
    now = desired(read, Declared(declare(80, *BEYOND) | MAIL), RICH, in_iptables)
    again = desired(read, Declared(declare(80, *BEYOND) | MAIL), RICH, now)
    past = Chain(True, 1, tuple(in_iptables.rules), container="iptables' chain LVSMARKD")
    mail = replace(HELD, rules=tuple(r for r in now.rules if r.hook is Hook.PREROUTING))
    for each in (now, again):
        assert {rule.mark for rule in each.rules} == {25}
        seen = whole({NOW: mail, THEN: mail}, previous=(PreviousRules({PAST: past}),))
        assert judge(each, seen).steps == ()
        assert covered(each, seen) == {key(80): True, key(25): True}
    back = desired(read, Declared(declare(80, *BEYOND) | MAIL), Options(), again)
    assert back.rules == in_iptables.rules
