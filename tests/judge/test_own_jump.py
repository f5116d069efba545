"""The place of our jump: what it has to pass, and what it need not."""

import pytest
from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.drift import History
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.plan import EnsureJump, Plan
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from tests.harness.paper import PaperFirewall
from tests.harness.values import declare, flow, want
from tests.harness.whole import whole

MARKS = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
LOCAL = replace(MARKS, hook=Hook.OUTPUT)
WEB = want(declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443)))
OWN_TOO = want(declare(80, flow("192.0.2.10", 80)), policy=Options(local=True))
VIP = "pre -d 192.0.2.10 "
OURS = History(ours=lambda _spot: True)


def among(ahead: str = "", behind: str = "", *, last: bool = False, wish: Desired = WEB) -> Plan:
    paper = PaperFirewall()
    paper.apply(judge(wish, paper.read()))
    return judge(wish, whole(paper.chains, ahead, behind, limits=Limits(jump_at_end=last)))


def moved(plan: Plan) -> list[Finding]:
    """What is told of the jump, where it is to be moved."""
    told = [f for f in plan.findings if f.kind is Kind.ALTERED]
    assert [type(step) for step in plan.steps] == [EnsureJump] * len(told)
    return told


@pytest.mark.parametrize(
    "rule",
    [
        "pre -j ACCEPT",
        "pre -j RETURN",
        "pre -j NFQUEUE",
        VIP + "-p tcp --dport 443 -j ACCEPT",
        "pre -m time -j ACCEPT",
        # What some senders' packets meet, packets of ours do.
        "pre -s 203.0.113.0/24 -j ACCEPT",
        "pre ! -s 203.0.113.0/24 -j ACCEPT",
        "pre -m mac --mac-source 52:54:00:00:00:01 -j ACCEPT",
        "pre -m set --match-set friends src -j ACCEPT",
        "pre -i eth3 -j ACCEPT",
        "pre MARK 5\npre -m mark --mark 5 -j ACCEPT",
        "pre -m conntrack --ctstate NEW -j ACCEPT",
        "raw PREROUTING -j CT --notrack\n"
        "pre -m conntrack --ctstate ESTABLISHED,UNTRACKED -j ACCEPT",
        "pre -j CONNMARK --set-mark 5\npre -j CONNMARK --restore-mark\n"
        "pre -m mark ! --mark 0 -j ACCEPT",
        "mangle :A -\npre -j A\nmangle A -j ACCEPT",
        "mangle :A -\npre -g A\nmangle A -d 192.0.2.99 -j ACCEPT",
        "pre -p tcp -j TPROXY --on-port 1",
    ],
)
def test_it_has_to_pass_what_may_take_packets_out_of_the_table(rule: str) -> None:
    (told,) = moved(among(rule))
    assert "has lost its place to" in told.message
    assert told.chain == MARKS


@pytest.mark.parametrize(
    "rule",
    [
        "pre MARK 5",
        "pre -j DROP",  # an operator's word, told as a conflict
        "pre -j LOG",
        "pre -d 192.0.2.99 -j ACCEPT",
        VIP + "-p tcp --dport 22 -j ACCEPT",
        VIP + "-p udp -j ACCEPT",
        "pre -m mark --mark 5 -j ACCEPT",
        "pre -i lo -j ACCEPT",
        # What first packets of connections do not meet: who puts that there again and again
        # (Calico) is not fought for it.
        "pre -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        "pre -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "pre -m conntrack --ctstate ESTABLISHED,UNTRACKED -j ACCEPT",
        "pre -j CONNMARK --restore-mark\npre -m mark ! --mark 0 -j ACCEPT",
        "mangle :A -\npre -j A\nmangle A -j RETURN",
        "mangle :A -\nmangle A -j ACCEPT",
        "raw PREROUTING -j ACCEPT",
        "pre -d 192.0.2.10 -j LVSMARKD",
    ],
)
def test_it_need_not_pass_what_takes_no_packet_of_ours(rule: str) -> None:
    assert moved(among(rule)) == []


def test_what_is_behind_it_is_no_matter_at_the_head() -> None:
    assert moved(among(behind="pre -j ACCEPT")) == []


@pytest.mark.parametrize(
    ("rule", "displaced"),
    [
        (VIP + "MARK 7", True),
        (VIP + "-m time MARK 7", True),
        ("pre -s 203.0.113.0/24 MARK 7", True),
        ("pre -j MARK --set-xmark 0x1000/0xf000", True),
        ("pre -m mark --mark 80 MARK 7", True),
        ("pre -j SET --map-set v dst --map-mark", True),
        ("mangle :A -\npre -j A\nmangle A MARK 7", True),
        ("pre MARK 80", False),
        ("pre -m mark --mark 0 MARK 7", False),
        ("pre -d 192.0.2.99 MARK 7", False),
        ("pre -j ACCEPT", False),
        ("mangle INPUT MARK 7", False),  # no move of ours passes it
    ],
)
def test_at_the_end_it_has_to_pass_what_may_change_a_mark_of_ours(
    rule: str, displaced: bool
) -> None:
    assert bool(moved(among(behind=rule, last=True))) is displaced
    assert moved(among(ahead=rule, last=True)) == []


def test_for_the_directors_own_packets_it_is_the_same() -> None:
    (told,) = moved(among("mangle OUTPUT -j ACCEPT", wish=OWN_TOO))
    assert told.chain == LOCAL
    assert moved(among("mangle OUTPUT -p udp -j ACCEPT", wish=OWN_TOO)) == []
    established = "mangle OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT"
    assert moved(among(established, wish=OWN_TOO)) == []


def test_a_chain_of_somebody_elses_that_bears_our_name_is_left_alone() -> None:
    paper = PaperFirewall()
    strange = "-s 10.0.0.1/32 -j MARK --set-xmark 0x5/0xffffffff"
    paper.damage(MARKS, exists=True, unknown_rules=(strange,))

    plan = judge(WEB, paper.read())
    known = judge(WEB, paper.read(), history=OURS)

    assert [step for step in plan.steps if step.chain_key == MARKS] == []
    assert "give that chain another name" in plan.findings[0].message
    assert [step for step in known.steps if step.chain_key == MARKS]
