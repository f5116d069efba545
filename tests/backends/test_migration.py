"""Two firewalls, of which one kept our rules before: each is written by its own means."""

import pytest

from lvsmarkd.backends.backend import Applied
from lvsmarkd.backends.migration import MigratingBackend, left_in_iptables
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from tests.harness.paper import CHAIN_KEYS, OTHER_PAPER, PaperFirewall
from tests.harness.values import carry_out, declare, flow, want

MARKS = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
WEB = want(declare(80, flow("192.0.2.10", 80), accept=True))


@pytest.fixture
def before() -> PaperFirewall:
    """It kept the rules until now."""
    paper = PaperFirewall()
    carry_out(paper, judge(WEB, paper.read()))
    return paper


@pytest.fixture
def now(before: PaperFirewall) -> PaperFirewall:
    """It keeps them from now on, and its snapshots show what the other one holds."""
    paper = PaperFirewall(firewall=OTHER_PAPER)

    def look() -> None:
        paper.previous = (left_in_iptables(before.read()),)

    paper.before_read = look
    return paper


def empty(paper: PaperFirewall) -> bool:
    return all(paper.chains[key] == Chain() for key in CHAIN_KEYS)


def test_the_rules_are_put_where_they_belong_and_then_taken_away_where_they_were(
    now: PaperFirewall, before: PaperFirewall
) -> None:
    both = MigratingBackend(now, lambda: before)
    first = judge(WEB, both.read())
    assert {step.chain_key.previous for step in first.steps} == {Program.NONE}
    assert both.apply(first) == Applied()
    assert not empty(before)
    second = judge(WEB, both.read())
    assert {step.chain_key.previous for step in second.steps} == {Program.IPTABLES}
    assert "former" in str(both.script(second))
    assert both.apply(second) == Applied()
    assert empty(before)
    assert judge(WEB, both.read()) == Plan()
    assert now.writes == 1


def test_nothing_is_taken_away_where_the_present_firewall_may_have_ended(
    now: PaperFirewall, before: PaperFirewall
) -> None:
    both = MigratingBackend(now, lambda: before, keeps=lambda: False)
    carry_out(both, judge(WEB, both.read()))
    applied = both.apply(judge(WEB, both.read()))
    assert applied.error is not None
    assert applied.error.trouble is Trouble.BUSY
    assert not empty(before)


def test_what_the_present_one_refuses_is_told_with_what_the_other_one_fails_at(
    now: PaperFirewall, before: PaperFirewall
) -> None:
    both = MigratingBackend(now, lambda: before)
    now.refuses = lambda _rule: True
    before.fails = {Family.INET: FirewallError(Trouble.GONE, "no tool")}
    steps = (*judge(WEB, both.read()).steps, *judge(want(), both.read()).steps)
    applied = both.apply(Plan(steps=steps))
    assert {rule for rule, _ in applied.rejected} == WEB.rules
    assert str(applied.error) == "no tool"


@pytest.mark.parametrize("purges_both", [True, False])
def test_a_purge_takes_what_is_meant(
    now: PaperFirewall, before: PaperFirewall, *, purges_both: bool
) -> None:
    both = MigratingBackend(now, lambda: before, purges_both=purges_both)
    carry_out(both, judge(WEB, both.read()))
    assert both.purge().steps
    assert empty(now)
    assert empty(before) is purges_both


def test_one_that_is_not_there_any_more_is_no_trouble(
    now: PaperFirewall, before: PaperFirewall
) -> None:
    gone = MigratingBackend(now, lambda: None)
    carry_out(gone, judge(WEB, gone.read()))
    second = judge(WEB, gone.read())
    assert second.steps
    assert gone.apply(second) == Applied()
    assert gone.script(second) == {}
    gone.purge()
    assert empty(now)
    assert not empty(before)


def test_a_chain_of_somebody_elses_by_the_name_of_ours_is_not_left_by_us() -> None:
    paper = PaperFirewall()
    paper.damage(MARKS, exists=True, jumps=1, unknown_rules=("-j LOG",))
    assert dict(left_in_iptables(paper.read()).chains) == {}
