"""Whether services are covered, and what is told of it, by what becomes of packets."""

from ipaddress import ip_network

import pytest
from msgspec.structs import replace

from lvsmarkd.backends.iptables.snapshot import snapshot_of
from lvsmarkd.backends.iptables.toolset import Variant
from lvsmarkd.judge.coverage import covered, why_unknown
from lvsmarkd.judge.desired import Options, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.host import HostView
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.reconcile.rule_counts import RuleCounts
from tests.harness.rulesets import saved
from tests.harness.values import declare, flow, instance, key, reading, service, want

HOST = HostView(frozenset({"eth0"}), (ip_network("192.0.2.10/32"),))
TWO = replace(HOST, interfaces=frozenset({"eth0", "eth1"}))
DECLARED = want(declare(80, flow("192.0.2.10", 80)))
OURS = (
    "pre -j LVSMARKD\n"
    'mangle LVSMARKD -d 192.0.2.10/32 -p tcp -m tcp --dport 80 -m comment --comment "lvsmarkd'
    ' fwmark 80" -j MARK --set-xmark 0x50/0xffffffff\n'
)
TABLES = ("mangle", "filter")


def seen(text: str, host: HostView = HOST, more: Ruleset | None = None) -> Snapshot:
    """What the iptables backend sees of such rules, made whole."""
    ruleset = saved(text) if text else Ruleset()
    empty = {
        key: Table(key)
        for family in ("ip", "ip6")
        for source in (Lister.IPTABLES_NFT, Lister.IPTABLES_LEGACY)
        for key in (TableKey(source, family, name) for name in TABLES)
    }
    whole = Ruleset(empty) | ruleset | (more or Ruleset())
    firewall = FirewallIdentity(Program.IPTABLES, str(Variant.NFT), "1.8.9")
    read = snapshot_of(whole, firewall, jump_at_end=False)
    return replace(read, host=host)


def found(text: str, kind: Kind, host: HostView = HOST) -> list[Finding]:
    plan = judge(DECLARED, seen(text, host))
    return [each for each in plan.findings if each.kind is kind and each.service == key(80)]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", False),
        (OURS, True),
        (OURS + "pre MARK 9", False),
        (OURS + "pre -d 192.0.2.11 MARK 9", True),
        (OURS + "pre -m time --timestart 10:00 MARK 9", None),
        (OURS + "raw PREROUTING -p tcp -j DROP", False),
        (OURS + "filter :INPUT DROP", False),
        (OURS + "filter :INPUT DROP\nin -p tcp --dport 80 -j ACCEPT", True),
        (OURS + "in -m mark --mark 0x10/0x10 -j DROP", False),
        (OURS + "nat PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.9.9.9", False),
        ("pre -d 192.0.2.10 MARK 80", True),
    ],
)
def test_a_declared_service_is_covered_where_its_packets_come_to_ipvs_with_its_mark(
    text: str, state: bool | None
) -> None:
    assert covered(DECLARED, seen(text))[key(80)] is state


def test_what_one_interface_keeps_out_is_no_loss_of_the_service() -> None:
    text = OURS + "in -i eth1 -j DROP"
    assert covered(DECLARED, seen(text, TWO))[key(80)] is True
    [finding] = found(text, Kind.UNACCEPTED, TWO)
    assert finding.severity is Severity.WARNING
    assert (
        covered(DECLARED, seen(text, replace(HOST, interfaces=frozenset({"eth1"}))))[key(80)]
        is False
    )


def test_what_several_interfaces_of_more_keep_out_is_no_loss_of_the_service_either() -> None:
    three = replace(HOST, interfaces=frozenset({"eth0", "eth1", "eth2"}))
    text = OURS + "in -i eth1 -j DROP\nin -i eth2 -j DROP"
    assert covered(DECLARED, seen(text, three))[key(80)] is True
    assert covered(DECLARED, seen(OURS + "in ! -i eth0 -j DROP", three))[key(80)] is True
    assert covered(DECLARED, seen(OURS + "in -i eth+ -j DROP", three))[key(80)] is False


def test_a_flow_by_an_interface_that_is_not_there_gets_no_mark() -> None:
    wish = want(declare(80, flow("192.0.2.10", 80, in_interface="eth7")))
    assert covered(wish, seen(OURS))[key(80)] is False


@pytest.mark.parametrize(
    ("rule", "kind", "says"),
    [
        ("pre MARK 9", Kind.CONFLICT, "gives packets of 192.0.2.10 tcp 80 mark 9 after mark 80"),
        ("pre MARK 0", Kind.CONFLICT, "takes mark 80 from packets of 192.0.2.10 tcp 80"),
        ("raw PREROUTING -j DROP", Kind.CONFLICT, "table raw, chain PREROUTING drops packets"),
        (
            "nat PREROUTING -p tcp -j DNAT --to-destination 10.9.9.9",
            Kind.CONFLICT,
            "table nat, chain PREROUTING sends packets of 192.0.2.10 tcp 80 elsewhere",
        ),
        ("in -p tcp -j DROP", Kind.UNACCEPTED, "refused at INPUT by “-p tcp -j DROP”"),
        ("filter :INPUT DROP", Kind.UNACCEPTED, "by the policy of table filter, chain INPUT"),
    ],
)
@pytest.mark.parametrize("ours", [OURS, ""])
def test_the_rule_that_takes_packets_is_told_also_before_ours_are_in(
    rule: str, kind: Kind, says: str, ours: str
) -> None:
    [finding] = found(ours + rule, kind)
    assert says in finding.fact
    assert finding.severity is Severity.CRITICAL
    assert finding.origins


def test_what_hides_the_answer_is_a_note_that_names_it() -> None:
    [note] = found(OURS + "pre -m time --timestart 10:00 MARK 9", Kind.UNKNOWN)
    assert note.severity is Severity.NOTE
    assert "time --timestart 10:00" in note.fact
    more = Ruleset({TableKey(Lister.NFT, "inet", "odd"): Unknown("nft failed: -11")})
    whole = seen(OURS, more=more)
    assert covered(DECLARED, whole)[key(80)] is None
    [unread] = [f for f in judge(DECLARED, whole).findings if f.kind is Kind.UNKNOWN]
    assert "nft failed: -11" in unread.fact
    assert unread.family is Family.INET
    assert why_unknown(key(80), DECLARED, whole) == "nft failed: -11"


def test_why_it_is_not_known_names_each_rule_that_hides_the_answer_once() -> None:
    two = want(declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443)))
    each = "pre -d 192.0.2.10 MARK 80\n"
    why = why_unknown(key(80), two, seen(each + "pre -m time --timestart 10:00 MARK 9"))
    assert why.count("(“-m time --timestart 10:00 -j MARK") == 1
    assert why.endswith("in table mangle, chain PREROUTING)")
    both = "pre -m time -p tcp --dport 80 MARK 9\nin -m time -p tcp --dport 443 -j DROP"
    why = why_unknown(key(80), two, seen(each + both))
    assert "in table mangle, chain PREROUTING)" in why
    assert "in table filter, chain INPUT)" in why
    assert why_unknown(key(80), two, seen(each)) == ""


def test_the_report_of_a_pass_says_why_it_is_not_known() -> None:
    hidden = seen(OURS + "pre -m time --timestart 10:00 MARK 9")
    [state] = RuleCounts(DECLARED, hidden).services()
    assert state.covered is None
    assert "--timestart 10:00" in state.unknown_because
    assert not RuleCounts(DECLARED, hidden).unjudged()
    [state] = RuleCounts(DECLARED, seen(OURS)).services()
    assert (state.covered, state.unknown_because) == (True, "")
    odd = Ruleset({TableKey(Lister.NFT, "inet", "odd"): Unknown("nft failed: -11")})
    counts = RuleCounts(DECLARED, seen(OURS, more=odd))
    assert counts.unjudged() == {Family.INET}
    assert [state.unknown_because for state in counts.services()] == ["nft failed: -11"]


WATCHED = desired(
    reading(service(80), service(90), instances=(instance("192.0.2.10"),)), Declared(), Options()
)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("pre -d 192.0.2.10 -p tcp --dport 80 MARK 80", True),
        ("pre -d 192.0.2.10 -p tcp --dport 80 MARK 80\npre -p tcp MARK 9", False),
        ("pre -d 192.0.2.10 -p tcp --dport 80 MARK 80\nin -p tcp -j DROP", False),
        ("pre -p tcp -j MARK --set-xmark 0x40/0x40\npre -j MARK --set-xmark 0x10/0x10", True),
        ("mangle OUTPUT MARK 80", False),
        ("pre -m mark --mark 0x10 MARK 80", False),
        ("pre -m time --timestart 10:00 MARK 80", None),
        # A default that later rules put right for most.
        ("pre -d 192.0.2.10 -p tcp MARK 90\npre -d 192.0.2.10 -p tcp --dport 80 MARK 80", True),
    ],
)
def test_a_service_that_nobody_declared_is_covered_by_what_comes_with_its_mark(
    text: str, state: bool | None
) -> None:
    assert covered(WATCHED, seen(text))[key(80)] is state


def test_of_a_mark_that_is_set_and_taken_away_both_rules_are_named() -> None:
    text = "pre -p tcp --dport 80 MARK 80\npre -p tcp MARK 90"
    [bare] = [
        f
        for f in judge(WATCHED, seen(text)).findings
        if (f.kind, f.service) == (Kind.UNCOVERED, key(80))
    ]
    assert "no rule sets it" not in bare.fact
    assert "--dport 80" in bare.fact
    assert "--set-xmark 0x5a" in bare.fact or "--set-mark 90" in bare.fact


def test_what_did_not_change_is_not_followed_anew() -> None:
    outlooks = Outlooks()
    first = outlooks.of(DECLARED, seen(OURS).ruleset, HOST)
    assert outlooks.of(DECLARED, seen(OURS).ruleset, HOST) is first
    changed = outlooks.of(DECLARED, seen(OURS + "pre MARK 9").ruleset, HOST)
    assert changed is not first
    assert changed.covered(key(80)) is False
    assert outlooks.of(DECLARED, seen(OURS).ruleset, TWO) is not first


def test_ipv6_is_judged_by_its_own_rules() -> None:
    wish = want(declare(80, flow("2001:db8::10", 80)))
    host = HostView(frozenset({"eth0"}), (ip_network("2001:db8::10/128"),))
    rules = saved("pre -d 2001:db8::10 MARK 80", family="ip6")
    assert covered(wish, seen("pre MARK 9", host, rules))[key(80, "inet6")] is True
