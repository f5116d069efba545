"""A firewall beside one that kept our rules before, and is looked at by its own backend."""

import pytest

from lvsmarkd.backends.backend import Applied
from lvsmarkd.backends.nftables.own_rules import table_limits
from lvsmarkd.backends.previous import WithPrevious
from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from tests.harness.paper import CHAIN_KEYS, OTHER_PAPER, PaperFirewall
from tests.harness.values import carry_out, declare, flow, instance, want

FLOWS = declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443))
ACCEPTS = ChainKey(Plane.RUNTIME, Family.INET, Hook.INPUT)


def wish(limits: Limits | None = None, *, vrrp: bool = False) -> Desired:
    policy = Options() if limits is None else Options(limits=limits)
    return want(FLOWS, instances=(instance("192.0.2.10"),) if vrrp else (), policy=policy)


def marks_alone() -> PaperFirewall:
    """A firewall that has no place for accepts."""
    paper = PaperFirewall(limits=table_limits(), firewall=OTHER_PAPER)
    paper.chains = {key: Chain() for key in CHAIN_KEYS if key.hook is not Hook.INPUT}
    return paper


@pytest.fixture
def before() -> PaperFirewall:
    """It kept the rules until now, and accepts VRRP."""
    paper = PaperFirewall()
    carry_out(paper, judge(wish(vrrp=True), paper.read()))
    return paper


def test_it_is_cleaned_up_once_all_is_in_its_new_place(before: PaperFirewall) -> None:
    now = marks_alone()
    both = WithPrevious(now, Program.NFTABLES, lambda: before)
    meant = wish(table_limits())
    first = judge(meant, both.read())
    assert {step.chain_key.previous for step in first.steps} == {Program.NONE}
    assert both.apply(first) == Applied()
    second = judge(meant, both.read())
    assert {step.chain_key.previous for step in second.steps} == {Program.NFTABLES}
    assert "192.0.2.10/32 tcp 80,443" in both.script(second)["paper inet"]
    assert both.apply(second) == Applied()
    assert all(before.chains[key] == Chain() for key in CHAIN_KEYS)
    assert judge(meant, both.read()).steps == ()


def test_what_accepts_vrrp_stays_where_it_is_the_only_one(before: PaperFirewall) -> None:
    both = WithPrevious(marks_alone(), Program.IPTABLES, lambda: before)
    meant = wish(table_limits(), vrrp=True)
    for _ in range(2):
        carry_out(both, judge(meant, both.read()))
    left = judge(meant, both.read())
    assert left.steps == ()
    assert [key for key in CHAIN_KEYS if before.chains[key] != Chain()] == [ACCEPTS]
    assert "it stays until" in left.findings[0].message
    meant = want(
        FLOWS,
        instances=(instance("192.0.2.10"),),
        policy=Options(vrrp_accept=False, limits=table_limits()),
    )
    carry_out(both, judge(meant, both.read()))
    assert before.chains[ACCEPTS] == Chain()


def test_what_is_dear_to_look_at_is_looked_at_until_it_has_nothing(before: PaperFirewall) -> None:
    looks: list[int] = []
    before.before_read = lambda: looks.append(1)
    both = WithPrevious(marks_alone(), Program.NFTABLES, lambda: before, dear=True)
    for _ in range(6):
        carry_out(both, judge(wish(table_limits()), both.read()))
    assert len(looks) == 3


def test_one_that_is_gone_or_fails_hinders_nothing(before: PaperFirewall) -> None:
    now = marks_alone()
    both = WithPrevious(now, Program.NFTABLES, lambda: before)
    carry_out(both, judge(wish(table_limits()), both.read()))
    second = judge(wish(table_limits()), both.read())
    gone = WithPrevious(now, Program.NFTABLES, lambda: None)
    assert gone.apply(second) == Applied()
    assert gone.script(second) == {}
    before.fails = {Family.INET: FirewallError(Trouble.GONE, "no tool")}
    assert str(both.apply(second).error) == "no tool"


def test_a_purge_is_of_both(before: PaperFirewall) -> None:
    now = marks_alone()
    both = WithPrevious(now, Program.NFTABLES, lambda: before)
    carry_out(both, judge(wish(table_limits()), both.read()))
    assert both.purge().steps
    for paper in (now, before):
        assert all(chain == Chain() for chain in paper.chains.values())


def test_a_mark_that_is_to_be_accepted_stays_where_it_can_be() -> None:
    flows = declare(80, flow("192.0.2.10", 80), accept=True)
    before = PaperFirewall()
    carry_out(before, judge(want(flows), before.read()))
    kept = dict(before.chains)
    both = WithPrevious(marks_alone(), Program.IPTABLES, lambda: before)
    meant = want(flows, declare(25, flow("192.0.2.10", 25)), policy=Options(limits=table_limits()))
    for _ in range(2):
        carry_out(both, judge(meant, both.read()))
    assert judge(meant, both.read()).steps == ()
    assert before.chains == kept
