"""What one pass leaves to the next: values in, values out."""

from copy import deepcopy

import pytest
from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied
from lvsmarkd.declarations.tables import Placement
from lvsmarkd.model.firewall import NO_FIREWALL, FirewallIdentity, Program
from lvsmarkd.model.plan import AddRule, EnsureJump, Owned, Part, RemoveRule, ReplaceChain
from lvsmarkd.model.report import Cause, Fight, Mode
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.model.wake import Actor
from lvsmarkd.reconcile.decision import Facts, conclude, decide
from lvsmarkd.reconcile.record import FIGHT_WINDOW, REJECTED_DELAYS
from lvsmarkd.reconcile.state import Home, State
from tests.harness.values import declare, flow, want

NOW = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
THEN = replace(NOW, plane=Plane.PERMANENT)
WEB = want(declare(80, flow("192.0.2.10", 80)))
BOTH = want({**declare(80, flow("192.0.2.10", 80)), **declare(25, flow("192.0.2.10", 25))})
[RULE] = WEB.rules
[MAIL] = BOTH.rules - WEB.rules
NFT = FirewallIdentity(Program.IPTABLES, "nft", "1")
FULL = Snapshot({NOW: Chain(exists=True, jumps=1, rules=(RULE,))}, firewall=NFT)
BARE = Snapshot({NOW: Chain(exists=True, jumps=1)}, firewall=NFT)
UNREAD = Snapshot({NOW: Unknown("busy")}, firewall=NFT)
NONE = Snapshot({NOW: Unknown("there is no firewall to ask")})
HOME = Home(NFT, Placement.POLICY, (), False)
VANDAL = Actor(4711, "iptables")
ADD = AddRule(NOW, RULE)


def settled() -> State:
    """After a pass that left the rule in force."""
    return State().looked(WEB, FULL, 100.0).ended(WEB, FULL, 100.0)


def test_before_the_first_pass_has_ended_nobody_is_blamed() -> None:
    assert State().looked(WEB, BARE, 100.0).cause(ADD, WEB) is Cause.CONFIG
    assert settled().cause(ADD, WEB) is Cause.DRIFT
    assert settled().cause(AddRule(NOW, MAIL), BOTH) is Cause.CONFIG


def test_what_is_wanted_and_undone_stays_drift_for_as_long_as_it_is_not_mended() -> None:
    state = settled()
    for now in (101.0, 102.0):
        state = state.looked(WEB, BARE, now).ended(WEB, BARE, now)
        assert state.cause(ADD, WEB) is Cause.DRIFT


def test_what_cannot_be_read_is_as_it_was() -> None:
    """Neither gone, so that somebody put it back, nor new."""
    nothing = want({})
    state = settled().looked(nothing, FULL, 101.0).ended(nothing, FULL, 101.0)
    state = state.looked(nothing, UNREAD, 103.0).ended(nothing, UNREAD, 103.0)
    assert state.cause(RemoveRule(NOW, RULE), nothing) is Cause.CONFIG
    assert not state.looked(nothing, FULL, 106.0).history(106.0, 5.0).lingers(RULE)


def test_a_rule_lingers_from_when_it_served_nothing_wherever_it_is_then() -> None:
    nothing = want({})
    state = settled().looked(nothing, FULL, 101.0)
    moved = Snapshot({NOW: Chain(), THEN: Chain(exists=True, jumps=1, rules=(RULE,))})
    state = state.looked(nothing, moved, 104.0)
    assert state.history(105.9, 5.0).lingers(RULE)
    assert not state.history(106.0, 5.0).lingers(RULE)
    assert state.next_due(104.0, 5.0) == 106.0
    assert not state.looked(WEB, moved, 105.0).history(105.0, 5.0).lingers(RULE)


def test_a_refused_rule_is_held_back_in_the_chain_where_it_was_refused() -> None:
    state = State().tried([ADD], [(RULE, "no")], 100.0, whole=True)
    assert state.rejected() == ((RULE, "no"),)
    later = AddRule(THEN, RULE)
    anew = ReplaceChain(NOW, (RULE, MAIL))
    assert list(state.allowed([ADD, later, anew], 101.0)) == [later, replace(anew, rules=(MAIL,))]
    due = state.next_due(100.0, 0.0)
    assert due == 100.0 + REJECTED_DELAYS[0]
    assert list(state.allowed([ADD, anew], due)) == [ADD, anew]
    again = state.tried([ADD], [(RULE, "still no")], due, whole=True)
    assert again.next_due(due, 0.0) == due + REJECTED_DELAYS[1]
    assert again.rejected() == ((RULE, "still no"),)


def test_only_what_was_tried_or_seen_or_given_up_is_released() -> None:
    state = State().tried([ADD], [(RULE, "no")], 100.0, whole=True)
    other = AddRule(NOW, MAIL)
    assert state.tried([other], [], 101.0, whole=True).rejected()
    assert state.tried([ADD], [], 101.0, whole=False).rejected()
    assert not state.tried([ADD], [], 101.0, whole=True).rejected()
    assert state.looked(WEB, BARE, 101.0).rejected()
    assert not state.looked(WEB, FULL, 101.0).rejected()
    assert not state.looked(want({}), BARE, 101.0).rejected()


def test_a_fight_begins_with_the_third_repair_and_ends_when_nothing_is_undone() -> None:
    owned, state = Owned(NOW, RULE), settled()
    for now in (101.0, 102.0):
        state = state.repaired([owned], now, ())
    assert state.fights() == ()
    state = state.repaired([owned], 103.0, (VANDAL,))
    assert state.fights() == (Fight((owned,), 3, (VANDAL,)),)
    assert list(state.allowed([ADD, RemoveRule(NOW, RULE)], 103.0)) == [ADD, RemoveRule(NOW, RULE)]
    over = 103.0 + FIGHT_WINDOW
    assert state.ended(WEB, FULL, over).fights()
    assert not state.ended(WEB, FULL, over + 1).fights()


def test_all_that_the_same_programs_undo_is_one_fight() -> None:
    state, things = settled(), [Owned(NOW, RULE), Owned(NOW, Part.JUMP)]
    for now in (101.0, 102.0, 103.0):
        state = state.repaired(things, now, (VANDAL,))
    state = state.repaired(things[:1], 104.0, (VANDAL,))
    assert state.fights() == (Fight(tuple(things), 4, (VANDAL,)),)


@pytest.mark.parametrize(
    "other",
    [
        replace(HOME, zones=("public",)),
        replace(HOME, placement=Placement.ZONE),
        replace(HOME, firewall=FirewallIdentity(Program.IPTABLES, "legacy", "1")),
    ],
)
def test_where_rules_are_kept_elsewhere_nothing_is_known(other: Home) -> None:
    state = settled().at(HOME)
    assert state.at(HOME) == state
    assert state.at(other) == State(home=other)


def test_while_no_firewall_can_be_asked_nothing_is_forgotten_and_nobody_is_blamed_later() -> None:
    nothing = want({})
    state = settled().at(HOME).looked(nothing, FULL, 101.0).ended(nothing, FULL, 101.0)
    for _ in range(3):
        state = state.repaired([Owned(NOW, RULE)], 101.0, ())
    state = state.tried([AddRule(NOW, MAIL)], [(MAIL, "no")], 101.0, whole=True)
    gone = state.at(replace(HOME, firewall=NO_FIREWALL))
    gone = gone.looked(BOTH, NONE, 102.0).ended(BOTH, NONE, 102.0)
    back = gone.at(HOME)
    assert back.home == HOME
    assert back.rejected() == ((MAIL, "no"),)
    assert len(back.fights()) == 1
    assert back.cause(ADD, WEB) is Cause.CONFIG
    again = back.looked(WEB, FULL, 104.0).ended(WEB, FULL, 104.0)
    assert again.cause(ADD, WEB) is Cause.DRIFT
    other = replace(HOME, firewall=FirewallIdentity(Program.FIREWALLD))
    assert gone.at(other) == State(home=other)


def test_another_place_of_the_jump_is_nobodys_doing_and_the_rules_are_known_still() -> None:
    state = settled().at(HOME)
    jump = EnsureJump(NOW)
    assert state.cause(jump, WEB) is Cause.DRIFT
    moved = state.at(replace(HOME, jump_at_end=True))
    assert moved.cause(jump, WEB) is Cause.CONFIG
    assert moved.cause(ADD, WEB) is Cause.DRIFT


def test_no_record_is_kept_of_what_nobody_wants_and_is_not_there() -> None:
    nothing, none = want({}), Snapshot({NOW: Chain()})
    state = settled().repaired([Owned(NOW, Part.CHAIN)], 100.0, ())
    later = 101.0 + FIGHT_WINDOW
    assert state.looked(nothing, none, later).ended(nothing, none, later).records == {}


def test_a_decision_changes_nothing_that_it_is_given() -> None:
    state = settled()
    facts = Facts(BOTH, BARE, 101.0)
    before = deepcopy(state)
    decision = decide(state, facts)
    assert decision == decide(state, facts)
    assert {type(step) for step in decision.steps} == {AddRule}
    conclude(decision, facts, Applied(((MAIL, "no"),)), FULL, (VANDAL,))
    assert state == before


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.PAUSED])
def test_what_must_not_be_written_is_found_all_the_same(mode: Mode) -> None:
    decision = decide(settled(), Facts(WEB, BARE, 101.0, mode))
    assert decision.found.steps == (ADD,)
    assert decision.steps == ()


def test_what_was_carried_out_and_does_not_hold_is_no_repair_and_counts_as_undone() -> None:
    facts = Facts(WEB, BARE, 101.0)
    decision = decide(settled(), facts)
    held = conclude(decision, facts, Applied(), FULL, (VANDAL,))
    assert [repair.cause for repair in held.repairs] == [Cause.DRIFT]
    undone = conclude(decision, facts, Applied(), BARE, (VANDAL,))
    assert undone.repairs == ()
    for outcome in (held, undone):
        record = outcome.state.record(Owned(NOW, RULE)).undone
        assert record is not None
        assert (record.times, record.by) == (1, (VANDAL,))
    moved = replace(FULL, firewall=FirewallIdentity(Program.FIREWALLD))
    unseen = conclude(decision, facts, Applied(), moved, (VANDAL,))
    assert unseen.repairs == ()
    assert unseen.state.record(Owned(NOW, RULE)).undone is None
