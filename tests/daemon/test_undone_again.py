"""Other programs at the same rules, over and over: the real daemon over both kinds of iptables."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.control import WEB
from tests.harness.daemon import Daemon, until
from tests.harness.netns import run

FELIX = """\
*mangle
:cali-PREROUTING - [0:0]
-A cali-PREROUTING -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A cali-PREROUTING -m mark --mark 0x10000/0x10000 -j ACCEPT
-I PREROUTING -m comment --comment "cali:first" -j cali-PREROUTING
COMMIT
"""
"""As Calico's agent leaves it: held connections and packets of its own leave the table."""
FELIX_JUMP = ("PREROUTING", "-m", "comment", "--comment", "cali:first", "-j", "cali-PREROUTING")


@pytest.fixture
def daemon(variant: str, tmp_path: Path) -> Iterator[Daemon]:
    del variant  # iptables is of that kind
    with Daemon(tmp_path, metrics=10965) as made:
        made.conf.write_text(WEB)
        yield made
        print(made.words())  # noqa: T201 - pytest shows it where a test failed


def jumps() -> list[str]:
    listing = run("iptables-save", "-t", "mangle").splitlines()
    return [line.split("-j ")[1] for line in listing if line.startswith("-A PREROUTING ")]


def marks() -> bool:
    return "--set-xmark 0x50/" in run("iptables-save", "-t", "mangle") and "LVSMARKD" in jumps()


def test_a_saved_ruleset_that_is_restored_again_and_again_is_mended_each_time(
    daemon: Daemon,
) -> None:
    run("iptables", "-t", "mangle", "-A", "POSTROUTING", "-j", "ACCEPT")
    saved = run("iptables-save")
    daemon.start()
    for _ in range(8):
        until(marks, "the rules", 2)
        time.sleep(0.5)
        run("iptables-restore", stdin=saved)
    assert until(marks, "the rules after the eighth time", 2) < 2
    (fight,) = daemon.status()["fights"]
    assert len(fight["rules"]) > 1, "one program, one fight, whatever it undid"


def test_a_program_that_wants_the_first_place_and_lets_new_packets_pass_is_no_enemy(
    daemon: Daemon,
) -> None:
    run("iptables-restore", "--noflush", stdin=FELIX)
    daemon.start()
    until(marks, "the rules", 2)
    for _ in range(6):
        run("iptables", "-w", "5", "-t", "mangle", "-D", *FELIX_JUMP)
        run("iptables", "-w", "5", "-t", "mangle", "-I", *FELIX_JUMP)
        time.sleep(0.4)
        assert jumps() == ["cali-PREROUTING", "LVSMARKD"]
    status = daemon.status()
    assert status["fights"] == []
    assert [f["kind"] for f in status["findings"] if f["severity"] == "critical"] == []
    assert [state["covered"] for state in status["services"]] == [True]
    assert "undo" not in daemon.words()
