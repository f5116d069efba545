"""Two planes, and rules that are held by what all chains of a plane share."""

from typing import Any

import pytest
from msgspec.structs import replace

from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.plan import AddRule, EnsureJump, Plan, RemoveChain, RemoveRule, ReplaceChain
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.rule_ref import Keeper, RuleRef
from lvsmarkd.model.ruleset import Lister, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, OwnPlace, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.reconcile.decision import Facts, decide
from lvsmarkd.reconcile.rule_counts import RuleCounts
from lvsmarkd.reconcile.state import State
from tests.harness.rulesets import saved
from tests.harness.values import ONE_PORT, declare, flow, key, packets, reading, service, want
from tests.harness.whole import PLACES, whole

NOW = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
THEN = ChainKey(Plane.PERMANENT, Family.INET, Hook.PREROUTING)
WEB = want(declare(80, flow("192.0.2.10", 80)), policy=Options(limits=ONE_PORT))
(RULE,) = WEB.rules
HOLDER = "firewalld's policy lvsmarkd"
HELD = Chain(exists=True, jumps=1, container=HOLDER)
FULL = replace(HELD, rules=(RULE,))
WATCHED = desired(reading(service(80)), Declared({}), Options(limits=ONE_PORT))


MARKING = "pre -d 192.0.2.10 "
PERMANENT = TableKey(Lister.FIREWALLD, "ip", "mangle")
PLACE = OwnPlace(PERMANENT, "ours", "", Hook.PREROUTING, -150)


def lasting(behind: str = "") -> dict[str, Any]:
    """A permanent configuration with our rules, and others behind them."""
    text = f"mangle :ours -\npre -j ours\n{behind}"
    return {
        "lasting": saved(text, Lister.FIREWALLD),
        "places": {**PLACES, THEN: PLACE},
    }


def kinds(wish: Desired, seen: Snapshot) -> list[tuple[Kind, Plane]]:
    return [(f.kind, f.plane) for f in judge(wish, seen).findings]


def test_each_plane_is_judged_and_mended_by_itself() -> None:
    plan = judge(WEB, whole({NOW: FULL, THEN: HELD}))
    assert plan.steps == (AddRule(THEN, RULE),)
    (missing,) = plan.findings
    assert missing.severity is Severity.WARNING
    assert "in the permanent configuration" in missing.message
    (missing,) = judge(WEB, whole({NOW: HELD, THEN: FULL})).findings
    assert missing.severity is Severity.CRITICAL


LACKING = replace(HELD, incomplete=(RULE,))
NEVER = Notice(NoticeKind.LISTED_ONLY, "reload is never: reload it yourself", own=(RULE,))


def test_a_rule_that_waits_for_a_reload_is_one_finding_with_what_to_do() -> None:
    """It is missing, listed only, and was refused: three words for one thing."""
    seen = whole({NOW: LACKING, THEN: FULL}, notices=(NEVER,))
    (missing,) = judge(WEB, seen).findings
    assert (missing.kind, missing.severity) == (Kind.MISSING, Severity.CRITICAL)
    assert missing.advice == (
        "only a reload of firewalld mends that: reload is never: reload it yourself"
    )
    state = State().tried((AddRule(NOW, RULE),), [(RULE, "reload is never")], 0.0, whole=True)
    told = decide(state, Facts(WEB, seen, 1.0)).found.findings
    assert [finding.key for finding in told] == [missing.key]


def test_a_rule_that_waits_for_a_reload_and_is_not_wanted_is_told_as_such() -> None:
    seen = whole({NOW: HELD, THEN: HELD}, notices=(NEVER,))
    assert kinds(want(), seen) == [(Kind.BROKEN, Plane.RUNTIME)]


def test_a_plan_tells_once_that_packets_are_led_to_what_chains_share() -> None:
    steps = [EnsureJump(replace(NOW, family=family), 0, HOLDER) for family in Family]
    steps.append(EnsureJump(THEN, 0, HOLDER))
    assert str(Plan(steps=tuple(steps))).splitlines() == [
        f"+ runtime: all packets led to {HOLDER}",
        f"+ permanent: all packets led to {HOLDER}",
    ]


def test_what_holds_other_spots_rules_too_is_not_removed_with_the_last_rule() -> None:
    nothing = want(policy=Options(limits=ONE_PORT))
    assert judge(nothing, whole({THEN: HELD})).steps == ()
    (step,) = judge(nothing, whole({THEN: FULL})).steps
    assert step == RemoveChain(THEN, 1, (RULE,), HOLDER)
    assert HOLDER not in str(step)


def test_a_holder_that_does_not_lead_packets_there_is_mended() -> None:
    flawed = replace(FULL, jumps=0, fault="has the target DROP, not CONTINUE")
    plan = judge(WEB, whole({THEN: flawed}))
    assert plan.steps == (EnsureJump(THEN, 0, HOLDER),)
    assert f"{HOLDER} ({THEN.place}) has the target DROP" in plan.findings[0].message
    gone = replace(flawed, exists=False, rules=(), fault="is not there")
    assert [type(step) for step in judge(WEB, whole({THEN: gone})).steps] == [
        ReplaceChain,
        EnsureJump,
    ]


def test_a_rule_in_some_of_its_places_is_not_in_force_and_is_completed() -> None:
    torn = replace(HELD, incomplete=(RULE,))
    plan = judge(WEB, whole({NOW: torn}))
    assert plan.steps == (AddRule(NOW, RULE),)
    assert "not in force everywhere" in plan.findings[0].message
    assert covered(WEB, whole({NOW: torn})) == {key(80): False}


def test_a_rule_in_some_places_that_nobody_wants_is_removed_when_its_time_has_come() -> None:
    stale = Rule(Family.INET, Hook.PREROUTING, packets("192.0.2.9"), SetMark(9), 9)
    torn = replace(FULL, incomplete=(stale,))
    seen = whole({NOW: torn})
    assert judge(WEB, seen).steps == (RemoveRule(NOW, stale),)
    state = State().looked(WEB, seen, 100.0)
    assert judge(WEB, seen, history=state.history(104.0, 5.0)).steps == ()
    assert judge(WEB, seen, history=state.history(105.0, 5.0)).steps == (RemoveRule(NOW, stale),)


def test_a_watched_mark_that_is_only_in_force_now_is_fleeting() -> None:
    both = {NOW: HELD, THEN: HELD}
    now = MARKING + "MARK 80"
    (told,) = (
        f for f in judge(WATCHED, whole(both, behind=now, **lasting())).findings
        if f.kind is Kind.FLEETING
    )  # fmt: skip
    assert told.plane is Plane.PERMANENT
    assert told.paste == "# lvsmarkd: fwmark 80 to 192.0.2.10 tcp udp"
    assert kinds(WATCHED, whole(both, behind=now, **lasting(now))) == []
    # Nothing is said where the permanent plane is not there, or could not be read.
    assert Kind.FLEETING not in {kind for kind, _ in kinds(WATCHED, whole({NOW: HELD}, behind=now))}


def test_a_mark_that_is_not_in_force_is_not_fleeting() -> None:
    found = kinds(WATCHED, whole({NOW: HELD, THEN: HELD}, **lasting()))
    assert Kind.FLEETING not in {kind for kind, _ in found}


def test_what_the_firewall_lists_is_told_in_its_words() -> None:
    seen = whole(
        {NOW: HELD, THEN: HELD},
        behind=MARKING + "MARK 80\n" + MARKING + "-p udp MARK 9",
        listed=saved(MARKING + "MARK 80\n" + MARKING + "-p udp MARK 9", Lister.FIREWALLD),
        **lasting(),
    )
    told = {f.kind: f.rule for f in judge(WATCHED, seen).findings}
    for kind in (Kind.FLEETING, Kind.ORPHAN):
        rule = told[kind]
        assert isinstance(rule, RuleRef)
        assert rule.keeper is Keeper.FIREWALLD


def test_a_mark_that_is_only_permanent_covers_nothing_now() -> None:
    seen = whole({NOW: HELD, THEN: HELD}, **lasting(MARKING + "MARK 80"))
    assert (Kind.UNCOVERED, Plane.RUNTIME) in kinds(WATCHED, seen)
    assert covered(WATCHED, seen) == {key(80): False}


def test_a_conflict_to_come_is_told_and_does_not_uncover() -> None:
    planes = {NOW: FULL, THEN: FULL}
    later = whole(planes, **lasting(MARKING + "MARK 7"))
    assert (Kind.CONFLICT, Plane.PERMANENT) in kinds(WEB, later)
    assert covered(WEB, later) == {key(80): True}
    both = whole(planes, behind=MARKING + "MARK 7", **lasting(MARKING + "MARK 7"))
    assert kinds(WEB, both).count((Kind.CONFLICT, Plane.RUNTIME)) == 1
    assert (Kind.CONFLICT, Plane.PERMANENT) not in kinds(WEB, both)
    assert covered(WEB, both) == {key(80): False}
    (to_come,) = (f for f in judge(WEB, later).findings if f.kind is Kind.CONFLICT)
    assert "position" not in to_come.message
    assert to_come.severity is Severity.CRITICAL


@pytest.mark.parametrize("planes", [{NOW: FULL, THEN: HELD}, {NOW: HELD, THEN: HELD}])
def test_a_conflict_to_come_is_known_before_our_rules_are_written(
    planes: dict[ChainKey, Chain],
) -> None:
    seen = whole(planes, **lasting(MARKING + "MARK 7"))
    assert (Kind.CONFLICT, Plane.PERMANENT) in kinds(WEB, seen)


@pytest.mark.parametrize(
    "rule",
    [
        "-m limit --limit 1/s MARK 7",
        "-s 203.0.113.0/24 MARK 7",
        "-p udp MARK 7",
        "MARK 80",
        "-m mark --mark 5 MARK 7",
    ],
)
def test_what_takes_no_packets_for_certain_is_no_conflict_to_come(rule: str) -> None:
    seen = whole({NOW: FULL, THEN: FULL}, **lasting(MARKING + rule))
    assert Kind.CONFLICT not in {kind for kind, _ in kinds(WEB, seen)}


def test_what_only_the_permanent_configuration_marks_for_nobody_is_told_as_that() -> None:
    seen = whole({NOW: FULL, THEN: FULL}, **lasting("pre -d 192.0.2.99 MARK 9"))
    assert (Kind.ORPHAN, Plane.PERMANENT) in kinds(WEB, seen)
    both = whole({NOW: FULL, THEN: FULL}, behind="pre -d 192.0.2.99 MARK 9",
                 **lasting("pre -d 192.0.2.99 MARK 9"))  # fmt: skip
    assert [k for k in kinds(WEB, both) if k[0] is Kind.ORPHAN] == [(Kind.ORPHAN, Plane.RUNTIME)]


def test_rules_for_a_place_that_is_not_there_are_a_finding() -> None:
    local = want(declare(80, flow("192.0.2.10", 80)), policy=Options(local=True, limits=ONE_PORT))
    plan = judge(local, whole({NOW: FULL, THEN: FULL}))
    assert [(f.kind, f.severity) for f in plan.findings] == [(Kind.REFUSED, Severity.WARNING)]
    own = replace(NOW, hook=Hook.OUTPUT)
    everywhere = judge(local, whole({NOW: FULL, own: replace(FULL, rules=())}))
    assert Kind.REFUSED not in {f.kind for f in everywhere.findings}


def test_only_what_is_in_force_counts_as_present() -> None:
    assert present(HELD, FULL) == {Plane.RUNTIME: 0, Plane.PERMANENT: 1}
    assert present(FULL, HELD) == {Plane.RUNTIME: 1, Plane.PERMANENT: 0}
    assert present(FULL, Unknown("not told")) == {Plane.RUNTIME: 1}


def present(now: Chain, then: Chain | Unknown) -> dict[Plane, int]:
    """How many of the rule are there, in each plane that could be read."""
    counts = RuleCounts(WEB, whole({NOW: now, THEN: then})).present()
    return {plane: families[Family.INET] for plane, families in counts.items()}


def test_a_shared_holder_is_known_to_be_ours_by_a_rule_of_ours() -> None:
    history = State().ended(WEB, whole({NOW: HELD, THEN: FULL}), 100.0).history(100.0, 0.0)
    assert not history.ours(NOW)
    assert history.ours(THEN)
