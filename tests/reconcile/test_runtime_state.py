"""The running keepalived, what it has read and what IPVS holds, beside its file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from lvsmarkd.keepalived import read
from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.ipvs import KernelServices, LoadedIpvs, NoIpvs
from lvsmarkd.model.keepalived import Reading
from lvsmarkd.model.report import Mode, Report
from lvsmarkd.model.running import Build, Running, RunningKeepalived, Stopped
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.reconcile.inputs import InputPaths, InputReader
from lvsmarkd.reconcile.last_good import LastGood
from lvsmarkd.reconcile.reconciler import Clock, Reconciler
from lvsmarkd.reconcile.remembered import Remembered
from lvsmarkd.reconcile.runtime_probe import RuntimeProbe
from tests.harness.control import MAIL, WEB
from tests.harness.paper import PaperFirewall
from tests.harness.values import key

RUNNING = RunningKeepalived(4711, 1, None, None, None, None, None, True, False, Build((2, 2, 7)))


@dataclass
class Director:
    """A daemon over a file, with all around it in our hands."""

    directory: Path
    kernel: KernelServices = field(default_factory=LoadedIpvs)
    running: Running = RUNNING
    claims: tuple[MarkClaim, ...] = ()
    copy: Reading | Unknown = field(
        default_factory=lambda: Unknown("cannot be read: CAP_SYS_PTRACE")
    )
    now: float = 1000.0
    paper: PaperFirewall = field(default_factory=PaperFirewall)

    def __post_init__(self) -> None:
        self.conf = self.directory / "keepalived.conf"
        self.toml = self.directory / "lvsmarkd.toml"
        self.conf.write_text(WEB)
        self.toml.write_text("")
        self.running = replace(RUNNING, config=str(self.conf))
        self.start()

    def start(self) -> None:
        inputs = InputReader.open(InputPaths(self.toml))
        inputs.remembered = Remembered(self.directory / "keepalived.json")
        inputs.last_good = LastGood(self.directory / "last-good.json")
        inputs.runtime_probe = RuntimeProbe(
            find=lambda _known: self.running,
            kernel=lambda: self.kernel,
            rules=lambda: self.claims,
            stamp=lambda _pid: None,
            read=lambda _running: self.copy,
            ask=lambda _executable: Build((2, 2, 7)),
        )
        clock = Clock(lambda: self.now, lambda: 1e9 + self.now)
        self.reconciler = Reconciler(inputs, self.paper, clock)

    def look(self, trigger: Trigger = Trigger.TIMER) -> Report:
        return self.reconciler.run([Wake(trigger)], lambda _settings: Mode.ENFORCE)

    def reloads(self) -> None:
        """keepalived reads its file, and the kernel follows."""
        self.copy = read(self.conf)
        self.kernel = LoadedIpvs(frozenset(service.key for service in self.copy.services))

    def marks(self) -> set[int | None]:
        return {r.mark for c in self.paper.chains.values() for r in getattr(c, "rules", ())}


@pytest.fixture
def director(tmp_path: Path) -> Director:
    return Director(tmp_path)


def found(report: Report, kind: Kind) -> list[Finding]:
    return [finding for finding in report.left.findings if finding.kind is kind]


def test_the_file_is_that_which_keepalived_was_started_with(director: Director) -> None:
    director.reloads()
    report = director.look()
    assert director.marks() == {80}
    assert [state.loaded for state in report.services] == [True]
    assert report.left.in_sync


def test_rules_come_before_the_service_and_go_after_it(director: Director) -> None:
    director.reloads()
    director.look()

    director.conf.write_text(WEB + MAIL)
    report = director.look()
    assert director.marks() == {80, 25}
    [unloaded] = found(report, Kind.UNLOADED)
    assert (unloaded.service, unloaded.severity) == (key(25), Severity.NOTE)
    assert "IPVS does not have this service yet; reload keepalived" in unloaded.message

    director.reloads()
    assert found(director.look(), Kind.UNLOADED) == []

    director.conf.write_text(WEB)
    director.look()
    director.now += 100  # far more than rules linger
    report = director.look()
    assert director.marks() == {80, 25}, "IPVS balances it still"
    [leftover] = found(report, Kind.LEFTOVER)
    assert (leftover.service, leftover.severity) == (key(25), Severity.NOTE)
    assert [s.configured for s in report.services if s.key == key(25)] == [False]

    director.reloads()
    director.look()
    director.now += 6
    director.look()
    assert director.marks() == {80}


def test_the_kernel_alone_keeps_the_rules_of_a_service(director: Director) -> None:
    """Without the right to see the copy, IPVS is word enough."""
    director.conf.write_text(WEB + MAIL)
    director.kernel = LoadedIpvs(frozenset({key(80), key(25)}))
    director.look()
    director.conf.write_text(WEB)
    director.look()
    director.now += 100
    report = director.look()
    assert director.marks() == {80, 25}
    assert "CAP_SYS_PTRACE" in found(report, Kind.UNSEEN)[0].message
    director.kernel = LoadedIpvs(frozenset({key(80)}))
    director.look()
    director.now += 6
    director.look()
    assert director.marks() == {80}


def test_a_kernel_that_cannot_be_read_takes_nothing_away(director: Director) -> None:
    director.conf.write_text(WEB + MAIL)
    director.kernel = LoadedIpvs(frozenset({key(80), key(25)}))
    director.look()
    director.conf.write_text(WEB)
    director.kernel = Unknown("IPVS could not be read")
    director.look()
    director.now += 100
    report = director.look()
    assert director.marks() == {80, 25}
    assert "IPVS could not be read" in str(found(report, Kind.UNSEEN))


def test_a_restart_leaves_the_rules_of_a_service_that_is_leaving(director: Director) -> None:
    director.conf.write_text(WEB + MAIL)
    director.reloads()
    director.look()
    director.conf.write_text(WEB)
    director.start()
    report = director.look()
    director.now += 100
    report = director.look()
    assert director.marks() == {80, 25}
    assert [s.covered for s in report.services] == [True, True]
    assert found(report, Kind.UNCOVERED) == []


def test_what_keepalived_has_read_and_ipvs_lacks_is_a_warning(director: Director) -> None:
    director.reloads()
    director.kernel = NoIpvs()
    [unloaded] = found(director.look(), Kind.UNLOADED)
    assert unloaded.severity is Severity.WARNING
    assert "nothing is balanced" in unloaded.message


def test_whether_keepalived_runs_is_in_the_report_where_it_is_seen(director: Director) -> None:
    assert director.look().keepalived_runs is True
    director.running = Stopped()
    assert director.look().keepalived_runs is False
    director.running = Unknown("/proc is hidden")
    assert director.look().keepalived_runs is None


def test_a_stopped_keepalived_is_no_finding_about_rules_and_is_reported(
    director: Director,
) -> None:
    director.running, director.kernel = Stopped(), NoIpvs()
    director.toml.write_text(f'[keepalived]\nconfig = "{director.conf}"\n')
    report = director.look()
    assert director.marks() == {80}
    assert [state.loaded for state in report.services] == [False]
    assert report.left.findings == ()
    assert report.keepalived_runs is False


def test_a_service_made_by_hand_that_nothing_marks_is_uncovered(director: Director) -> None:
    director.reloads()
    director.kernel = LoadedIpvs(frozenset({key(80), key(99)}))
    report = director.look()
    [uncovered] = found(report, Kind.UNCOVERED)
    assert uncovered.service == key(99)
    assert "keepalived.conf does not hold" in uncovered.message
    [leftover] = found(report, Kind.LEFTOVER)
    assert (leftover.severity, "ipvsadm -D -f 99" in leftover.message) == (Severity.WARNING, True)


def test_what_a_file_that_cannot_be_read_declares_is_not_known(director: Director) -> None:
    director.kernel = LoadedIpvs(frozenset({key(80)}))
    director.conf.unlink()
    director.conf.mkdir()
    report = director.look()
    [uncovered] = found(report, Kind.UNCOVERED)
    assert "is not known" in uncovered.message
    assert "mend that first" in uncovered.message
    assert found(report, Kind.LEFTOVER) == []


def test_what_a_killed_keepalived_left_in_ipvs_is_no_reloads_to_remove(director: Director) -> None:
    director.reloads()
    director.look()
    director.running = Stopped()
    director.kernel = LoadedIpvs(frozenset({key(80), key(99)}))
    [leftover] = found(director.look(), Kind.LEFTOVER)
    assert leftover.severity is Severity.NOTE
    assert "keepalived is not running" in leftover.message
    assert "ipvsadm -D -f 99" in leftover.message


def test_marks_that_keepalived_hands_out_are_its_own(director: Director) -> None:
    director.conf.write_text(
        WEB + "global_defs {\n nftables_ipvs\n}\nvirtual_server_group G {\n 192.0.2.7 80\n}\n"
        "virtual_server group G {\n protocol TCP\n real_server 198.51.100.7 80 {\n }\n}\n"
    )
    director.reloads()
    director.kernel = LoadedIpvs(frozenset({key(80), key(1000), key(1001)}))
    report = director.look()
    assert [state.key for state in report.services] == [key(80)]
    assert report.left.in_sync


def test_a_keepalived_in_another_network_namespace_is_critical(director: Director) -> None:
    director.running = replace(RUNNING, config=str(director.conf), elsewhere=True)
    report = director.look()
    [finding] = found(report, Kind.ELSEWHERE)
    assert (finding.severity, "4711" in finding.message) == (Severity.CRITICAL, True)
    assert found(report, Kind.UNLOADED) == []


def test_a_namespace_for_ipvs_alone_is_critical(director: Director) -> None:
    director.conf.write_text("net_namespace_ipvs lb-that-is-not-there\n" + WEB)
    [finding] = found(director.look(), Kind.ELSEWHERE)
    assert "lb-that-is-not-there" in finding.message
    assert finding.origins[0].line == 1


def test_a_keepalived_on_another_file_is_not_meant(director: Director) -> None:
    director.toml.write_text(f'[keepalived]\nconfig = "{director.conf}"\n')
    director.running = replace(RUNNING, config="/etc/hostname", config_id="x")
    director.kernel = NoIpvs()
    assert director.look().left.findings == ()


def test_a_process_that_cannot_be_seen_is_said(director: Director) -> None:
    director.toml.write_text(f'[keepalived]\nconfig = "{director.conf}"\n')
    director.running = Unknown("/proc does not show it")
    [finding] = found(director.look(), Kind.UNSEEN)
    assert (finding.severity, finding.message) == (Severity.NOTE, "/proc does not show it")


def test_the_config_id_is_that_of_the_process(director: Director) -> None:
    director.conf.write_text("@left " + WEB.replace("\n", "\n@left ").rstrip("@left "))
    director.running = replace(RUNNING, config=str(director.conf), config_id="left")
    director.look()
    assert director.marks() == {80}


def test_a_policy_rule_for_a_mark_of_a_service_is_told(director: Director) -> None:
    director.claims = (
        MarkClaim(0x50, 0xFF, "policy routing", "ip rule 100", Use.ROUTE, Family.INET),
    )
    [finding] = found(director.look(), Kind.CLAIMED)
    assert finding.service == ServiceKey(Family.INET, 80)


def test_a_file_named_on_the_command_line_is_read_alone(director: Director) -> None:
    inputs = InputReader.open(InputPaths(director.toml, director.conf))
    inputs_now = inputs.gather()
    assert inputs_now.runtime_state.kernel is None
    assert inputs_now.runtime_state.running is None


def test_the_file_and_id_of_a_keepalived_that_stopped_still_hold(director: Director) -> None:
    director.conf.write_text("@left " + WEB.replace("\n", "\n@left ").rstrip("@left "))
    director.running = replace(RUNNING, config=str(director.conf), config_id="left")
    director.look()
    assert director.marks() == {80}
    director.running, director.kernel = Stopped(), NoIpvs()
    report = director.look()
    director.now += 100
    report = director.look()
    assert director.marks() == {80}
    assert report.source == str(director.conf)
    director.start()  # as after a boot, before keepalived runs
    director.look()
    assert director.marks() == {80}


def test_what_is_declared_and_dropped_is_critical(director: Director) -> None:
    director.reloads()
    director.look()
    director.conf.write_text(WEB.replace("198.51.100.1", "www.example.org"))
    [problem] = found(director.look(), Kind.PROBLEM)
    assert (problem.severity, "no real_server" in problem.message) == (Severity.CRITICAL, True)


MOVED = WEB.replace("fwmark 80", "fwmark 81")


def rule_marks(director: Director) -> dict[int | None, str]:
    return {
        r.mark: str(r.match)
        for c in director.paper.chains.values()
        for r in getattr(c, "rules", ())
    }


@pytest.mark.parametrize("restart", [False, True])
def test_a_mark_that_is_renumbered_takes_its_packets_along_at_the_reload(
    director: Director, restart: bool
) -> None:
    director.reloads()
    director.look()
    director.conf.write_text(MOVED)
    if restart:
        director.start()
    director.look()
    director.now += 100
    report = director.look()
    assert director.marks() == {80}, "keepalived knows no 81 yet"
    assert [s.covered for s in report.services if s.key == key(80)] == [True]
    assert not [f for f in report.left.findings if f.severity is Severity.CRITICAL]

    director.reloads()
    director.look(Trigger.KEEPALIVED)
    assert 81 in director.marks()
    director.now += 100
    report = director.look()
    assert director.marks() == {81}
    assert [s.covered for s in report.services] == [True]


def test_a_file_that_is_cut_off_moves_no_packets(director: Director) -> None:
    director.reloads()
    director.look()
    director.conf.write_text(MOVED[:-3])
    director.look()
    assert director.marks() == {80}


def test_packets_that_are_handed_over_stay_until_the_reload(director: Director) -> None:
    director.conf.write_text(WEB + MAIL)
    director.reloads()
    director.look()
    before = rule_marks(director)
    director.conf.write_text(MAIL.replace("tcp 25", "tcp 25,80,443").replace(".10.", ".10."))
    director.look()
    assert rule_marks(director)[80] == before[80]


def test_a_kernel_that_cannot_be_read_at_a_start_takes_nothing_away(director: Director) -> None:
    director.conf.write_text(WEB + MAIL)
    director.kernel = LoadedIpvs(frozenset({key(80), key(25)}))
    director.look()
    director.conf.write_text(WEB)
    director.kernel = Unknown("IPVS could not be read")
    director.start()
    director.look()
    director.now += 100
    director.look()
    assert director.marks() == {80, 25}


def test_a_mark_above_those_that_are_handed_out_stays_while_it_is_in_use(
    director: Director,
) -> None:
    high = MAIL.replace("fwmark 25", "fwmark 2000")
    director.conf.write_text(WEB + high)
    director.reloads()
    director.look()
    director.conf.write_text(
        WEB + "global_defs {\n nftables_ipvs\n}\nvirtual_server_group G {\n 192.0.2.7 80\n}\n"
        "virtual_server group G {\n real_server 198.51.100.7 80 {\n }\n}\n"
    )
    director.look()
    director.now += 100
    report = director.look()
    assert director.marks() == {80, 2000}
    assert [f.service for f in found(report, Kind.LEFTOVER)] == [key(2000)]


def _saved(director: Director) -> None:
    director.conf.write_text(WEB + MAIL)


def _renamed(director: Director) -> None:
    director.conf.with_name("new").write_text(WEB + MAIL)
    director.conf.with_name("new").rename(director.conf)


def _added(director: Director) -> None:
    director.conf.with_name("mail.conf").write_text(MAIL)


@pytest.mark.parametrize("change", [_saved, _renamed, _added])
def test_what_changes_during_a_reading_is_read_by_the_next_pass(
    director: Director, change: Callable[[Director], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_change(*arguments: object, **more: object) -> Reading:
        reading = read(*arguments, **more)  # type: ignore[arg-type] # passed on
        change(director)
        return reading

    director.conf.write_text(WEB + "include mail*.conf\n")
    monkeypatch.setattr("lvsmarkd.reconcile.keepalived_conf.read", read_and_change)
    director.look()
    monkeypatch.undo()
    director.look()
    assert director.marks() == {80, 25}


def test_a_file_that_goes_during_a_reading_has_gone_with_the_next_pass(
    director: Director, monkeypatch: pytest.MonkeyPatch
) -> None:
    included = director.conf.with_name("mail.conf")

    def read_and_remove(*arguments: object, **more: object) -> Reading:
        reading = read(*arguments, **more)  # type: ignore[arg-type] # passed on
        included.unlink(missing_ok=True)
        return reading

    director.conf.write_text(WEB + "include mail*.conf\n")
    included.write_text(MAIL)
    monkeypatch.setattr("lvsmarkd.reconcile.keepalived_conf.read", read_and_remove)
    director.look()
    monkeypatch.undo()
    director.look()
    assert key(25) not in {each.key for each in director.look().services if each.configured}


def test_an_installed_keepalived_that_does_not_tell_its_version_is_asked_again(
    tmp_path: Path,
) -> None:
    asked: list[str | None] = []
    program = tmp_path / "keepalived"
    program.write_text("half unpacked")
    answers: list[Build | None] = [None, None, Build((2, 3, 3))]

    def ask(executable: str | None) -> Build | None:
        asked.append(executable)
        return answers[len(asked) - 1]

    probe = RuntimeProbe(ask=ask, program=lambda: str(program))
    assert [probe.build(None) for _ in range(6)] == [None, None, *[Build((2, 3, 3))] * 4]
    assert len(asked) == 3

    answers += [None, *[Build((2, 4, 3))] * 9]
    program.write_text("another one")
    assert [probe.build(None) for _ in range(3)] == [None, Build((2, 4, 3)), Build((2, 4, 3))]
    program.write_text("none that tells")
    answers[len(asked) :] = [None] * 99
    assert [probe.build(None) for _ in range(60)] == [None] * 60
    assert len(asked) == 12
