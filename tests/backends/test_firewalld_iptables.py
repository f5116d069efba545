"""iptables beside firewalld: what others have in it stays, and what we had in it goes last."""

from pathlib import Path

import pytest

from lvsmarkd.backends.choose import choose
from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.planes.listing import read_runtime
from lvsmarkd.backends.firewalld.reload.flushed import saved_rules, wiped
from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from tests.backends.grounds import FirewalldGround, plan, web
from tests.harness.firewalld import RealFirewalld, firewalld
from tests.harness.netns import run
from tests.harness.values import carry_out, key
from tests.harness.whole import before_input

pytestmark = pytest.mark.netns

FORMER = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING, Program.IPTABLES)
BY_HAND = (
    "iptables -t mangle -A PREROUTING -d 192.0.2.99/32 -j MARK --set-xmark 0x7/0xffffffff",
    "ip6tables -t nat -A POSTROUTING -o eth9 -j MASQUERADE",
    "iptables -t raw -A PREROUTING -d 192.0.2.98/32 -j NOTRACK",
    "iptables -A INPUT -s 203.0.113.7/32 -j DROP",
)


def others() -> list[str]:
    """What is in iptables, and is no chain of firewalld's."""
    return [rule.partition(" -A ")[2] for rule in BY_HAND if rule.partition(" -A ")[2] in _saved()]


def _saved() -> str:
    return "".join(text or "" for text in saved_rules().values())


@pytest.mark.parametrize("by_hand", BY_HAND)
def test_a_reload_that_would_flush_a_rule_made_by_hand_is_not_made(
    ground: FirewalldGround, by_hand: str
) -> None:
    run(*by_hand.split())
    carry_out(ground.backend, plan(ground))
    assert others() == [by_hand.partition(" -A ")[2]]
    assert covered(web(ground), before_input(ground.backend.read()))[key(80)] is True
    (waits,) = [f for f in plan(ground).findings if f.kind is Kind.FLEETING]
    assert "which it flushes" in waits.message
    assert "which firewalld.reload" not in waits.message


def test_what_is_firewallds_own_in_iptables_does_not_count_as_others(
    netns: None, firewalld_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(bed: RealFirewalld) -> None:
        bed.configure(LogDenied="all", IPv6_rpfilter="yes", RFC3964_IPv4="yes")

    with firewalld(firewalld_backend, prepare) as bed, BusFirewalld() as adapter:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bed.address)
        mark = "mangle PREROUTING 0 -d 192.0.2.7 -p tcp --dport 80 -j MARK --set-mark 7"
        bed.cmd(*f"--direct --add-rule ipv4 {mark}".split())
        bed.cmd(*["--direct", "--add-chain", "ipv4", "filter", "guests"])
        bed.cmd(*["--direct", "--add-rule", "ipv4", "filter", "guests", "0", "-j", "ACCEPT"])
        passed = "-t mangle -A PREROUTING -d 2001:db8::7 -j MARK --set-mark 7"
        bed.cmd(*f"--direct --add-passthrough ipv6 {passed}".split())
        bed.cmd("--add-masquerade")

        def told() -> list[str]:
            runtime = read_runtime(adapter)
            return list(wiped(saved_rules, bed_version(adapter), firewalld_backend, runtime))

        assert told() == []
        run(*BY_HAND[0].split())
        assert told() == ["1 rule(s) in iptables' mangle PREROUTING (ipv4), which it flushes"]


def bed_version(adapter: BusFirewalld) -> str:
    return str(adapter.property("version"))


@pytest.mark.parametrize("firewalld_backend", ["nftables"])
def test_what_lvsmarkd_left_in_iptables_goes_when_it_is_in_firewalld(
    ground: FirewalldGround, tmp_path: Path
) -> None:
    run(*BY_HAND[0].split())
    iptables = choose("iptables", state_directory=tmp_path)
    carry_out(iptables, judge(web(ground), iptables.read()))
    first = plan(ground)
    assert FORMER not in {step.chain_key for step in first.steps}
    assert [f.severity for f in first.findings if f.kind is Kind.MIXED] == [Severity.WARNING]
    carry_out(ground.backend, first)
    second = plan(ground)
    (cleanup_of_previous,) = second.steps
    assert cleanup_of_previous.chain_key == FORMER
    assert [f.severity for f in second.findings if f.kind is Kind.MIXED] == [Severity.NOTE]
    assert "-D PREROUTING -j LVSMARKD" in str(ground.backend.script(second))
    carry_out(ground.backend, second)
    assert "LVSMARKD" not in _saved()
    assert len(others()) == 1
    assert plan(ground).steps == ()
