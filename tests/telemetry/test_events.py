"""What the journal is told from pass to pass: transitions, in sentences, never in floods."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from lvsmarkd.model.finding import SEEN_IN_FIREWALL, Finding, Kind, Severity
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.guard import GuardState
from lvsmarkd.model.plan import Owned, Part
from lvsmarkd.model.report import NO_BACKEND, Fight, Mode, Report
from lvsmarkd.model.rule import ChainKey, Hook, Plane, SetMark
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.model.wake import Actor
from lvsmarkd.telemetry.events import SINGLES, events_of
from lvsmarkd.telemetry.message import Event, Message, Priority
from lvsmarkd.telemetry.transition import Transition, transition, with_last_known
from tests.harness.control import MAIL, WEB, Bench
from tests.harness.paper import gone
from tests.harness.values import key
from tests.telemetry.reports import (
    MARKS,
    QUIET,
    VANDAL,
    between,
    drifting,
    finding,
    left,
    state,
    undone,
    unread,
)

RULE = "192.0.2.10/32 tcp 80,443 mark 80"
BARE = "virtual_server fwmark 7 {\n lb_kind NAT\n real_server 198.51.100.1 80 { }\n}\n"


class Watched:
    """A reconciler over a firewall on paper, and what is told of its passes."""

    def __init__(self, directory: Path) -> None:
        self.bench = Bench(directory)
        self.last: Transition | None = None

    def look(self, *actors: Actor, mode: Mode = Mode.ENFORCE) -> tuple[Message, ...]:
        report = self.bench.look(*actors, mode=mode)
        if report.latency is not None:
            report = replace(report, latency=0.0123)
        self.last = transition(self.last, report)
        return events_of(self.last)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def told_of(before: Report | None, after: Report) -> tuple[Message, ...]:
    return events_of(between(before, after))


def events(messages: tuple[Message, ...]) -> list[Event]:
    return [message.event for message in messages]


def test_the_first_pass_tells_what_it_applied_and_the_next_nothing(watched: Watched) -> None:
    [told] = watched.look()
    assert told.event is Event.APPLIED
    assert told.text == (
        "1 rule added for fwmark 80 inet, as the configuration asks; in force after 12 ms"
    )
    assert told.fields["LVSMARKD_CAUSE"] == "config"
    assert f"+ inet mark runtime: {RULE}" in told.fields["LVSMARKD_PLAN"]
    assert watched.look() == ()


def test_a_repair_is_one_line_with_who_what_and_how_fast(watched: Watched) -> None:
    watched.look()
    watched.bench.paper.damage(MARKS, rules=())
    [told] = watched.look(VANDAL)
    assert told.text == (
        f"fwmark 80 inet: iptables-nft -t mangle -F (pid 4711) removed “{RULE}”;"
        " repaired after 12 ms"
    )
    assert told.priority is Priority.WARNING
    assert told.fields == {
        "LVSMARKD_MARK": "80",
        "LVSMARKD_FAMILY": "inet",
        "LVSMARKD_KIND": "missing",
        "LVSMARKD_PLANE": "runtime",
        "LVSMARKD_TRIGGER": "netlink",
        "LVSMARKD_CAUSE": "drift",
        "LVSMARKD_WANT": RULE,
        "LVSMARKD_LATENCY_MS": "12",
        "LVSMARKD_ACTOR_PID": "4711",
        "LVSMARKD_ACTOR_COMM": "iptables-nft",
        "LVSMARKD_ACTOR_COMMAND": "iptables-nft -t mangle -F",
    }


def test_an_altered_rule_is_told_with_both_readings(watched: Watched) -> None:
    watched.look()
    [rule] = _chain(watched).rules
    watched.bench.paper.damage(MARKS, rules=(replace(rule, action=SetMark(1)),))
    [told] = watched.look()
    assert f"somebody changed “{RULE}” to “192.0.2.10/32 tcp 80,443 mark 1”" in told.text
    assert told.fields["LVSMARKD_KIND"] == "altered"
    assert told.fields["LVSMARKD_HAVE"].endswith("mark 1")


def test_two_undoings_are_told_as_the_two_that_were_seen(watched: Watched) -> None:
    watched.bench.conf.write_text(WEB.replace("tcp 80,443", "tcp 80 udp 443"))
    watched.look()
    gone, doubled = _chain(watched).rules
    watched.bench.paper.damage(MARKS, rules=(doubled, doubled))
    told = watched.look(VANDAL)
    assert [(m.event, m.fields["LVSMARKD_KIND"]) for m in told] == [
        (Event.REPAIRED, "missing"),
        (Event.REPAIRED, "duplicate"),
    ]
    assert f"removed “{gone}”;" in told[0].text
    assert f"put in “{doubled}” once more;" in told[1].text
    assert all("changed" not in m.text for m in told)


def test_what_the_configuration_asks_for_is_nobodys_doing(watched: Watched) -> None:
    watched.bench.toml.write_text("[daemon]\nlinger_seconds = 0\n")
    watched.look()
    [ours] = _chain(watched).rules
    watched.bench.conf.write_text(WEB.replace("tcp 80,443", "tcp 8080"))
    put_in = replace(ours, match=replace(ours.match, protocol=17))
    watched.bench.paper.damage(MARKS, rules=(put_in, ours))
    told = {m.event: m for m in watched.look(VANDAL)}
    assert told[Event.APPLIED].text.startswith("1 rule added, 1 rule removed")
    assert "changed" not in told[Event.REPAIRED].text
    assert f"“{put_in}”" in told[Event.REPAIRED].text


def test_a_rule_of_others_in_our_chain_is_told_as_that(watched: Watched) -> None:
    watched.look()
    watched.bench.paper.damage(MARKS, unknown_rules=("-j LOG; -j ACCEPT",))
    [told] = watched.look(VANDAL)
    assert "(pid 4711) put “-j LOG; -j ACCEPT” into our chain; repaired" in told.text
    assert told.fields["LVSMARKD_HAVE"] == "-j LOG; -j ACCEPT"


def test_what_ends_is_told_whole_whatever_it_quotes(watched: Watched) -> None:
    watched.look()
    comment = '-m comment --comment "web; do not touch" -j LOG'
    watched.bench.paper.damage(MARKS, unknown_rules=(comment,))
    watched.look(mode=Mode.OBSERVE)
    watched.bench.paper.damage(MARKS, unknown_rules=())
    [told] = watched.look(mode=Mode.OBSERVE)
    assert told.event is Event.DRIFT_OVER
    assert comment in told.text


def test_other_words_for_the_same_are_no_news() -> None:
    for kind in Kind:
        one, other = finding(kind, "so it is", "do this", 80), finding(kind, "thus it is", "", 80)
        uncovered = (state(80, covered=False),)
        before, after = (replace(left(f), services=uncovered) for f in (one, other))
        assert told_of(before, after) == (), kind


def test_a_doubled_rule_and_two_programs_of_which_nobody_knows_which(watched: Watched) -> None:
    watched.look()
    watched.bench.paper.damage(MARKS, rules=_chain(watched).rules * 2)
    [told] = watched.look(VANDAL, Actor(4712, "nft"))
    assert "one of iptables-nft -t mangle -F (pid 4711), nft (pid 4712) put in" in told.text
    assert told.fields["LVSMARKD_KIND"] == "duplicate"
    assert "LVSMARKD_ACTOR_PID" not in told.fields


@pytest.mark.parametrize(
    ("jumps", "words"), [(0, "somebody removed the jump"), (2, "somebody doubled the jump")]
)
def test_the_jump_is_told_of_too(watched: Watched, jumps: int, words: str) -> None:
    watched.look()
    watched.bench.paper.damage(MARKS, jumps=jumps)
    [told] = watched.look()
    assert words in told.text


def test_a_chain_that_is_gone_is_told_with_each_service_it_served(watched: Watched) -> None:
    watched.bench.conf.write_text(WEB + MAIL)
    watched.look()
    watched.bench.paper.chains[MARKS] = Chain()
    told = watched.look(VANDAL)
    assert set(events(told)) == {Event.REPAIRED}
    assert {m.service for m in told} == {None, key(25), key(80)}


def test_drift_that_stays_is_told_once_and_its_repair_too(watched: Watched) -> None:
    watched.look()
    watched.bench.paper.damage(MARKS, rules=())
    told = watched.look(VANDAL, mode=Mode.OBSERVE)
    assert events(told) == [Event.MODE_CHANGED, Event.UNCOVERED, Event.DRIFT_FOUND]
    assert "seen at work: iptables-nft -t mangle -F (pid 4711)" in told[2].text
    assert "; not repaired: the mode is observe; seen at work" in told[2].text
    assert watched.look(mode=Mode.OBSERVE) == ()
    told = watched.look()
    assert events(told) == [Event.MODE_CHANGED, Event.REPAIRED, Event.COVERED]
    assert told[1].text == f"fwmark 80 inet: “{RULE}” in force again"


def test_drift_that_goes_by_itself_is_over() -> None:
    [covered, over] = told_of(
        drifting(80), replace(QUIET, mode=Mode.OBSERVE, services=(state(80),))
    )
    assert (covered.event, over.event) == (Event.COVERED, Event.DRIFT_OVER)
    assert over.text.startswith("fwmark 80 inet: no longer the case: “the rule “")


def test_what_cannot_be_read_is_told_as_that_and_not_as_gone(watched: Watched) -> None:
    watched.look()
    watched.bench.paper.damage(MARKS, rules=())
    watched.look(mode=Mode.OBSERVE)
    chains = dict(watched.bench.paper.chains)
    watched.bench.paper.chains = dict.fromkeys(chains, Unknown("iptables-save did not end"))
    [lost] = watched.look(mode=Mode.OBSERVE)
    assert lost.event is Event.BACKEND_LOST
    assert lost.priority is Priority.ERROR
    assert "iptables-save did not end" in lost.text
    assert watched.look(mode=Mode.OBSERVE) == ()
    watched.bench.paper.chains = chains
    assert events(watched.look(mode=Mode.OBSERVE)) == [Event.BACKEND_BACK]


@pytest.mark.parametrize("kind", sorted(SEEN_IN_FIREWALL, key=str))
@pytest.mark.parametrize("family", [Family.INET, None])
def test_what_was_found_in_a_firewall_that_falls_silent_is_not_told_as_gone(
    kind: Kind, family: Family | None
) -> None:
    known = replace(finding(kind, "it is so", "mend it"), family=family)
    lasting = replace(known, plane=Plane.PERMANENT)
    before = left(known, lasting)
    silent = left(unread())
    told = told_of(before, silent)
    assert events(told)[0] is Event.BACKEND_LOST
    assert not [m for m in told[1:] if m.fields.get("LVSMARKD_PLANE") == Plane.RUNTIME]
    assert known in with_last_known(before, silent).left.findings
    assert lasting not in with_last_known(before, silent).left.findings
    back = with_last_known(before, silent)
    assert [e for e in events(told_of(back, left(known))) if e is not Event.BACKEND_BACK] == []


HIDDEN = replace(
    finding(Kind.UNKNOWN, "what becomes of it cannot be told: its time (“-m time”)", mark=80),
    graded=Severity.NOTE,
)


def test_a_rule_that_hides_what_becomes_of_packets_is_told_when_it_comes_and_goes() -> None:
    seen = replace(QUIET, services=(state(80),))
    hidden = replace(left(HIDDEN), services=(state(80, covered=None),), unread=frozenset())
    [came] = told_of(seen, hidden)
    assert (came.event, came.priority) == (Event.COVERAGE_UNKNOWN, Priority.NOTICE)
    assert came.text.startswith("fwmark 80 inet: what becomes of it cannot be told")
    assert told_of(hidden, hidden) == ()
    [went] = told_of(hidden, seen)
    assert went.event is Event.COVERAGE_KNOWN


@pytest.mark.parametrize("known", [HIDDEN, finding(Kind.UNACCEPTED, "it is so", mark=80)])
def test_a_table_that_cannot_be_looked_into_ends_nothing(known: Finding) -> None:
    unjudged = replace(QUIET, unjudged=frozenset({Family.INET}))
    assert told_of(replace(left(known), unread=frozenset()), unjudged) == ()
    gone = finding(Kind.ORPHAN, "sets 5")
    assert events(told_of(left(gone), unjudged)) == [Event.ORPHAN_GONE]


@pytest.mark.parametrize("last", [True, False])
def test_a_service_of_which_nothing_was_known_for_a_while_is_told_where_it_changed(
    last: bool,
) -> None:
    before = replace(QUIET, services=(state(80, covered=last),))
    silent = replace(QUIET, services=(state(80, covered=None),))
    assert told_of(before, silent) == ()
    while_silent = with_last_known(with_last_known(before, silent), silent)
    assert [(s.covered, s.as_told) for s in while_silent.services] == [(None, last)]
    assert told_of(while_silent, before) == ()
    [other] = told_of(while_silent, replace(QUIET, services=(state(80, covered=not last),)))
    assert other.event is (Event.UNCOVERED if last else Event.COVERED)


def test_what_a_former_firewall_has_is_unread_with_the_present_one() -> None:
    chain = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING, Program.IPTABLES)
    former = replace(finding(Kind.MIXED, "it is there"), chain=chain)
    assert former in with_last_known(left(former), left(unread())).left.findings


def test_that_another_firewall_keeps_the_rules_is_told_once_it_does() -> None:
    before, told = QUIET, list[Message]()
    for name in ("iptables-nft", NO_BACKEND, "firewalld-nftables", "firewalld-nftables"):
        report = replace(QUIET, backend=name, backend_version="1")
        step = between(before, report)
        told += events_of(step)
        before = step.after
    [changed] = told
    assert changed.event is Event.BACKEND_CHANGED
    assert "firewalld-nftables 1 keeps the rules from now on, and iptables-nft" in changed.text


def test_a_family_written_to_meanwhile_is_not_filled_in() -> None:
    half = replace(undone(80), left=left(unread()).left)
    assert with_last_known(drifting(80, mode=Mode.ENFORCE), half).left == half.left


def test_a_service_without_rules_is_told_when_it_comes_and_when_it_goes(watched: Watched) -> None:
    watched.look()
    watched.bench.conf.write_text(WEB + BARE)
    [told] = watched.look()
    assert told.event is Event.UNCOVERED
    assert told.priority is Priority.CRITICAL
    assert told.text.startswith("fwmark 7 inet: keepalived balances mark 7 and no rule sets it")
    assert told.fields["LVSMARKD_WANT"].startswith("# lvsmarkd: fwmark 7 to ")
    assert watched.look() == ()
    watched.bench.conf.write_text(WEB)
    [told] = watched.look()
    assert told.event is Event.COVERED
    assert told.text == "fwmark 7 inet: keepalived does not use it any more"


def test_a_conflict_names_the_rule_and_ends_in_one_line(watched: Watched) -> None:
    watched.look()
    watched.bench.paper.behind = "pre -j MARK --set-mark 5"
    told = watched.look(VANDAL)
    assert events(told) == [Event.CONFLICT, Event.ORPHAN]
    assert told[0].fields["LVSMARKD_HAVE"] == "-j MARK --set-mark 5"
    assert told[0].fields["LVSMARKD_ACTOR_PID"] == "4711"
    assert watched.look() == ()
    watched.bench.paper.behind = ""
    told = watched.look()
    assert events(told) == [Event.CONFLICT_OVER, Event.ORPHAN_GONE]
    assert "remove or narrow" not in told[0].text


def test_a_fight_is_told_when_it_begins_and_when_it_is_over(watched: Watched) -> None:
    watched.look()
    told: list[Message] = []
    for _ in range(3):
        watched.bench.paper.damage(MARKS, rules=())
        told += watched.look(VANDAL)
    [begins] = [m for m in told if m.event is Event.FIGHT_BEGINS]
    assert begins.priority is Priority.CRITICAL
    assert "(pid 4711) undoes our work again and again, 3 times by now" in begins.text
    assert "it is put back each time" in begins.text
    watched.bench.now += 1000
    assert events(watched.look()) == [Event.FIGHT_OVER]


def test_repairs_of_what_is_fought_over_are_not_told_one_by_one(watched: Watched) -> None:
    watched.look()
    told: list[Message] = []
    for _ in range(120):
        watched.bench.now += 1
        watched.bench.paper.damage(MARKS, rules=())
        told += watched.look(VANDAL)
    begun, tenth, hundredth = [m for m in told if m.event is Event.FIGHT_BEGINS]
    assert "3 times by now" in begun.text
    assert "10 times by now" in tenth.text
    assert "100 times by now" in hundredth.text
    assert events(tuple(told)).count(Event.REPAIRED) == 3


def test_what_is_fought_over_is_no_news_where_it_is_undone_before_the_pass_ends(
    watched: Watched,
) -> None:
    paper = watched.bench.paper

    def undo() -> None:
        paper.damage(MARKS, rules=())

    watched.look()
    told: list[Message] = []
    for turn in range(60):
        watched.bench.now += 1
        undo()
        paper.before_read = undo if turn % 2 else lambda: None
        told += watched.look(VANDAL)
    drift = {Event.DRIFT_FOUND, Event.DRIFT_OVER, Event.REPAIRED}
    assert len([each for each in told if each.event in drift]) < 10
    paper.before_read = lambda: None
    undo()
    observed = watched.look(VANDAL, mode=Mode.OBSERVE)
    assert Event.DRIFT_FOUND in events(observed), "it is left so from now on"


def test_what_the_guard_marks_is_told_but_not_with_each_pass_of_a_fight() -> None:
    reports = [
        replace(QUIET, guard=GuardState(in_force=True, packets={key(80): n})) for n in range(1, 4)
    ]
    [told] = told_of(QUIET, reports[0])
    assert (told.event, told.priority) == (Event.GUARD_MARKED, Priority.NOTICE)
    fight = Fight((Owned(MARKS, Part.JUMP),), 3)
    before, after = (replace(each, fights=(fight,)) for each in reports[:2])
    assert told_of(before, after) == ()
    assert events(told_of(after, reports[2])) == [Event.FIGHT_OVER, Event.GUARD_MARKED]


def test_what_is_undone_again_at_once_is_no_fight_yet(watched: Watched) -> None:
    watched.look()
    watched.bench.paper.damage(MARKS, rules=())
    watched.bench.paper.before_read = lambda: watched.bench.paper.damage(MARKS, rules=())
    [drift] = [m for m in watched.look(VANDAL) if m.event is Event.DRIFT_FOUND]
    assert "fight" not in drift.text


def test_a_fight_with_nobody_seen_is_told_as_such() -> None:
    fight = Fight((Owned(MARKS, Part.JUMP), Owned(MARKS, Part.CHAIN)), 3)
    [told] = told_of(QUIET, replace(QUIET, fights=(fight,)))
    assert "somebody undoes" in told.text
    assert told.fields["LVSMARKD_WANT"].count("\n") == 1


def test_a_write_that_fails_is_told_once(watched: Watched) -> None:
    watched.look()
    watched.bench.paper.damage(MARKS, rules=())
    watched.bench.paper.before_write = gone("busy", "the lock is held")
    told = watched.look(VANDAL)
    assert events(told) == [Event.REPAIR_FAILED, Event.UNCOVERED, Event.DRIFT_FOUND]
    assert told[0].text == "the rules could not be written: the lock is held; it is tried again"
    assert told[0].fields["LVSMARKD_TROUBLE"] == "busy"
    assert watched.look() == ()
    watched.bench.paper.before_write = lambda: None
    assert events(watched.look()) == [Event.REPAIRED, Event.COVERED]


def test_a_service_that_lacks_a_flow_whose_declaration_is_refused_is_told_so(
    watched: Watched,
) -> None:
    watched.bench.conf.write_text(WEB + MAIL.replace("tcp 25", "tcp 25,443"))
    told = [m for m in watched.look() if m.event is Event.UNCOVERED and m.service == key(80)]
    assert [m.text for m in told] == [
        "fwmark 80 inet: not all of its packets come to IPVS with its mark now, since a declaration"
        f" is refused (see {watched.bench.conf}:2)"
    ]


def test_a_refused_rule_is_told_and_told_when_it_is_taken(watched: Watched) -> None:
    watched.bench.conf.write_text(WEB + MAIL)
    watched.bench.paper.refuses = lambda rule: rule.mark == 25
    told = watched.look()
    assert Event.RULE_REFUSED in events(told)
    [drift] = [m for m in told if m.event is Event.DRIFT_FOUND]
    assert drift.text.endswith("; the firewall refuses it, and it is tried again later")
    assert watched.look() == ()
    watched.bench.paper.refuses = lambda _rule: False
    watched.bench.now += 10
    assert {Event.RULE_TAKEN, Event.COVERED} <= set(events(watched.look()))


def test_a_file_that_is_cut_off_is_told_and_told_when_it_is_whole(watched: Watched) -> None:
    watched.look()
    watched.bench.conf.write_text(WEB[:30])
    told = watched.look()
    assert events(told)[0] is Event.CONFIGURATION_REFUSED
    assert "no rule is taken away" in told[0].text
    assert any("keepalived.conf:1: " in m.text for m in told)
    assert watched.look() == ()
    watched.bench.conf.write_text(WEB)
    assert events(watched.look())[0] is Event.CONFIGURATION_GOOD


def test_a_bad_lvsmarkd_toml_is_told_with_its_place(watched: Watched) -> None:
    watched.look()
    watched.bench.toml.write_text("foo = 1\n")
    [told] = watched.look()
    assert told.event is Event.CONFIGURATION_REFUSED
    assert str(watched.bench.toml) in told.text
    watched.bench.toml.write_text("# well\n")
    assert events(watched.look()) == [Event.CONFIGURATION_GOOD]


@pytest.mark.parametrize(
    ("kind", "comes", "goes"),
    [
        (Kind.INFERRED, Event.INFERRED, None),
        (Kind.UNUSED, Event.DECLARATION_UNUSED, None),
        (Kind.UNACCEPTED, Event.UNACCEPTED, Event.ACCEPTED),
        (Kind.CLAIMED, Event.CLAIMED, Event.CLAIM_GONE),
        (Kind.MIXED, Event.MIXED_FIREWALLS, Event.MIXED_FIREWALLS_OVER),
        (Kind.PROBLEM, Event.KEEPALIVED_PROBLEM, Event.KEEPALIVED_PROBLEM_GONE),
        (Kind.UNLOADED, Event.UNLOADED, Event.LOADED),
    ],
)
def test_each_kind_of_finding_has_its_events(kind: Kind, comes: Event, goes: Event | None) -> None:
    there = left(finding(kind, "so it is", "do this", 80))
    [told] = told_of(QUIET, there)
    assert (told.event, told.text) == (comes, "fwmark 80 inet: so it is; do this")
    assert told_of(there, there) == ()
    ended = told_of(there, QUIET)
    assert events(ended) == ([goes] if goes else [])
    assert all(m.text == "fwmark 80 inet: no longer the case: “so it is”" for m in ended)


def test_a_stale_rule_that_is_held_is_a_note() -> None:
    held = replace(finding(Kind.STALE, "kept for now", mark=80), graded=Severity.NOTE)
    [told] = told_of(QUIET, left(held))
    assert (told.event, told.priority) == (Event.STALE_HELD, Priority.NOTICE)
    assert told_of(left(held), QUIET) == ()


def test_every_kind_of_finding_is_told_somehow() -> None:
    for kind in Kind:
        report = left(finding(kind, "so it is"))
        if kind is Kind.UNCOVERED:
            report = replace(report, services=(state(80, covered=False),))
        assert told_of(QUIET, report), kind


@pytest.mark.parametrize("count", [SINGLES, SINGLES + 1, 1000])
def test_many_services_at_once_are_a_summary_and_a_few(count: int) -> None:
    told = told_of(QUIET, undone(*range(1, count + 1)))
    assert len(told) == (count if count <= SINGLES else SINGLES + 1)
    if count == 1000:
        assert told[0].event is Event.REPAIRED
        assert told[0].text == (
            "repaired: 1,000 services, undone by iptables-nft -t mangle -F (pid 4711),"
            " repaired after 12 ms; the first 10 follow"
        )
        assert told[0].service is None
        assert told[0].fields["LVSMARKD_COUNT"] == "1000"
        assert told[0].fields["LVSMARKD_ACTOR_PID"] == "4711"


def test_a_thousand_uncovered_services_come_and_go_in_a_few_lines() -> None:
    marks = range(1, 1001)
    away = drifting(*marks)
    assert len(told_of(replace(QUIET, mode=Mode.OBSERVE), away)) == 2 * (SINGLES + 1)
    back = replace(undone(*marks), mode=Mode.OBSERVE)
    assert len(told_of(away, back)) == 2 * (SINGLES + 1)


def _chain(watched: Watched) -> Chain:
    chain = watched.bench.paper.chains[MARKS]
    assert isinstance(chain, Chain)
    return chain
