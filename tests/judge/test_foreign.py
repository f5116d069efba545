"""Foreign rules, judged: what they undo, refuse, mark in vain, and what was probably meant."""

from ipaddress import ip_network

import pytest

from lvsmarkd.declarations.resolve import resolve
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.drift import History
from lvsmarkd.judge.foreign import near_miss
from lvsmarkd.judge.judgement import covered, judge
from lvsmarkd.model.declaration import Declaration, Declared, Ports
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.rule import Accept, ChainKey, Hook, Plane, SetMark
from lvsmarkd.model.rule_spec import MarkTest, SetConnmark, SetsUnknownMark
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Drop, ForeignEffect, ForeignRule, LeavesTable, Side, Snapshot
from lvsmarkd.model.unknown import Unknown
from tests.harness.paper import PaperFirewall
from tests.harness.values import HERE, declare, flow, instance, key, packets, reading, service, want

WEB = want(declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443)))
VIP = Packets(destination=ip_network("192.0.2.10/32"))
PORTS = (PortRange(80, 80), PortRange(443, 443))


def rule(
    effect: ForeignEffect,
    *path: Packets,
    side: Side = Side.AFTER,
    hook: Hook = Hook.PREROUTING,
    narrowed: bool = False,
    guards: tuple[MarkTest, ...] = (),
    later: bool = False,
) -> ForeignRule:
    chain_key = ChainKey(Plane.RUNTIME, Family.INET, hook)
    return ForeignRule(
        chain_key, side, effect, path, "table t, chain c", "-A c …", narrowed, guards, later
    )


def found(
    wish: Desired, *foreign: ForeignRule, at_end: bool = False, refusing: bool = False, kind: Kind
) -> list[Finding]:
    paper = PaperFirewall()
    paper.apply(judge(wish, paper.read()))
    seen = Snapshot(
        paper.chains,
        foreign,
        frozenset(Family) if refusing else frozenset(),
        limits=Limits(jump_at_end=at_end),
    )
    plan = judge(wish, seen)
    assert all(step.chain_key.hook is Hook.PREROUTING for step in plan.steps)
    return [finding for finding in plan.findings if finding.kind is kind]


@pytest.mark.parametrize(
    ("foreign", "severity"),
    [
        (rule(SetMark(1), VIP), Severity.CRITICAL),
        (rule(SetMark(1)), Severity.CRITICAL),
        (rule(SetMark(1), Packets(protocol=6)), Severity.CRITICAL),
        (rule(SetMark(0x1000, 0xF000), VIP), Severity.CRITICAL),
        (rule(SetMark(1), VIP, narrowed=True), Severity.WARNING),
        (rule(SetMark(1), packets(in_interface="eth3")), Severity.WARNING),
        (rule(SetsUnknownMark("CONNMARK --restore-mark", restores=True)), Severity.CRITICAL),
        (rule(SetMark(7), VIP, later=True), Severity.CRITICAL),
        (rule(SetMark(7), VIP, guards=(MarkTest(80, 0xFFFFFFFF),)), Severity.CRITICAL),
        (rule(SetMark(7), VIP, narrowed=True, guards=(MarkTest(80, 0xFF),)), Severity.WARNING),
        (rule(Drop(), VIP), Severity.WARNING),
    ],
)
def test_a_later_writer_of_another_mark_is_a_conflict(
    foreign: ForeignRule, severity: Severity
) -> None:
    [conflict] = found(WEB, foreign, kind=Kind.CONFLICT)
    assert conflict.severity is severity
    assert conflict.service == key(80)
    assert foreign.where in conflict.message
    passable = not (foreign.later or isinstance(foreign.effect, Drop))
    assert ('position = "last"' in conflict.message) is passable


@pytest.mark.parametrize(
    "foreign",
    [
        rule(SetMark(80), VIP),
        rule(SetMark(80, 0xFF), VIP),
        rule(SetMark(1), VIP, side=Side.BEFORE),
        rule(SetMark(1), Packets(destination=ip_network("192.0.2.11/32"))),
        rule(SetMark(1), VIP, Packets(protocol=17)),
        rule(SetMark(1), guards=(MarkTest(0, 0xFFFFFFFF),)),
        rule(LeavesTable()),
        rule(Drop(), Packets(destination=ip_network("192.0.2.11/32"))),
    ],
)
def test_what_changes_no_mark_of_ours_is_no_conflict(foreign: ForeignRule) -> None:
    assert found(WEB, foreign, kind=Kind.CONFLICT) == []


def test_at_the_end_of_the_hook_only_a_way_out_ahead_harms() -> None:
    [conflict] = found(
        WEB, rule(LeavesTable(), VIP, side=Side.BEFORE), at_end=True, kind=Kind.CONFLICT
    )
    assert "leave the table" in conflict.message
    assert (
        found(WEB, rule(SetMark(1), VIP, side=Side.BEFORE), at_end=True, kind=Kind.CONFLICT) == []
    )


INPUT = Hook.INPUT


@pytest.mark.parametrize(
    ("foreign", "refusing", "expected"),
    [
        ([], True, 2),
        ([], False, 0),
        ([rule(Drop(), hook=INPUT)], False, 2),
        ([rule(Drop(), hook=INPUT, narrowed=True)], False, 0),
        ([rule(Accept(), Packets(protocol=6), hook=INPUT), rule(Drop(), hook=INPUT)], False, 0),
        ([rule(Accept(), Packets(protocol=17), hook=INPUT)], True, 2),
        ([rule(Accept(), hook=INPUT, narrowed=True)], True, 0),
        ([rule(LeavesTable(), hook=INPUT), rule(Accept(), hook=INPUT)], True, 2),
    ],
)
def test_a_flow_that_input_refuses_for_certain_is_unaccepted(
    foreign: list[ForeignRule],
    refusing: bool,
    expected: int,
) -> None:
    assert len(found(WEB, *foreign, refusing=refusing, kind=Kind.UNACCEPTED)) == expected


def test_accept_makes_it_accepted_unless_somebody_refuses_it_first() -> None:
    wish = want(declare(80, flow("192.0.2.10", 80), accept=True))
    assert found(wish, refusing=True, kind=Kind.UNACCEPTED) == []
    ahead = rule(Drop(), VIP, hook=INPUT, side=Side.BEFORE)
    [finding] = found(wish, ahead, kind=Kind.UNACCEPTED)
    assert ahead.text in finding.message


def undeclared(*marks: int) -> Desired:
    return desired(
        reading(*(service(m) for m in marks), instances=(instance("192.0.2.10"),)),
        Declared(),
        Options(),
    )


def test_a_foreign_rule_that_sets_the_mark_satisfies_an_undeclared_service() -> None:
    wish = undeclared(80)
    assert found(wish, rule(SetMark(80), VIP), kind=Kind.UNCOVERED) == []
    seen = Snapshot(PaperFirewall().chains, (rule(SetMark(80), VIP),))
    assert covered(wish, seen) == {key(80): True}


def test_an_uncovered_service_comes_with_a_declaration_to_paste() -> None:
    [finding] = found(undeclared(80), kind=Kind.UNCOVERED)
    assert finding.severity is Severity.CRITICAL
    assert finding.detail == "# lvsmarkd: fwmark 80 to 192.0.2.10 tcp 80"


def test_a_service_declared_by_the_name_of_an_instance_without_its_family_says_so() -> None:
    by_name = Declaration(80, ("VI_1",), (Ports(Transport.TCP, PortRange(80, 80)),), HERE)
    vi = instance("192.0.2.10")
    web = (service(80), service(80, "inet6"))
    declared = resolve((by_name,), (vi,), {each.key for each in web})
    wish = desired(reading(*web, instances=(vi,)), declared, Options())

    [finding] = found(wish, kind=Kind.UNCOVERED)
    assert finding.service == key(80, "inet6")
    assert "keepalived has no inet6 address for VI_1, by which it is declared" in finding.message
    assert "virtual_ipaddress_excluded" in finding.message
    assert (finding.severity, finding.origins) == (Severity.CRITICAL, (HERE,))


def test_a_firewall_that_could_not_be_read_raises_no_false_alarm() -> None:
    wish = undeclared(80)
    blind = Snapshot(
        {chain_key: Unknown("the bus is dead") for chain_key in PaperFirewall().chains}
    )
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
    foreign = [
        rule(SetMark(9), VIP),
        rule(SetMark(9)),
        rule(SetMark(0x4000, 0x4000)),
        rule(SetMark(0)),
    ]
    [orphan] = found(WEB, *foreign, kind=Kind.ORPHAN)
    assert "sets mark 9" in orphan.message


def test_a_hint_follows_the_packets_that_the_rule_marks() -> None:
    wish = undeclared(25)
    both = desired(
        reading(service(25), service(80)),
        Declared(declare(80, flow("192.0.2.10", 443))),
        Options(),
    )
    [orphan] = found(both, rule(SetMark(128), VIP), kind=Kind.ORPHAN)
    assert "write --set-mark 80" in orphan.message
    elsewhere = Packets(destination=ip_network("192.0.2.99/32"))
    [orphan] = found(wish, rule(SetMark(1), elsewhere), kind=Kind.ORPHAN)
    assert "keepalived uses mark 25" in orphan.message
    [orphan] = found(WEB, rule(SetMark(9), elsewhere), kind=Kind.ORPHAN)
    assert orphan.severity is Severity.NOTE


OURS = History(ours=lambda _spot: True)
BARE = desired(reading(service(80)), Declared(), Options())


@pytest.mark.parametrize(
    ("foreign", "watched"),
    [
        ([rule(SetMark(80), VIP)], True),
        ([rule(SetMark(80), VIP, narrowed=True)], True),
        ([rule(LeavesTable()), rule(SetMark(80), VIP)], False),
        ([rule(LeavesTable(), VIP), rule(SetMark(80), VIP, Packets(protocol=6))], False),
        ([rule(LeavesTable(), narrowed=True), rule(SetMark(80), VIP)], True),
        ([rule(SetMark(80), VIP), rule(SetMark(99))], False),
        ([rule(SetMark(80), VIP), rule(SetMark(99), VIP, Packets(protocol=17))], True),
        ([rule(SetMark(80), VIP), rule(SetMark(80, 0xFF))], True),
        ([rule(SetConnmark(80), VIP)], False),
        (
            [
                rule(SetConnmark(80), VIP),
                rule(SetsUnknownMark("CONNMARK --restore-mark", restores=True)),
            ],
            True,
        ),
        ([rule(SetMark(80), VIP, later=True)], True),
    ],
)
def test_a_service_is_watched_where_a_foreign_mark_is_not_in_vain(
    foreign: list[ForeignRule], watched: bool
) -> None:
    seen = Snapshot(PaperFirewall().chains, tuple(foreign))
    assert covered(BARE, seen) == {key(80): watched}


@pytest.mark.parametrize(
    ("foreign", "state"),
    [
        ([rule(LeavesTable(), side=Side.BEFORE)], False),
        ([rule(LeavesTable(), side=Side.BEFORE, narrowed=True)], True),
        ([rule(SetMark(7), VIP)], False),
        ([rule(SetMark(7), VIP, later=True)], False),
        # A guard says nothing where somebody may have set a mark before it.
        (
            [
                rule(SetMark(5), side=Side.BEFORE),
                rule(LeavesTable(), side=Side.BEFORE, guards=(MarkTest(5, 0xFF),)),
            ],
            True,
        ),
    ],
)
def test_covered_is_what_packets_bear_at_the_end(foreign: list[ForeignRule], state: bool) -> None:
    paper = PaperFirewall()
    paper.apply(judge(WEB, paper.read()))
    assert covered(WEB, Snapshot(paper.chains, tuple(foreign))) == {key(80): state}


def test_a_guard_ahead_is_passed_where_a_mark_may_have_been_set_before_it() -> None:
    leave = rule(LeavesTable(), side=Side.BEFORE, guards=(MarkTest(5, 0xFF),))
    paper = PaperFirewall()
    paper.apply(judge(WEB, paper.read()))

    alone = judge(WEB, Snapshot(paper.chains, (leave,)))
    marked = judge(WEB, Snapshot(paper.chains, (rule(SetMark(5), side=Side.BEFORE), leave)))

    assert [f.kind for f in alone.findings] == []
    assert Kind.ALTERED in [f.kind for f in marked.findings]


def test_a_chain_of_somebody_elses_that_bears_our_name_is_left_alone() -> None:
    chain_key = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
    paper = PaperFirewall()
    paper.damage(
        chain_key, exists=True, unknown_rules=("-s 10.0.0.1/32 -j MARK --set-xmark 0x5/0xffffffff",)
    )

    plan = judge(WEB, paper.read())
    known = judge(WEB, paper.read(), history=OURS)

    assert [step for step in plan.steps if step.chain_key == chain_key] == []
    assert "give that chain another name" in plan.findings[0].message
    assert [step for step in known.steps if step.chain_key == chain_key]


MARKS = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
WHOLE = rule(SetMark(80), VIP, Packets(protocol=6))


@pytest.mark.parametrize(
    ("foreign", "state"),
    [
        ([WHOLE], True),
        ([rule(SetMark(80))], True),
        ([rule(SetMark(80), VIP, Packets(protocol=6, ports=(p,))) for p in PORTS], True),
        ([rule(SetMark(80), VIP, Packets(protocol=6, ports=PORTS[:1]))], False),
        ([rule(SetMark(80), VIP, narrowed=True)], False),
        ([rule(SetMark(80, 0xFF), VIP)], False),
        ([rule(SetMark(81), VIP)], False),
        (
            [
                rule(SetConnmark(80), VIP),
                rule(SetsUnknownMark("CONNMARK --restore-mark", restores=True)),
            ],
            False,
        ),
        ([rule(LeavesTable()), WHOLE], False),
        ([WHOLE, rule(LeavesTable())], True),
        ([rule(Drop(), VIP), WHOLE], False),
        ([WHOLE, rule(SetMark(7))], False),
        ([WHOLE, rule(SetMark(7), later=True)], False),
        ([WHOLE, rule(SetsUnknownMark("CONNMARK --restore-mark", restores=True))], False),
        ([WHOLE, rule(SetMark(80, 0xFF))], True),
        ([rule(SetMark(7)), WHOLE], True),
        # As with rules of our own, only what is certain counts.
        ([WHOLE, rule(SetMark(7), narrowed=True)], True),
        ([rule(SetMark(80), VIP, guards=(MarkTest(0, 0xFFFFFFFF),))], True),
        ([rule(SetMark(5)), rule(SetMark(80), VIP, guards=(MarkTest(0, 0xFF),))], False),
        (
            [
                rule(SetMark(5), narrowed=True),
                rule(SetMark(80), VIP, guards=(MarkTest(0, 0xFF),)),
            ],
            False,
        ),
    ],
)
def test_others_who_mark_all_that_is_declared_stand_in_for_rules_to_come(
    foreign: list[ForeignRule], state: bool
) -> None:
    seen = Snapshot(PaperFirewall().chains, tuple(foreign))
    assert covered(WEB, seen) == {key(80): state}
    missing = [f for f in judge(WEB, seen).findings if f.kind is Kind.MISSING]
    assert len(missing) == 2  # the rule, and the jump
    assert {f.severity is Severity.WARNING for f in missing} == {state}
    assert ("which can go once ours is there" in missing[0].message) is state
    assert judge(WEB, seen).steps == judge(WEB, PaperFirewall().read()).steps


def test_a_rule_of_ours_that_still_gives_another_mark_is_not_stood_in_for() -> None:
    (old,) = want(declare(90, flow("192.0.2.10", 80))).rules
    paper = PaperFirewall()
    paper.damage(MARKS, exists=True, jumps=1, rules=(old,))
    assert covered(WEB, Snapshot(paper.chains, (WHOLE,))) == {key(80): False}


def test_where_one_service_is_stood_in_for_and_another_is_not_the_jump_is_critical() -> None:
    both = want(declare(80, flow("192.0.2.10", 80)), declare(25, flow("192.0.2.10", 25)))
    seen = Snapshot(
        PaperFirewall().chains, (rule(SetMark(80), VIP, Packets(protocol=6, ports=PORTS)),)
    )
    assert covered(both, seen) == {key(80): True, key(25): False}
    missing = [f for f in judge(both, seen).findings if f.kind is Kind.MISSING]
    assert {(f.service, f.severity) for f in missing} == {
        (key(80), Severity.WARNING),
        (key(25), Severity.CRITICAL),
        (None, Severity.CRITICAL),
    }
