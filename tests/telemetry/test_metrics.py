"""What a scrape sees after passes, watchers and calls."""

import platform

import pytest
from msgspec.structs import replace
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.plan import AddRule, Owned, Part, Plan
from lvsmarkd.model.report import Fight, Mode, Report, Result, ServiceState
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.wake import Trigger
from lvsmarkd.telemetry import series
from lvsmarkd.telemetry.exposition import registry_of
from lvsmarkd.telemetry.metrics import Metrics
from lvsmarkd.telemetry.transition import Transition, transition
from tests.harness.values import key
from tests.telemetry.reports import (
    MARKS,
    QUIET,
    drifting,
    finding,
    left,
    missing,
    rule,
    state,
    undone,
    unread,
)

WEB = {"mark": "80", "family": "inet"}


class Scraped:
    """Metrics with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 50.0
        self.last: Transition | None = None
        self.metrics = Metrics("1.2.3", lambda: self.now, lambda: 900.0)

    def see(self, *reports: Report) -> None:
        for report in reports:
            self.last = transition(self.last, report)
            self.metrics.record(self.last)

    def __call__(self, name: str, **labels: str) -> float | None:
        return registry_of(self.metrics).get_sample_value(f"lvsmarkd_{name}", labels)


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


def test_every_series_is_served_once_with_its_help_and_labels(scraped: Scraped) -> None:
    rules = {Plane.RUNTIME: {Family.INET: 1}}
    whole = replace(
        undone(80),
        services=(state(80, packets=7),),
        rules_desired=rules,
        rules_present=rules,
        keepalived_runs=True,
    )
    scraped.see(left(finding(Kind.ORPHAN, "sets 5")), whole)
    scraped.metrics.backend_call("observe", "ok", 0.003)
    scraped.metrics.watcher_up("nftables", True)
    text = generate_latest(registry_of(scraped.metrics)).decode()
    served = {family.name: family for family in text_string_to_metric_families(text)}
    for each in series.ALL:
        family = served[each.name.removesuffix("_total")]
        assert family.documentation == each.help
        assert family.samples, each.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(each.labels), each.name
    assert "process_resident_memory_bytes" in served
    assert "_created" not in text


def test_the_names_are_unique_and_follow_the_conventions() -> None:
    names = [each.name for each in series.ALL]
    assert len(names) == len(set(names)) == 44
    for each in series.ALL:
        assert each.name.endswith("_total") is (each.type is series.Type.COUNTER)
        assert not {"actor", "rule", "destination"} & set(each.labels)
        assert each.help.endswith(".")


def test_before_the_first_pass_it_says_what_is_known_and_nothing_else(scraped: Scraped) -> None:
    assert scraped("build_info", version="1.2.3", python=_python()) == 1
    assert scraped("config_last_reload_successful") == 1
    assert scraped("config_last_reload_success_timestamp_seconds") == 900
    assert scraped("reconcile_last_success_timestamp_seconds") == 0
    assert scraped("rules_desired", family="inet", plane="runtime") is None
    assert scraped("reconcile_total", trigger="timer", result="error") == 0


def test_a_pass_is_counted_and_its_state_shown(scraped: Scraped) -> None:
    scraped.see(
        replace(
            QUIET,
            rules_desired={Plane.RUNTIME: {Family.INET: 4}, Plane.PERMANENT: {Family.INET: 4}},
            rules_present={Plane.RUNTIME: {Family.INET: 3}, Plane.PERMANENT: {Family.INET: 2}},
            checksum=2**48 - 1,
            services=(state(80), state(81)),
            configuration_valid=False,
        )
    )
    assert scraped("reconcile_total", trigger="timer", result="in_sync") == 1
    assert scraped("reconcile_duration_seconds_count") == 1
    assert scraped("reconcile_duration_seconds_bucket", le="0.005") == 1
    assert scraped("reconcile_last_run_timestamp_seconds") == 1000
    assert scraped("reconcile_last_success_timestamp_seconds") == 1000
    assert scraped("mode", mode="enforce") == 1
    assert scraped("mode", mode="observe") == 0
    assert scraped("backend_info", backend="iptables-nft", version="1.8.9") == 1
    assert scraped("rules_desired", family="inet", plane="runtime") == 4
    assert scraped("rules_present", family="inet", plane="runtime") == 3
    assert scraped("rules_present", family="inet", plane="permanent") == 2
    assert scraped("keepalived_marks", family="inet") == 2
    assert scraped("keepalived_marks", family="inet6") == 0
    assert scraped("keepalived_config_valid") == 0
    assert scraped("desired_state_checksum") == 2**48 - 1


def test_mode_and_backend_are_replaced_not_added(scraped: Scraped) -> None:
    scraped.see(QUIET, replace(QUIET, mode=Mode.PAUSED, backend="iptables-legacy"))
    assert scraped("mode", mode="enforce") == 0
    assert scraped("mode", mode="paused") == 1
    assert scraped("backend_info", backend="iptables-nft", version="1.8.9") is None


def test_the_series_of_a_service_that_left_go_with_it(scraped: Scraped) -> None:
    scraped.see(replace(QUIET, services=(state(80, packets=5), state(81, packets=6))))
    assert scraped("mark_packets_total", **WEB) == 5
    scraped.see(replace(QUIET, services=(state(81, packets=6),)))
    assert scraped("mark_covered", **WEB) is None
    assert scraped("mark_packets_total", **WEB) is None
    assert scraped("mark_packets_total", mark="81", family="inet") == 6


def test_marks_of_two_families_are_two_services(scraped: Scraped) -> None:
    six = ServiceState(key(80, "inet6"), covered=False, coverage="none")
    scraped.see(replace(QUIET, services=(state(80), six)))
    assert scraped("mark_covered", **WEB) == 1
    assert scraped("mark_covered", mark="80", family="inet6") == 0


@pytest.mark.parametrize("covered", [True, False])
def test_a_service_of_which_it_is_not_known_has_no_value_that_may_be_false(
    scraped: Scraped, covered: bool
) -> None:
    scraped.see(replace(QUIET, services=(state(80, covered=covered),)))
    assert (scraped("mark_covered", **WEB), scraped("mark_unknown", **WEB)) == (covered, 0)
    for blind in (left(unread()), QUIET):  # unread, and judged unknown
        scraped.see(replace(blind, services=(state(80, covered=None),)))
        assert (scraped("mark_covered", **WEB), scraped("mark_unknown", **WEB)) == (None, 1)
        assert scraped("mark_refused_at_input", **WEB) is None
    scraped.see(replace(QUIET, services=(state(80),)))
    assert (scraped("mark_covered", **WEB), scraped("mark_unknown", **WEB)) == (1, 0)
    scraped.see(QUIET)
    assert scraped("mark_unknown", **WEB) is None


def test_drift_that_cannot_be_seen_keeps_its_last_value(scraped: Scraped) -> None:
    blind = replace(left(unread()), services=(state(80, covered=None), state(81, covered=None)))
    scraped.see(drifting(80), blind)
    assert scraped("rules_drifted", kind="missing", family="inet", plane="runtime") == 1
    assert scraped("findings", kind="unknown", severity="warning") == 1
    scraped.see(replace(QUIET, services=(state(80), state(81))))
    assert scraped("mark_covered", **WEB) == 1
    assert scraped("rules_drifted", kind="missing", family="inet", plane="runtime") == 0
    assert scraped("findings", kind="unknown", severity="warning") == 0


def test_drift_is_counted_once_for_as_long_as_it_lasts(scraped: Scraped) -> None:
    labels = {"kind": "missing", "plane": "runtime", "trigger": "timer"}
    scraped.see(drifting(80), drifting(80), drifting(80, 81))
    assert scraped("drift_detected_total", **labels) == 2
    scraped.see(QUIET, drifting(80))
    assert scraped("drift_detected_total", **labels) == 3


def test_drift_that_is_repaired_is_counted_each_time(scraped: Scraped) -> None:
    scraped.see(undone(80), undone(80))
    labels = {"kind": "missing", "plane": "runtime", "trigger": "netlink"}
    assert scraped("drift_detected_total", **labels) == 2
    assert scraped("repairs_total", **_repair()) == 2
    assert scraped("repair_latency_seconds_count") == 2
    assert scraped("repair_latency_seconds_bucket", le="0.025") == 2
    assert scraped("repair_latency_seconds_bucket", le="0.01") == 0


def test_drift_since_is_when_it_began(scraped: Scraped) -> None:
    scraped.see(QUIET)
    assert scraped("drift_since_timestamp_seconds") == 0
    scraped.see(drifting(80), replace(drifting(80), finished=2000.0))
    assert scraped("drift_since_timestamp_seconds") == 1000
    scraped.see(QUIET)
    assert scraped("drift_since_timestamp_seconds") == 0


def test_exposure_goes_on_between_passes(scraped: Scraped) -> None:
    scraped.see(replace(QUIET, services=(state(80, covered=False), state(81, covered=False))))
    scraped.now += 10
    assert scraped("exposed_seconds_total") == 10
    scraped.now += 10
    assert scraped("exposed_seconds_total") == 20
    scraped.see(replace(QUIET, services=(state(80), state(81, covered=False))))
    scraped.now += 5
    scraped.see(replace(QUIET, services=(state(80), state(81))))
    scraped.now += 100
    assert scraped("exposed_seconds_total") == 25


def test_exposure_holds_the_time_that_a_repair_took(scraped: Scraped) -> None:
    scraped.see(undone(80, latency=0.5))
    assert scraped("exposed_seconds_total") == 0.5


def test_exposure_is_the_time_in_which_it_is_known(scraped: Scraped) -> None:
    scraped.see(drifting(80))
    scraped.now += 2
    scraped.see(replace(left(unread()), services=(state(80, covered=None),)))
    scraped.now += 7
    assert scraped("exposed_seconds_total") == 2
    scraped.see(drifting(80))
    scraped.now += 3
    assert scraped("exposed_seconds_total") == 5


def test_whether_keepalived_runs_is_shown_where_it_is_seen(scraped: Scraped) -> None:
    assert scraped("keepalived_running") is None
    for runs in (True, False, None):
        scraped.see(replace(QUIET, keepalived_runs=runs))
        assert scraped("keepalived_running") == runs


def test_packets_that_input_refuses_are_shown_for_their_service(scraped: Scraped) -> None:
    refused = replace(finding(Kind.UNACCEPTED, "refused", mark=80), graded=Severity.CRITICAL)
    by_one_interface = finding(Kind.UNACCEPTED, "refused by eth1", mark=81)
    services = (state(80, covered=False), state(81))
    scraped.see(replace(left(refused, by_one_interface), services=services))
    assert scraped("mark_refused_at_input", **WEB) == 1
    assert scraped("mark_refused_at_input", mark="81", family="inet") == 0
    scraped.see(replace(left(unread()), services=(state(80, covered=None), state(81))))
    assert scraped("mark_refused_at_input", **WEB) is None
    scraped.see(replace(QUIET, services=(state(80), state(81))))
    assert scraped("mark_refused_at_input", **WEB) == 0


def test_whether_ipvs_has_a_service_is_shown_where_it_is_seen(scraped: Scraped) -> None:
    for loaded in (True, False, None):
        scraped.see(replace(QUIET, services=(replace(state(80), loaded=loaded),)))
        assert scraped("mark_service_loaded", **WEB) == loaded
        assert scraped("mark_service_configured", **WEB) == 1


@pytest.mark.parametrize(
    ("shown", "disturbed", "total"),
    [
        ([100, 150], False, 150),
        ([100, None, 150], False, 150),
        ([100, 5], False, 105),  # set to zero, and five came since
        ([100, 5], True, 100),  # a rule was put back: what the others show was counted
        ([100, 5, 8], True, 103),
        ([0, 0], False, 0),
    ],
)
def test_packets_never_fall_and_are_never_counted_twice(
    scraped: Scraped, shown: list[int | None], disturbed: bool, total: int
) -> None:
    found = Plan(steps=(AddRule(MARKS, rule(80)),)) if disturbed else Plan()
    for packets in shown:
        last = packets == shown[1]
        report = replace(QUIET, services=(state(80, packets=packets),))
        scraped.see(replace(report, found=found) if last else report)
    assert scraped("mark_packets_total", **WEB) == total


def test_a_write_that_failed_is_counted_with_its_probable_cause(scraped: Scraped) -> None:
    failed = replace(
        drifting(80, mode=Mode.ENFORCE), result=Result.ERROR, error="busy", trouble="busy"
    )
    scraped.see(failed)
    assert scraped("repairs_total", **_repair(cause="config", result="failed")) == 1
    scraped.see(failed)
    assert scraped("repairs_total", **_repair(result="failed")) == 1
    assert scraped("reconcile_consecutive_failures") == 2
    assert scraped("reconcile_last_success_timestamp_seconds") == 0
    scraped.see(QUIET)
    assert scraped("reconcile_consecutive_failures") == 0


def test_a_refused_rule_is_a_failed_repair_once(scraped: Scraped) -> None:
    refused = replace(
        drifting(80, mode=Mode.ENFORCE),
        result=Result.SUPPRESSED,
        rejected=((rule(80), "no such target"),),
    )
    scraped.see(QUIET, refused, refused)
    assert scraped("repairs_total", **_repair(result="failed")) == 1


def test_a_crash_is_a_failure_too(scraped: Scraped) -> None:
    scraped.metrics.crashed()
    assert scraped("reconcile_crashes_total") == 1
    assert scraped("reconcile_consecutive_failures") == 1


def test_a_fight_is_counted_when_it_begins(scraped: Scraped) -> None:
    fight = Fight((Owned(MARKS, Part.JUMP),), 3)
    scraped.see(replace(QUIET, fights=(fight,)), replace(QUIET, fights=(fight,)))
    assert (scraped("fight_active"), scraped("fights_total")) == (1, 1)
    scraped.see(QUIET)
    assert (scraped("fight_active"), scraped("fights_total")) == (0, 1)


def test_orphans_and_findings_are_counted_by_what_they_are(scraped: Scraped) -> None:
    scraped.see(left(finding(Kind.ORPHAN, "sets 128"), finding(Kind.ORPHAN, "sets 5")))
    assert scraped("orphan_rules", family="inet") == 2
    assert scraped("orphan_rules", family="inet6") == 0
    assert scraped("findings", kind="orphan", severity="warning") == 2


def test_problems_of_the_configuration_are_counted(scraped: Scraped) -> None:
    scraped.see(replace(QUIET, configuration_problems=(missing(1), missing(2))))
    assert scraped("keepalived_config_problems") == 2


def test_what_the_daemon_tells_beside_passes(scraped: Scraped) -> None:
    metrics = scraped.metrics
    metrics.wake(Trigger.NETLINK)
    metrics.queued(1234.5)
    assert scraped("journal_lost_total") == 0
    metrics.message_lost()
    assert scraped("journal_lost_total") == 1
    metrics.watcher_up("nftables", True)
    assert scraped("watch_overruns_total", watcher="nftables") == 0
    metrics.watch_event("nftables")
    metrics.watch_overrun("nftables")
    metrics.watcher_up("nftables", False)
    metrics.config_reload(False, 1300.0)
    metrics.backend_call("apply", "busy", 5.0)
    assert scraped("wakes_total", trigger="netlink") == 1
    assert scraped("reconcile_last_queued_timestamp_seconds") == 1234.5
    assert scraped("watch_up", watcher="nftables") == 0
    assert scraped("watch_events_total", watcher="nftables") == 1
    assert scraped("watch_overruns_total", watcher="nftables") == 1
    assert scraped("config_last_reload_successful") == 0
    assert scraped("config_last_reload_success_timestamp_seconds") == 900
    assert scraped("backend_calls_total", operation="apply", result="busy") == 1
    assert scraped("backend_call_duration_seconds_sum", operation="apply") == 5
    metrics.config_reload(True, 1400.0)
    assert scraped("config_last_reload_success_timestamp_seconds") == 1400


def test_two_of_them_share_nothing() -> None:
    one, other = Scraped(), Scraped()
    one.see(undone(80))
    assert other("repairs_total", **_repair()) == 0


def _repair(cause: str = "drift", result: str = "ok") -> dict[str, str]:
    return {"action": "add", "plane": "runtime", "cause": cause, "result": result}


def _python() -> str:
    return platform.python_version()
