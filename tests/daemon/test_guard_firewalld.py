"""The guard beside the real firewalld: its reloads, restarts and ends lose no packet's mark."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench.traffic import PORT, served
from tests.harness.daemon import Daemon, until
from tests.harness.firewalld import RealFirewalld
from tests.harness.gap import gap
from tests.harness.netns import run

pytestmark = pytest.mark.netns

RATE = 5000


@pytest.fixture
def daemon(real_firewalld: RealFirewalld, tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "d").mkdir()
    real_firewalld.open_ports(f"{PORT}/udp")
    with Daemon(tmp_path / "d", metrics=10965) as made:
        made.settings('[firewall]\nbackend = "firewalld"\n')
        made.conf.write_text(served(1))
        yield made
        print(made.words())  # noqa: T201 - pytest shows it where a test failed


def has_all_rules(daemon: Daemon) -> bool:
    """Whether all rules are there, in both planes."""
    status = daemon.status()
    there, wanted = status["rules_present"], status["rules_desired"]
    return bool(there == wanted) and {"runtime", "permanent"} <= there.keys()


def restart(bed: RealFirewalld) -> None:
    bed.stop()
    bed.start()


def reload(bed: RealFirewalld) -> None:
    bed.cmd("--reload")


def flush(_bed: RealFirewalld) -> None:
    run("nft", "flush", "ruleset")


@pytest.mark.parametrize(("act", "times"), [(reload, 4), (restart, 2), (flush, 5)])
def test_not_one_packet_is_unmarked_whatever_becomes_of_firewalld(
    daemon: Daemon, real_firewalld: RealFirewalld, act: Callable[[RealFirewalld], None], times: int
) -> None:
    daemon.start()
    until(lambda: has_all_rules(daemon), "rules in both planes", 20)
    with gap(RATE) as through:
        before = through.passed()
        for _ in range(times):
            act(real_firewalld)
            time.sleep(0.35)
        until(lambda: has_all_rules(daemon), "the rules again", 30)
        passed = through.passed() - before
    assert passed.came > RATE * 0.3
    assert passed.unmarked == 0


def test_the_first_start_beside_a_rule_by_hand_loses_nothing(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    """The first load of a policy is a reload, which takes away what is in force by hand only."""
    rule = (
        'rule priority="1" family="ipv4" destination address="10.9.0.1"'
        f' port port="{PORT}" protocol="udp" mark set=1'
    )
    for plane in ((), ("--permanent",)):
        real_firewalld.cmd(*plane, "--zone=public", f"--add-rich-rule={rule}")
    with gap(RATE) as through:
        before = through.passed()
        daemon.start()
        until(lambda: has_all_rules(daemon), "rules in both planes", 30)
        passed = through.passed() - before
    assert (passed.came > 0, passed.unmarked) == (True, 0)
