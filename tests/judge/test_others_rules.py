"""Rules of others, judged: what they undo, refuse, mark in vain, and what was probably meant."""

from typing import Any

import pytest

from lvsmarkd.declarations.resolve import resolve
from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.orphans import near_miss
from lvsmarkd.model.declaration import Declaration, Declared, Ports
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.host import HostView
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.rule import Hook, Plane
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from tests.harness.paper import CHAIN_KEYS, PaperFirewall
from tests.harness.rulesets import saved
from tests.harness.values import HERE, declare, flow, instance, key, reading, service, want
from tests.harness.whole import whole

WEB = want(declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443)))
VIP = "pre -d 192.0.2.10 "
LAST = Limits(jump_at_end=True)
UP = HostView(frozenset({"eth0", "eth3"}))


def settled(wish: Desired, ahead: str = "", behind: str = "", **more: Any) -> Snapshot:  # noqa: ANN401 - a snapshot's values
    """A firewall that has all that must hold, among rules of others."""
    paper = PaperFirewall()
    paper.apply(judge(wish, paper.read()))
    return whole(paper.chains, ahead, behind, **more)


def found(
    wish: Desired,
    kind: Kind,
    ahead: str = "",
    behind: str = "",
    **more: Any,  # noqa: ANN401 - a snapshot's values
) -> list[Finding]:
    plan = judge(wish, settled(wish, ahead, behind, **more))
    assert all(step.chain_key.hook is Hook.PREROUTING for step in plan.steps)
    return [finding for finding in plan.findings if finding.kind is kind]


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        (VIP + "MARK 1", Severity.CRITICAL),
        ("pre MARK 1", Severity.CRITICAL),
        ("pre -p tcp MARK 1", Severity.CRITICAL),
        (VIP + "-j MARK --set-xmark 0x1000/0xf000", Severity.CRITICAL),
        # By one interface of several.
        ("pre -i eth3 MARK 1", Severity.WARNING),
        ("pre -j CONNMARK --restore-mark", Severity.CRITICAL),
        ("mangle INPUT -d 192.0.2.10 MARK 7", Severity.CRITICAL),
        (VIP + "-m mark --mark 80 MARK 7", Severity.CRITICAL),
        (VIP + "-j DROP", Severity.CRITICAL),
    ],
)
def test_what_takes_packets_or_their_mark_is_a_conflict(rule: str, severity: Severity) -> None:
    [conflict] = found(WEB, Kind.CONFLICT, behind=rule, host=UP)
    assert conflict.severity is severity
    assert conflict.service == key(80)
    assert "table mangle, chain " in conflict.message
    passable = "INPUT" not in rule and "DROP" not in rule
    assert ('position = "last"' in conflict.message) is passable


@pytest.mark.parametrize(
    "rule",
    [
        VIP + "MARK 80",
        VIP + "-j MARK --set-xmark 0x50/0xff",
        "pre -d 192.0.2.11 MARK 1",
        VIP + "-p udp MARK 1",
        "pre -m mark --mark 0 MARK 1",
        "pre -j ACCEPT",
        "pre -d 192.0.2.11 -j DROP",
        # What an operator does on purpose to some senders.
        VIP + "-s 203.0.113.0/24 MARK 1",
    ],
)
def test_what_changes_no_mark_of_ours_is_no_conflict(rule: str) -> None:
    assert found(WEB, Kind.CONFLICT, behind=rule) == []
    assert covered(WEB, settled(WEB, behind=rule)) == {key(80): True}


def test_a_mark_of_others_ahead_of_ours_is_no_conflict() -> None:
    assert found(WEB, Kind.CONFLICT, ahead=VIP + "MARK 1") == []


@pytest.mark.parametrize("rule", [VIP + "-m time MARK 1", VIP + "-m time -m mark --mark 80 MARK 7"])
def test_what_may_change_a_mark_is_told_as_unknown(rule: str) -> None:
    assert found(WEB, Kind.CONFLICT, behind=rule) == []
    assert "-m time" in found(WEB, Kind.UNKNOWN, behind=rule)[0].message
    assert covered(WEB, settled(WEB, behind=rule)) == {key(80): None}


def test_at_the_end_of_the_hook_only_a_way_out_ahead_harms() -> None:
    [conflict] = found(WEB, Kind.CONFLICT, ahead=VIP + "-j ACCEPT", limits=LAST)
    assert "keeps packets of 192.0.2.10 tcp 80 from the rules that set mark 80" in conflict.message
    assert found(WEB, Kind.CONFLICT, ahead=VIP + "MARK 1", limits=LAST) == []


DROPS = "filter :INPUT DROP\n"


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        (DROPS, True),
        ("", False),
        ("in -j DROP", True),
        ("in -s 203.0.113.0/24 -j DROP", False),
        ("in -p tcp -j ACCEPT\nin -j DROP", False),
        (DROPS + "in -p udp -j ACCEPT", True),
        # Some senders are let in, an ordinary client is not.
        (DROPS + "in -s 203.0.113.0/24 -j ACCEPT", True),
        (DROPS + "in -j RETURN\nin -j ACCEPT", True),
    ],
)
def test_a_flow_that_input_refuses_is_unaccepted(rules: str, refused: bool) -> None:
    assert bool(found(WEB, Kind.UNACCEPTED, behind=rules)) is refused
    assert covered(WEB, settled(WEB, behind=rules)) == {key(80): not refused}


def test_accept_makes_it_accepted_unless_somebody_refuses_it_first() -> None:
    wish = want(declare(80, flow("192.0.2.10", 80), accept=True))
    assert found(wish, Kind.UNACCEPTED, behind=DROPS) == []
    [finding] = found(wish, Kind.UNACCEPTED, ahead="in -d 192.0.2.10 -j DROP")
    assert "-d 192.0.2.10 -j DROP" in finding.message


def undeclared(*marks: int) -> Desired:
    return desired(
        reading(*(service(m) for m in marks), instances=(instance("192.0.2.10"),)),
        Declared(),
        Options(),
    )


def test_a_rule_of_others_that_sets_the_mark_satisfies_an_undeclared_service() -> None:
    wish = undeclared(80)
    assert found(wish, Kind.UNCOVERED, behind=VIP + "MARK 80") == []
    assert covered(wish, settled(wish, behind=VIP + "MARK 80")) == {key(80): True}


def test_an_uncovered_service_comes_with_a_declaration_to_paste() -> None:
    [finding] = found(undeclared(80), Kind.UNCOVERED)
    assert finding.severity is Severity.CRITICAL
    assert finding.detail == "# lvsmarkd: fwmark 80 to 192.0.2.10 tcp 80"


def test_a_service_declared_by_the_name_of_an_instance_without_its_family_says_so() -> None:
    by_name = Declaration(80, ("VI_1",), (Ports(Transport.TCP, PortRange(80, 80)),), HERE)
    vi = instance("192.0.2.10")
    web = (service(80), service(80, "inet6"))
    declared = resolve((by_name,), (vi,), {each.key for each in web})
    wish = desired(reading(*web, instances=(vi,)), declared, Options())

    [finding] = found(wish, Kind.UNCOVERED)
    assert finding.service == key(80, "inet6")
    assert "keepalived has no inet6 address for VI_1, by which it is declared" in finding.message
    assert "virtual_ipaddress_excluded" in finding.message
    assert (finding.severity, finding.origins) == (Severity.CRITICAL, (HERE,))


@pytest.mark.parametrize("read", [Snapshot, whole])
def test_a_firewall_that_could_not_be_read_raises_no_false_alarm(read: Any) -> None:  # noqa: ANN401 - two makers
    wish = undeclared(80)
    blind = read(dict.fromkeys(CHAIN_KEYS, Unknown("the bus is dead")))
    assert {f.kind for f in judge(wish, blind).findings} == {Kind.UNKNOWN}
    assert judge(WEB, blind).steps == ()
    assert covered(WEB, blind) == {key(80): None}


@pytest.mark.parametrize(
    ("value", "bare", "hint"),
    [
        (128, [80], "keepalived's 80 is decimal and 0x80 is 128: write --set-mark 80"),
        (50, [80], "50 is 80 written in hexadecimal without 0x: write --set-mark 80"),
        (1, [80], "keepalived uses mark 80: is that the one meant?"),
        (1, [80, 90], ""),
        (1, [], ""),
    ],
)
def test_a_mark_nobody_uses_hints_at_the_one_meant(value: int, bare: list[int], hint: str) -> None:
    assert hint in near_miss(value, bare)
    assert bool(near_miss(value, bare)) == bool(hint)


def test_an_orphan_is_named_once_and_bits_of_others_are_left_alone() -> None:
    rules = "\n".join(
        f"pre {rule}"
        for rule in (
            *("-d 192.0.2.10 MARK 9", "MARK 9", "-j MARK --set-xmark 0x4000/0x4000", "MARK 0"),
            # What no first packet of a client meets.
            *("-i lo MARK 10", "-m conntrack --ctstate ESTABLISHED MARK 11"),
        )
    )
    [orphan] = found(WEB, Kind.ORPHAN, behind=rules)
    assert "sets mark 9" in orphan.message


@pytest.mark.parametrize(
    "rules",
    [
        "mangle OUTPUT MARK 9",
        "mangle INPUT MARK 9",
        "mangle :A -\nmangle :B -\npre -j A\nmangle A -g B\nmangle B MARK 9",
        "raw PREROUTING MARK 9",
    ],
)
def test_an_orphan_is_found_wherever_packets_may_meet_it(rules: str) -> None:
    assert len(found(WEB, Kind.ORPHAN, behind=rules)) == 1


def test_a_chain_that_no_packet_gets_to_holds_no_orphan() -> None:
    assert found(WEB, Kind.ORPHAN, behind="mangle :A -\nmangle A MARK 9") == []
    lost = "mangle :A -\npre -d 192.0.2.1 -j A\nmangle A -d 192.0.2.2 MARK 9"
    assert found(WEB, Kind.ORPHAN, behind=lost) == []


def test_a_rule_of_ours_is_no_orphan_wherever_it_is() -> None:
    (stale,) = want(declare(9, flow("192.0.2.9", 80))).rules
    paper = PaperFirewall()
    paper.damage(MARKS, exists=True, jumps=1, rules=(stale,))
    behind = "pre -d 192.0.2.9 -p tcp -m tcp --dport 80 MARK 9"
    plan = judge(WEB, whole(paper.chains, behind=behind))
    assert Kind.ORPHAN not in {f.kind for f in plan.findings}


def test_a_hint_follows_the_packets_that_the_rule_marks() -> None:
    wish = undeclared(25)
    both = desired(
        reading(service(25), service(80)),
        Declared(declare(80, flow("192.0.2.10", 443))),
        Options(),
    )
    for rules in (VIP + "MARK 128", "mangle :A -\n" + VIP + "-j A\nmangle A MARK 128"):
        [orphan] = found(both, Kind.ORPHAN, behind=rules)
        assert "write --set-mark 80" in orphan.message
    elsewhere = "pre -d 192.0.2.99 "
    [orphan] = found(wish, Kind.ORPHAN, behind=elsewhere + "MARK 1")
    assert "keepalived uses mark 25" in orphan.message
    [orphan] = found(WEB, Kind.ORPHAN, behind=elsewhere + "MARK 9")
    assert orphan.severity is Severity.NOTE


BARE = desired(reading(service(80)), Declared(), Options())


@pytest.mark.parametrize(
    ("rules", "watched"),
    [
        (VIP + "MARK 80", True),
        (VIP + "-m time MARK 80", None),
        ("pre -j ACCEPT\n" + VIP + "MARK 80", False),
        (VIP + "-j ACCEPT\n" + VIP + "-p tcp MARK 80", False),
        ("pre -s 203.0.113.0/24 -j ACCEPT\n" + VIP + "MARK 80", True),
        (VIP + "MARK 80\npre MARK 99", False),
        (VIP + "-p tcp MARK 80\n" + VIP + "-p udp MARK 99", True),
        (VIP + "MARK 80\npre -j MARK --set-xmark 0x50/0xff", True),
        (VIP + "-j CONNMARK --set-mark 80", False),
        (VIP + "-j CONNMARK --set-mark 80\npre -j CONNMARK --restore-mark", True),
        ("mangle INPUT -d 192.0.2.10 MARK 80", True),
    ],
)
def test_a_service_is_watched_where_a_mark_of_others_is_not_in_vain(
    rules: str, watched: bool | None
) -> None:
    assert covered(BARE, whole(PaperFirewall().chains, behind=rules)) == {key(80): watched}


@pytest.mark.parametrize(
    ("ahead", "behind", "state"),
    [
        ("pre -j ACCEPT", "", False),
        ("pre -s 203.0.113.0/24 -j ACCEPT", "", True),
        ("pre -m time -j ACCEPT", "", None),
        ("", VIP + "MARK 7", False),
        ("", "mangle INPUT -d 192.0.2.10 MARK 7", False),
        ("pre MARK 5\npre -m mark --mark 0x5/0xff -j ACCEPT", "", False),
        ("pre -m mark --mark 0x5/0xff -j ACCEPT", "", True),
    ],
)
def test_covered_is_what_packets_bear_at_the_end(
    ahead: str, behind: str, state: bool | None
) -> None:
    assert covered(WEB, settled(WEB, ahead, behind)) == {key(80): state}


MARKS = next(k for k in CHAIN_KEYS if k.hook is Hook.PREROUTING and k.plane is Plane.RUNTIME)


def test_a_rule_of_ours_that_still_gives_another_mark_is_not_stood_in_for() -> None:
    (old,) = want(declare(90, flow("192.0.2.10", 80))).rules
    paper = PaperFirewall()
    paper.damage(MARKS, exists=True, jumps=1, rules=(old,))
    seen = whole(paper.chains, ahead=VIP + "-p tcp MARK 80")
    assert covered(WEB, seen) == {key(80): False}
    # But where somebody has the last word, he has it.
    assert covered(WEB, whole(paper.chains, behind=VIP + "-p tcp MARK 80")) == {key(80): True}


def test_native_tables_and_the_other_variant_hold_orphans_too() -> None:
    other = saved("pre -d 192.0.2.9 MARK 9", family="ip6")
    [orphan] = found(WEB, Kind.ORPHAN, beside=other)
    assert str(orphan.family) == "inet6"
