"""The real daemon with a table of its own: it is put right whatever others do, and taken over."""

import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.netfilter.nftables.contents import read_contents
from lvsmarkd.netfilter.nftables.objects import TableId
from tests.bench.traffic import PORT, served, vip
from tests.harness.control import WEB
from tests.harness.daemon import Daemon, until
from tests.harness.gap import gap
from tests.harness.netns import run
from tests.harness.nft_tables import tables

pytestmark = pytest.mark.netns
TABLE = "inet lvsmarkd"
RATE = 2000
OURS = '[daemon]\nlinger_seconds = 0\n[firewall]\nbackend = "nftables"\n'
ALONE = f"{OURS}guard = false\n"
OTHERS = """
table inet site {
    chain pre {
        type filter hook prerouting priority -150;
        ip daddr 198.51.100.7 meta mark set 7
    }
}
"""


@pytest.fixture
def daemon(netns: None, tmp_path: Path) -> Iterator[Daemon]:
    del netns
    with Daemon(tmp_path, metrics=10965) as made:
        made.settings(OURS)
        made.conf.write_text(served(1))
        yield made
        print(made.words())  # noqa: T201 - pytest shows it where a test failed


def ours(name: str = TABLE) -> str:
    return run("nft", "list", "table", *name.split(), check=False)


def marked() -> bool:
    return f"{vip(1)} . udp . {PORT}" in ours()


def flush() -> None:
    run("nft", "flush", "ruleset")


def delete_table() -> None:
    run("nft", "delete", "table", *TABLE.split())


def delete_element() -> None:
    run("nft", f"delete element {TABLE} hosts4 {{ {vip(1)} . udp . {PORT} }}")


@pytest.mark.parametrize("harm", [flush, delete_table, delete_element])
def test_what_others_take_away_is_put_back_and_no_packet_misses_it(
    daemon: Daemon, harm: Callable[[], None]
) -> None:
    daemon.start()
    assert daemon.status()["backend"] == "nftables"
    assert sorted(tables()) == [TABLE, f"{TABLE}_guard"]
    before = ours()
    with gap(RATE) as through:
        for _ in range(5):
            harm()
            until(marked, "our table")
            time.sleep(0.1)
        passed = through.passed()
    assert (passed.came > 0, passed.unmarked) == (True, 0)
    until(lambda: daemon.status()["in_sync"], "peace")
    assert without_counts(ours()) == without_counts(before)


def without_counts(listing: str) -> list[str]:
    return [word for word in listing.split() if not word.isdecimal()]


def test_packets_of_the_guard_are_those_only_that_were_missed(daemon: Daemon) -> None:
    daemon.start()
    until(marked, "our table")
    with gap(RATE) as through:
        time.sleep(0.3)
        assert through.passed().unmarked == 0
    daemon.ask("apply")
    assert daemon.status()["guard"]["in_force"]
    assert daemon.status()["guard"]["packets"] == []


def test_tables_of_others_stay_as_they_are_and_nothing_wakes_by_our_own(daemon: Daemon) -> None:
    run("nft", "-f", "-", stdin=OTHERS)
    others = ours("inet site")
    daemon.start()
    daemon.conf.write_text(WEB)
    until(lambda: "192.0.2.10" in ours(), "the other service")
    time.sleep(1)
    woken = [
        line for line in daemon.page().splitlines() if 'wakes_total{trigger="netlink"}' in line
    ]
    assert woken in ([], ['lvsmarkd_wakes_total{trigger="netlink"} 0.0'])
    daemon.conf.write_text("global_defs {\n}\n")
    until(lambda: TABLE not in tables(), "the end of the service")
    assert ours("inet site") == others


def test_a_daemon_that_comes_back_takes_the_table_over_as_it_is(daemon: Daemon) -> None:
    daemon.settings(ALONE)
    daemon.start()
    until(marked, "our table")
    with gap(RATE) as through:
        handle, counted = in_kernel()
        for how in (signal.SIGKILL, signal.SIGTERM):
            daemon.stop(how)
            assert marked()
            daemon.start()
        assert daemon.status()["in_sync"]
        now, more = in_kernel()
        passed = through.passed()
    assert (now, more > counted) == (handle, True)
    assert (passed.came > 0, passed.unmarked) == (True, 0)


def in_kernel() -> tuple[list[int], int]:
    """The handles of the table's rules, which a rule that is made anew has others of; what its
    elements have counted.
    """
    kernel = NfTablesSocket()
    try:
        found = read_contents(kernel, TableId(NftFamily.INET, "lvsmarkd"))
    finally:
        kernel.close()
    handles = [rule.handle for rules in found.rules.values() for rule in rules]
    counts = (each.counts for those in found.elements.values() for each in those)
    return handles, sum(each.packets for each in counts if each is not None)


def test_saving_keepalived_conf_leaves_what_stays(daemon: Daemon) -> None:
    daemon.settings(ALONE)
    daemon.start()
    until(marked, "our table")
    with gap(RATE) as through:
        for text in (served(1) + WEB, served(1)) * 4:
            daemon.conf.write_text(text)
            until(partial(has_web, WEB in text), "the change")
        passed = through.passed()
    assert (passed.came > 0, passed.unmarked) == (True, 0)


def has_web(meant: bool) -> bool:
    return ("192.0.2.10" in ours()) is meant


def test_it_moves_from_iptables_and_back_without_a_gap(daemon: Daemon) -> None:
    daemon.settings('[firewall]\nbackend = "iptables"\nguard = false\n')
    daemon.start()
    until(lambda: "-A LVSMARKD" in run("iptables-save"), "rules in iptables")
    with gap(RATE) as through:
        daemon.settings(ALONE)
        until(marked, "our table")
        until(lambda: "LVSMARKD" not in run("iptables-save"), "iptables without them")
        assert daemon.status()["backend"] == "nftables"
        daemon.settings('[firewall]\nbackend = "iptables"\nguard = false\n')
        until(lambda: "-A LVSMARKD" in run("iptables-save"), "rules in iptables")
        until(lambda: TABLE not in tables(), "the end of our table")
        passed = through.passed()
    assert (passed.came > 0, passed.unmarked) == (True, 0)
    until(lambda: daemon.status()["in_sync"], "peace")


def test_pause_observe_and_purge(daemon: Daemon) -> None:
    daemon.start()
    until(marked, "our table")
    daemon.ask("pause")
    delete_table()
    time.sleep(0.5)
    assert TABLE not in tables()
    daemon.ask("resume")
    until(marked, "our table")
    daemon.stop()
    for backend in ("nftables", "iptables"):
        if backend == "iptables":
            daemon.start()
            daemon.stop()
        daemon.forget_store()
        assert TABLE in tables()
        asked = ("purge", "--config", str(daemon.toml), "--backend", backend)
        status, said = daemon.ask(*asked)
        assert (status, vip(1) in said) == (0, True), said
        assert tables() == [] or TABLE not in tables()


def test_accept_is_refused_with_what_to_do(daemon: Daemon) -> None:
    daemon.conf.write_text(WEB.replace("tcp 80,443", "tcp 80,443 accept"))
    daemon.start()
    found = daemon.status()["findings"]
    (refused,) = (each for each in found if each["kind"] == "refused")
    assert "meta mark 80 accept" in refused["fact"]
    assert "192.0.2.10" not in ours()
