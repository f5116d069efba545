"""The guard in the real daemon: packets keep their mark whatever others, or we, do to the rules."""

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.netfilter.nftables.changes import add
from lvsmarkd.netfilter.nftables.objects import NftTable, TableFlag, TableId
from lvsmarkd.netfilter.nftables.transaction import write
from tests.bench.traffic import served
from tests.harness.control import WEB
from tests.harness.daemon import Daemon, until
from tests.harness.gap import Gap, Passed, gap
from tests.harness.netns import run
from tests.harness.nft_tables import tables

RATE = 5000
TIMES = 12
"""Of each event: thousands of packets pass meanwhile."""


@pytest.fixture
def daemon(variant: str, tmp_path: Path) -> Iterator[Daemon]:
    del variant  # iptables is of that kind
    with Daemon(tmp_path, metrics=10965) as made:
        made.conf.write_text(served(1))
        yield made
        print(made.words())  # noqa: T201 - pytest shows it where a test failed


def guarded() -> bool:
    return "inet lvsmarkd_guard" in tables()


def marked() -> bool:
    return "-A LVSMARKD" in run("iptables-save", "-t", "mangle")


def lost(through: Gap, act: Callable[[], object], times: int = TIMES) -> Passed:
    """What came during some acts, and was not marked."""
    before = through.passed()
    for _ in range(times):
        act()
        time.sleep(0.1)
    time.sleep(0.2)
    return through.passed() - before


def flush_nftables() -> None:
    run("nft", "flush", "ruleset")


def flush_iptables() -> None:
    run("iptables", "-w", "5", "-t", "mangle", "-F")


@pytest.mark.parametrize("flush", [flush_nftables, flush_iptables])
def test_not_one_packet_is_unmarked_while_others_flush(
    daemon: Daemon, flush: Callable[[], None]
) -> None:
    daemon.start()
    until(guarded, "the guard")
    with gap(RATE) as through:
        passed = lost(through, flush)
    assert passed.came > RATE * TIMES * 0.05
    assert passed.unmarked == 0
    until(marked, "the rules", 3)


def test_not_one_packet_is_unmarked_while_an_old_dump_is_restored(daemon: Daemon) -> None:
    run("iptables", "-t", "mangle", "-A", "POSTROUTING", "-j", "ACCEPT")
    saved = run("iptables-save")
    daemon.start()
    until(guarded, "the guard")
    with gap(RATE) as through:
        passed = lost(through, lambda: run("iptables-restore", stdin=saved))
    assert (passed.came > 0, passed.unmarked) == (True, 0)


def test_not_one_packet_is_unmarked_while_the_daemon_is_killed_and_all_is_flushed(
    daemon: Daemon,
) -> None:
    """As under systemd, which keeps the socket; and so the table, whoever flushes meanwhile."""
    daemon.start()
    until(lambda: daemon.store, "the socket in the store")

    def kill_flush_start() -> None:
        daemon.stop(signal.SIGKILL)
        flush_nftables()
        flush_iptables()
        daemon.start()

    with gap(RATE) as through:
        passed = lost(through, kill_flush_start, 3)
    assert (passed.came > 0, passed.unmarked) == (True, 0)


def test_not_one_packet_is_unmarked_while_keepalived_conf_is_saved(daemon: Daemon) -> None:
    daemon.settings("[daemon]\nlinger_seconds = 0\n")
    daemon.start()
    until(guarded, "the guard")
    kinds = iter([WEB, "", WEB, ""] * TIMES)
    with gap(RATE) as through:
        passed = lost(through, lambda: daemon.conf.write_text(served(1) + next(kinds)))
    assert (passed.came > 0, passed.unmarked) == (True, 0)


def test_what_the_guard_marked_is_counted_and_told(daemon: Daemon) -> None:
    daemon.start()
    until(guarded, "the guard")
    with gap(RATE) as through:
        lost(through, flush_iptables, 3)
        until(lambda: 'guarded_packets_total{family="inet",mark="1"}' in daemon.page(), "a count")
        daemon.ask("apply")
        page = daemon.page()
        status = daemon.status()
    (service,) = status["services"]
    (count,) = status["guard"]["packets"]
    assert (count["family"], count["mark"]) == ("inet", 1)
    assert count["packets"] > 0
    assert f'guarded_packets_total{{family="inet",mark="1"}} {count["packets"]}.0' in page
    assert "lvsmarkd_guard_in_force 1.0" in page
    assert (service["covered"], service["guarded"]) == (True, False)
    assert "were marked by the guard" in daemon.words()


def test_what_an_earlier_daemon_has_counted_is_not_told_again(daemon: Daemon) -> None:
    daemon.start()
    until(lambda: daemon.store, "the socket in the store")
    with gap(RATE) as through:
        lost(through, flush_iptables, 3)
        daemon.ask("apply")
        assert daemon.status()["guard"]["packets"]
        daemon.stop(signal.SIGKILL)
        daemon.start()
        for _ in range(3):
            daemon.ask("apply")
        assert daemon.status()["guard"]["packets"] == []
        lost(through, flush_iptables, 1)
        until(lambda: 'guarded_packets_total{family="inet",mark="1"}' in daemon.page(), "a count")


def test_while_the_rules_cannot_be_mended_the_service_is_covered_by_the_guard(
    daemon: Daemon, variant: str, tmp_path: Path
) -> None:
    name, broken = f"iptables-{variant}-restore", tmp_path / "broken"
    restore = tmp_path / "bin" / name
    restore.write_text(
        f'#!/bin/sh\n[ -e {broken} ] || exec /usr/sbin/{name} "$@"\n'
        "cat >/dev/null\necho it is broken >&2; exit 1\n"
    )
    restore.chmod(0o755)
    daemon.start()
    until(guarded, "the guard")
    broken.touch()
    flush_iptables()
    until(lambda: not daemon.status()["in_sync"], "the drift")
    (service,) = daemon.status()["services"]
    assert (service["covered"], service["guarded"]) == (True, True)
    assert 'lvsmarkd_mark_covered{family="inet",mark="1"} 1.0' in daemon.page()
    drift = [each for each in daemon.status()["findings"] if each["kind"] == "missing"]
    assert drift
    assert {each["severity"] for each in drift} == {"warning"}
    daemon.ask("pause")  # and the guard goes
    (service,) = daemon.status()["services"]
    assert (service["covered"], service["guarded"]) == (False, False)
    daemon.ask("resume")
    (service,) = daemon.status()["services"]
    assert (service["covered"], service["guarded"]) == (True, True)


def test_who_takes_a_mark_for_good_is_told_though_the_guard_covers_it(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.start()
    until(guarded, "the guard")
    takes = tmp_path / "takes.nft"
    takes.write_text(
        "table inet other {\nchain takes {\ntype filter hook prerouting priority -145;\n"
        "ip daddr 10.9.0.1 meta mark set 0\n}\n}\n"
    )
    run("nft", "-f", str(takes))

    def conflicts(findings: list[dict[str, str]]) -> list[str]:
        return [each["message"] for each in findings if each["kind"] == "conflict"]

    until(lambda: conflicts(daemon.status()["findings"]), "the conflict")
    status = daemon.status()
    (told,) = conflicts(status["findings"])
    assert "inet other, chain takes takes mark 1 from packets of 10.9.0.1 udp 53" in told
    (service,) = status["services"]
    assert (service["covered"], service["guarded"]) == (True, True)
    _, planned = daemon.ask("plan", "--json", "--config", str(daemon.toml))
    assert conflicts(json.loads(planned)["findings"]) == [told], "a second process sees the same"


def test_the_guard_goes_with_pause_observe_and_the_declaration(daemon: Daemon) -> None:
    daemon.start()
    until(guarded, "the guard")
    daemon.ask("pause")
    assert not guarded()
    daemon.ask("resume")
    assert guarded()
    daemon.settings('[daemon]\nmode = "observe"\n')
    until(lambda: not guarded(), "observe")
    daemon.settings("[firewall]\nguard = false\n")
    until(lambda: daemon.status()["mode"] == "enforce", "enforce")
    assert not guarded()
    daemon.settings("")
    until(guarded, "the guard")
    daemon.conf.write_text("")
    daemon.conf.write_text(WEB)
    until(lambda: "10.9.0.1" not in run("nft", "list", "ruleset"), "the end of the declaration")
    assert "192.0.2.10" in run("nft", "list", "table", "inet", "lvsmarkd_guard")


def test_what_a_killed_daemon_left_is_taken_over_and_purged(daemon: Daemon) -> None:
    daemon.start()
    until(guarded, "the guard")
    daemon.stop(signal.SIGKILL)
    daemon.forget_store()  # it persists on this kernel, with nobody's socket
    assert guarded()
    daemon.start()
    until(lambda: daemon.status()["guard"]["in_force"], "the guard")
    daemon.stop()
    daemon.forget_store()
    status, said = daemon.ask("purge", "--config", str(daemon.toml))
    assert (status, "the guard" in said) == (0, True), said
    assert not guarded()


def test_where_a_guard_cannot_be_removed_the_rules_are_purged_all_the_same(
    daemon: Daemon,
) -> None:
    daemon.start()
    until(lambda: daemon.store, "the socket in the store")
    daemon.stop(signal.SIGKILL)
    status, said = daemon.ask("purge", "--config", str(daemon.toml))
    assert (status, "the guard is left" in said) == (1, True), said
    assert not marked()
    daemon.forget_store()
    status, said = daemon.ask("purge", "--config", str(daemon.toml))
    assert (status, said) == (0, "- table inet lvsmarkd_guard, the guard\n")


def test_where_the_store_has_something_else_the_guard_is_there_at_once_and_for_good(
    daemon: Daemon,
) -> None:
    daemon.store["lvsmarkd_guard"] = os.open("/dev/null", os.O_RDONLY)
    daemon.start()
    assert daemon.status()["guard"]["in_force"]
    until(lambda: stat.S_ISSOCK(os.fstat(daemon.store["lvsmarkd_guard"]).st_mode), "the socket")
    daemon.stop(signal.SIGKILL)
    flush_nftables()
    assert guarded(), "it is the socket in the store that the table belongs to"
    daemon.start()
    assert daemon.status()["guard"]["in_force"]
    assert "no guard" not in daemon.words()


def test_a_guard_that_is_another_programs_is_left_to_it_and_told(daemon: Daemon) -> None:
    others = NfTablesSocket()
    table = NftTable(TableId(NftFamily.INET, "lvsmarkd_guard"), TableFlag.OWNER)
    write(others, add(table))
    daemon.start()
    guard = daemon.status()["guard"]
    assert (guard["in_force"], "another program's socket" in guard["reason"]) == (False, True)
    assert "another program's socket" in daemon.words()
    assert marked(), "the firewall's rules are there all the same"
    others.close()
    daemon.ask("apply")
    assert daemon.status()["guard"]["in_force"]


def test_our_own_guard_wakes_nobody_and_is_no_finding(daemon: Daemon) -> None:
    daemon.settings("[daemon]\nlinger_seconds = 0\n")
    daemon.start()
    until(guarded, "the guard")
    daemon.conf.write_text(WEB)
    until(lambda: "192.0.2.10" in run("nft", "list", "ruleset"), "the other service")
    time.sleep(1)
    woken = [
        line for line in daemon.page().splitlines() if 'wakes_total{trigger="netlink"}' in line
    ]
    assert woken in ([], ['lvsmarkd_wakes_total{trigger="netlink"} 0.0'])
    for asked in (["status"], ["plan", "--config", str(daemon.toml)]):
        status, answer = daemon.ask(*asked, "--json")
        assert (status, '"findings": []' in answer) == (0, True), answer


def test_a_saved_ruleset_of_nft_has_the_guard_in_it_and_nft_cannot_load_that(
    daemon: Daemon, tmp_path: Path
) -> None:
    """The hazard that docs/nftables.md tells: table by table it can be saved."""
    daemon.start()
    until(guarded, "the guard")
    path = tmp_path / "saved.nft"
    path.write_text(run("nft", "list", "ruleset"))
    done = subprocess.run(
        ["nft", "-f", str(path)], capture_output=True, check=False, timeout=20, env=os.environ
    )
    assert done.returncode != 0
