"""Rules in a firewall that kept them before: they go last, and only when they are not needed."""

import pytest
from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.drift import History
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.ipvs import LoadedIpvs
from lvsmarkd.model.plan import AddRule, Plan, RemoveChain, RemoveRule
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.runtime_state import RuntimeState
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, PreviousRules, Snapshot
from lvsmarkd.model.unknown import Unknown
from tests.harness.values import ONE_PORT, declare, flow, key, reading, want
from tests.harness.whole import whole

NOW = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
PAST = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING, Program.IPTABLES)
ENDED = replace(PAST, previous=Program.FIREWALLD)
HOLDER = "iptables' chain LVSMARKD (table mangle)"
WEB = want(declare(80, flow("192.0.2.10", 80)), policy=Options(limits=ONE_PORT))
(RULE,) = WEB.rules
(MAIL,) = want(declare(25, flow("192.0.2.10", 25))).rules
FULL = Chain(exists=True, jumps=1, rules=(RULE,), container="firewalld's policy lvsmarkd")


def seen(now: Chain | Unknown | None, *past: PreviousRules) -> Snapshot:
    return whole({} if now is None else {NOW: now}, previous=past)


def past(*rules: Rule) -> PreviousRules:
    return PreviousRules({PAST: Chain(exists=True, jumps=1, rules=rules, container=HOLDER)})


def test_a_former_chain_goes_once_all_is_in_force_and_not_before() -> None:
    plan = judge(WEB, seen(replace(FULL, rules=()), past(RULE)))
    assert plan.steps == (AddRule(NOW, RULE),)
    assert [f.severity for f in plan.findings if f.kind is Kind.MIXED] == [Severity.WARNING]
    plan = judge(WEB, seen(FULL, past(RULE)))
    assert plan.steps == (RemoveChain(PAST, 1, (RULE,)),)
    [finding] = plan.findings
    assert (finding.kind, finding.severity) == (Kind.MIXED, Severity.NOTE)
    assert finding.plane_name == plan.steps[0].chain_key.plane_name == "former"
    assert (
        str(plan) == f"- inet mark former: {RULE}\n- inet mark former: our chain and the jump to it"
    )
    assert finding.message.startswith(HOLDER)


@pytest.mark.parametrize(
    "now", [Unknown("firewalld does not answer"), None, replace(FULL, jumps=0, fault="is gone")]
)
def test_it_stays_while_it_is_not_seen_that_the_rules_are_in_force(
    now: Chain | Unknown | None,
) -> None:
    assert PAST not in {step.chain_key for step in judge(WEB, seen(now, past(RULE))).steps}


def test_rules_that_linger_linger_there_too() -> None:
    both = seen(FULL, past(RULE, MAIL))
    waiting = History(lingers=lambda rule: rule == MAIL)
    assert judge(WEB, both, history=waiting).steps == ()
    assert judge(WEB, both).steps == (RemoveChain(PAST, 1, (RULE, MAIL)),)


def leaving(mark: int) -> Desired:
    """Nothing is configured, and IPVS still has a service whose packets nobody knows."""
    runtime_state = RuntimeState(kernel=LoadedIpvs(frozenset({key(mark)})))
    return desired(reading(), Declared({}), Options(limits=ONE_PORT), None, runtime_state)


def test_the_rules_of_a_service_that_has_not_left_ipvs_stay_in_the_former_chain() -> None:
    mail = seen(replace(FULL, rules=()), past(MAIL))
    assert judge(leaving(25), mail).steps == ()
    assert judge(leaving(7), mail).steps == (RemoveChain(PAST, 1, (MAIL,)),)


LEFTOVER = "firewalld's leftover policy lvsmarkd"


def left(*rules: Rule) -> PreviousRules:
    chain = Chain(exists=True, jumps=1, rules=rules, container=LEFTOVER)
    return PreviousRules({ENDED: chain}, ended=True)


OTHERWISE = replace(RULE, action=SetMark(81), mark=81)


def test_what_an_ended_firewall_left_and_is_wanted_stays_without_a_word() -> None:
    assert judge(WEB, seen(FULL, left(RULE))) == Plan()


@pytest.mark.parametrize("now", [FULL, replace(FULL, rules=())])
@pytest.mark.parametrize("harmful", [OTHERWISE, MAIL])
def test_what_it_left_and_is_not_wanted_goes_by_itself_and_at_once(
    now: Chain, harmful: Rule
) -> None:
    plan = judge(WEB, seen(now, left(RULE, harmful)))
    assert plan.steps[-1] == RemoveRule(ENDED, harmful)
    assert [step.chain_key for step in plan.steps].count(ENDED) == 1
    (finding,) = (f for f in plan.findings if f.kind is Kind.MIXED)
    assert finding.message.startswith(LEFTOVER)


def test_what_it_left_lingers_where_it_harms_nothing() -> None:
    waiting = History(lingers=lambda _rule: True)
    steps = judge(WEB, seen(FULL, left(MAIL, OTHERWISE)), history=waiting).steps
    assert steps == (RemoveRule(ENDED, OTHERWISE),)
    assert judge(leaving(25), seen(None, left(MAIL))).steps == ()
