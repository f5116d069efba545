"""One pass after the other, over files and a firewall on paper, with time moved by hand."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from lvsmarkd.backends.selector import BackendSelector
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.plan import RemoveRule
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.report import Cause, Mode, Result
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, PreviousRules
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.model.wake import Actor
from lvsmarkd.netfilter.errors import Trouble
from lvsmarkd.telemetry.exposition import registry_of
from lvsmarkd.telemetry.metrics import Metrics
from lvsmarkd.telemetry.transition import transition
from tests.harness.control import MAIL, WEB, Bench
from tests.harness.paper import OTHER_PAPER, PaperFirewall, gone

MARKS = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
VANDAL = Actor(4711, "iptables-nft", "iptables-nft -t mangle -F")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_first_pass_makes_what_the_files_say(bench: Bench) -> None:
    report = bench.look()
    assert report.result is Result.REPAIRED
    assert {repair.cause for repair in report.repairs} == {Cause.CONFIG}
    assert bench.rules() == {80}
    assert bench.look().result is Result.IN_SYNC
    assert bench.paper.writes == 1


@pytest.mark.parametrize("setting", ['placement = "zone"', 'zones = ["public"]'])
def test_where_the_settings_move_the_rules_nobody_undid_any(bench: Bench, setting: str) -> None:
    bench.look()
    bench.toml.write_text(f"[firewall.firewalld]\n{setting}\n")
    (rule,) = bench.marks()
    # What the firewall shows then: nothing where they belong now, or one too many.
    for there in ((), (rule, rule)):
        bench.paper.damage(MARKS, rules=there, jumps=min(1, len(there)))
        report = bench.look()
        assert report.result is Result.REPAIRED
        assert {repair.cause for repair in report.repairs} == {Cause.CONFIG}
        assert bench.marks() == (rule,)
        bench.toml.write_text("# as at first\n")
    bench.paper.damage(MARKS, rules=())
    assert [repair.cause for repair in bench.look(VANDAL).repairs] == [Cause.DRIFT]


def test_what_somebody_undid_is_mended_and_told_from_a_change_of_the_files(bench: Bench) -> None:
    bench.look()
    bench.paper.damage(MARKS, rules=())
    report = bench.look(VANDAL)
    assert report.result is Result.REPAIRED
    assert [repair.cause for repair in report.repairs] == [Cause.DRIFT]
    assert report.actors == (VANDAL,)
    assert report.latency is not None
    bench.conf.write_text(WEB + MAIL)
    report = bench.look()
    assert [repair.cause for repair in report.repairs] == [Cause.CONFIG]
    assert bench.rules() == {25, 80}


def test_a_service_that_left_keeps_its_rules_for_the_linger_time(bench: Bench) -> None:
    bench.conf.write_text(WEB + MAIL)
    bench.look()
    bench.conf.write_text(WEB)
    assert bench.look().left.steps == ()
    assert bench.rules() == {25, 80}
    assert bench.reconciler.next_due() == bench.now + 5
    bench.now += 5
    bench.look()
    assert bench.rules() == {80}
    assert bench.reconciler.next_due() is None


def test_a_linger_that_ends_while_a_pass_runs_is_due_at_its_end(bench: Bench) -> None:
    """As it happens where files are saved again and again: no later event may come."""
    bench.conf.write_text(WEB + MAIL)
    bench.look()
    bench.conf.write_text(WEB)
    bench.look()
    due = bench.now + 5

    def takes_long() -> None:
        bench.now += 1

    bench.now = due - 0.5
    bench.paper.before_read = takes_long
    bench.look()
    assert bench.rules() == {25, 80}
    assert bench.reconciler.next_due() == due
    bench.paper.before_read = lambda: None
    bench.look()
    assert bench.rules() == {80}
    assert bench.reconciler.next_due() is None


def test_a_rule_that_may_not_be_removed_when_it_is_due_asks_for_no_pass(bench: Bench) -> None:
    bench.conf.write_text(WEB + MAIL)
    bench.look()
    bench.conf.write_text(WEB)
    bench.look(mode=Mode.OBSERVE)
    bench.now += 6
    bench.look(mode=Mode.OBSERVE)
    assert bench.rules() == {25, 80}
    assert bench.reconciler.next_due() is None


def test_a_service_that_comes_back_in_time_is_never_without_its_rules(bench: Bench) -> None:
    bench.conf.write_text(WEB + MAIL)
    bench.look()
    for text in (WEB, WEB + MAIL, WEB):
        bench.conf.write_text(text)
        bench.now += 4
        bench.look()
        assert bench.rules() == {25, 80}


@pytest.mark.parametrize("content", ["", "\n", WEB.rstrip("}\n"), WEB[:30]])
def test_a_file_that_is_being_written_changes_nothing_however_long_it_takes(
    bench: Bench, content: str
) -> None:
    bench.conf.write_text(WEB + MAIL)
    bench.look()
    bench.conf.write_text(content)
    for _ in range(3):
        report = bench.look()
        assert not report.configuration_valid
        assert bench.rules() == {25, 80}
        bench.now += 100
    bench.conf.write_text(WEB + MAIL)
    assert bench.look().configuration_valid


def test_a_file_that_is_gone_a_directory_or_forbidden_changes_nothing(bench: Bench) -> None:
    bench.look()
    bench.conf.unlink()
    assert bench.look().configuration_problems
    bench.conf.mkdir()
    assert bench.look().configuration_problems
    assert bench.rules() == {80}
    bench.conf.rmdir()
    bench.conf.write_text(WEB)
    report = bench.look()
    assert report.result is Result.IN_SYNC
    assert report.configuration_problems == ()


def test_what_keepalived_takes_for_granted_is_no_problem_to_alert_on(bench: Bench) -> None:
    bench.conf.write_text(WEB.replace("    lb_kind NAT\n", ""))
    bench.look()
    report = bench.look()
    assert [(f.kind, f.severity) for f in report.left.findings] == [(Kind.PROBLEM, Severity.NOTE)]
    assert report.result is Result.IN_SYNC
    assert report.configuration_problems == ()


def test_a_restart_over_an_unreadable_file_leaves_the_rules_of_the_last_run(bench: Bench) -> None:
    bench.look()
    bench.conf.unlink()
    bench.start()
    bench.look()
    bench.now += 1000
    bench.look()
    assert bench.rules() == {80}


def test_a_declaration_that_is_refused_leaves_the_last_good_one_in_force(bench: Bench) -> None:
    bench.conf.write_text(WEB + MAIL)
    bench.look()
    bench.conf.write_text(WEB.replace("443", "99999") + MAIL.replace("tcp 25", "tcp 25,587"))
    report = bench.look()
    assert [f.kind for f in report.configuration_problems] == [Kind.REFUSED]
    assert "99999" in report.configuration_problems[0].message
    bench.now += 60
    bench.look()
    chain = bench.paper.chains[MARKS]
    assert not isinstance(chain, Unknown)
    assert {str(rule) for rule in chain.rules} == {
        "192.0.2.10/32 tcp 80,443 mark 80",
        "192.0.2.10/32 tcp 25,587 mark 25",
    }


def test_a_refused_declaration_at_a_cold_start_leaves_its_rules_as_they_are(bench: Bench) -> None:
    bench.look()
    bench.conf.write_text(WEB.replace("443", "99999"))
    bench.start()
    bench.look()
    bench.now += 60
    bench.look()
    assert bench.rules() == {80}


def test_a_declaration_that_the_firewall_cannot_hold_leaves_the_last_good_one_in_force(
    bench: Bench,
) -> None:
    bench.paper.limits = Limits(max_values={InInterface: 0})
    bench.look()
    before = dict(bench.paper.chains)
    bench.conf.write_text(WEB.replace("tcp 80,443", "tcp 80,443 in-interface vip0"))
    for _ in range(2):
        report = bench.look()
        (finding,) = report.configuration_problems
        assert (finding.kind, finding.origins[0].line) == (Kind.REFUSED, 2)
        assert report.left.steps == ()
        assert bench.paper.chains == before
        bench.start()  # no memory
        bench.now += 60


@pytest.mark.parametrize("content", ["[daemon]\nmode = 'sometimes'\n", "[[mark]\n", "x", "", None])
def test_a_bad_lvsmarkd_toml_leaves_the_last_good_one_in_force(
    bench: Bench, content: str | None
) -> None:
    bench.conf.write_text(WEB.replace("# lvsmarkd:", "#"))
    bench.toml.write_text('[[mark]]\nfwmark = 80\nto = "192.0.2.10"\nports = ["tcp/80"]\n')
    bench.start()
    bench.look()
    assert bench.rules() == {80}
    if content is None:
        bench.toml.unlink()
    else:
        bench.toml.write_text(content)
    for _ in range(2):
        report = bench.look()
        assert Kind.REFUSED in {finding.kind for finding in report.left.findings}
        bench.now += 60
    assert bench.rules() == {80}
    bench.toml.write_text('[[mark]]\nfwmark = 80\nto = "192.0.2.10"\nports = ["tcp/81"]\n')
    assert bench.look().configuration_problems == ()


def test_a_new_linger_time_holds_from_the_pass_that_reads_it(bench: Bench) -> None:
    bench.conf.write_text(WEB + MAIL)
    bench.look()
    bench.conf.write_text(WEB)
    bench.look()
    bench.toml.write_text("[daemon]\nlinger_seconds = 0\n")
    bench.look()
    assert bench.rules() == {80}


def test_three_repairs_in_five_minutes_are_a_fight(bench: Bench) -> None:
    bench.look()
    for _ in range(3):
        bench.now += 20
        bench.paper.damage(MARKS, rules=())
        report = bench.look(VANDAL)
        assert report.result is Result.REPAIRED
    [fight] = report.fights
    assert fight.repairs == 3
    assert fight.actors == (VANDAL,)
    bench.now += 1000
    assert bench.look().fights == ()


def test_what_is_fought_over_is_put_back_every_time(bench: Bench) -> None:
    bench.look()
    for _ in range(200):
        bench.now += 0.2
        bench.paper.damage(MARKS, rules=())
        assert bench.look(VANDAL).result is Result.REPAIRED
        assert bench.rules() == {80}
        assert bench.reconciler.next_due() is None
    [fight] = bench.look().fights
    assert fight.repairs == 200


def test_a_rule_that_serves_nothing_lingers_in_an_ended_firewall_too(bench: Bench) -> None:
    bench.conf.write_text(WEB + MAIL)
    bench.look()
    ended = replace(MARKS, previous=Program.FIREWALLD)
    chain = bench.paper.chains[MARKS]
    assert isinstance(chain, Chain)
    bench.paper.previous = (PreviousRules({ended: chain}, ended=True),)
    bench.conf.write_text(WEB)
    assert ended not in {s.chain_key for s in bench.look(mode=Mode.OBSERVE).found.steps}
    bench.now += 60
    steps = bench.look(mode=Mode.OBSERVE).found.steps
    assert [s.rule.mark for s in steps if isinstance(s, RemoveRule) and s.chain_key == ended] == [
        25
    ]


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.PAUSED])
def test_observing_and_pausing_judge_and_report_and_never_write(bench: Bench, mode: Mode) -> None:
    report = bench.look(mode=mode)
    assert report.result is Result.DRIFT
    assert report.left.steps
    assert bench.paper.writes == 0


def test_a_busy_lock_is_an_error_of_its_class_and_the_next_pass_goes_on(bench: Bench) -> None:
    bench.paper.before_write = gone(Trouble.BUSY, "somebody holds the xtables lock")
    report = bench.look()
    assert (report.result, report.trouble) == (Result.ERROR, "busy")
    assert "xtables lock" in report.error
    bench.paper.before_write = lambda: None
    assert bench.look().result is Result.REPAIRED


def test_another_firewall_that_comes_during_a_pass_is_planned_for_anew(bench: Bench) -> None:
    there: list[PaperFirewall] = [bench.paper]
    late = BackendSelector(lambda: there[0], lambda: there[0].firewall)
    bench.reconciler.backend = late
    other = PaperFirewall(firewall=OTHER_PAPER)
    bench.paper.before_read = lambda: there.__setitem__(0, other)
    report = bench.look()
    assert (report.result, report.trouble) == (Result.ERROR, "busy")
    assert report.repairs == ()
    assert (bench.paper.writes, other.writes) == (0, 0)
    report = bench.look()
    assert report.result is Result.REPAIRED
    assert {repair.cause for repair in report.repairs} == {Cause.CONFIG}
    assert (bench.paper.writes, other.writes) == (0, 1)


def test_what_can_be_read_is_mended_where_something_else_cannot(bench: Bench) -> None:
    found: list[PaperFirewall] = []

    def find() -> PaperFirewall:
        found.append(bench.paper)
        return bench.paper

    bench.reconciler.backend = BackendSelector(find, lambda: 0)
    bench.look()
    bench.paper.damage(MARKS, rules=())
    other = ChainKey(Plane.RUNTIME, Family.INET6, Hook.PREROUTING)
    bench.paper.chains[other] = Unknown("ip6tables-save did not end")
    report = bench.look()
    assert report.error == ""
    assert bench.rules() == {80}
    assert len(found) == 2  # after the write: its programs may be elsewhere by now


def test_a_firewall_that_cannot_be_read_is_not_written(bench: Bench) -> None:
    bench.look()
    chains = dict(bench.paper.chains)
    bench.paper.chains = dict.fromkeys(chains, Unknown("iptables-save did not end"))
    report = bench.look()
    assert {finding.kind for finding in report.left.findings} == {Kind.UNKNOWN}
    assert report.result is Result.DRIFT
    assert [state.covered for state in report.services] == [None]
    assert bench.paper.writes == 1
    bench.paper.chains = chains
    assert bench.look().result is Result.IN_SYNC


def test_a_rule_that_the_firewall_refuses_is_no_problem_of_the_configuration(
    bench: Bench,
) -> None:
    bench.paper.refuses = lambda rule: rule.mark == 80
    for _ in range(2):
        report = bench.look()
        assert report.configuration_problems == ()
        metrics = Metrics()
        metrics.record(transition(None, report))
        figure = registry_of(metrics).get_sample_value
        assert figure("lvsmarkd_keepalived_config_problems") == 0
    assert figure("lvsmarkd_findings", {"kind": "refused", "severity": "critical"}) == 1


def test_a_refused_rule_is_named_left_out_and_tried_again_later(bench: Bench) -> None:
    bench.conf.write_text(WEB + MAIL)
    bench.paper.refuses = lambda rule: rule.mark == 25
    report = bench.look()
    assert [rule.mark for rule, _ in report.rejected] == [25]
    assert bench.rules() == {80}
    writes = bench.paper.writes
    report = bench.look()
    assert report.result is Result.SUPPRESSED
    assert Kind.REJECTED in {finding.kind for finding in report.left.findings}
    assert bench.paper.writes == writes
    bench.paper.refuses = lambda _rule: False
    due = bench.reconciler.next_due()
    assert due is not None
    bench.now = due
    assert bench.look().result is Result.REPAIRED
    assert bench.rules() == {25, 80}
    assert bench.look().rejected == ()


def test_a_rule_that_was_in_force_and_is_refused_now_is_no_fight(bench: Bench) -> None:
    bench.look()
    bench.paper.refuses = lambda _rule: True
    bench.paper.damage(MARKS, rules=())
    for _ in range(5):
        report = bench.look()
        assert report.fights == ()
        bench.now += 400
    assert report.rejected


def test_a_refused_rule_that_nobody_wants_any_more_is_forgotten(bench: Bench) -> None:
    bench.conf.write_text(WEB + MAIL)
    bench.paper.refuses = lambda rule: rule.mark == 25
    bench.look()
    bench.conf.write_text(WEB)
    assert bench.look().rejected == ()


def test_a_refused_rule_that_nobody_tried_stays_refused(bench: Bench) -> None:
    """It stands in a chain that is made anew again and again, and is not due itself."""
    bench.conf.write_text(WEB + MAIL)
    bench.paper.refuses = lambda rule: rule.mark == 25
    assert [rule.mark for rule, _ in bench.look().rejected] == [25]
    for _ in range(4):
        bench.now += 1
        bench.paper.damage(MARKS, unknown_rules=("-A LVSMARKD -j RETURN",))
        report = bench.look(VANDAL)
        assert report.repairs
        assert bench.rules() == {80}
        assert [rule.mark for rule, _ in report.rejected] == [25]
    assert Kind.REJECTED in {finding.kind for finding in report.left.findings}


def test_an_undeclared_service_is_reported_and_nothing_is_written(bench: Bench) -> None:
    bench.conf.write_text("virtual_server fwmark 7 {\n real_server 198.51.100.1 80 { }\n}\n")
    report = bench.look()
    assert report.result is Result.DRIFT
    assert report.left.findings[0].kind is Kind.UNCOVERED
    assert bench.paper.writes == 0
