"""The daemon left to itself: firewalld keeps the rules while it runs, and iptables otherwise."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.control import MAIL, WEB
from tests.harness.daemon import Daemon, until
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run

pytestmark = pytest.mark.netns
AUTO = "[daemon]\nlinger_seconds = 0\n"


@pytest.fixture
def daemon(real_firewalld: RealFirewalld, tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "d").mkdir()
    real_firewalld.open_ports("80/tcp", "443/tcp", "25/tcp")
    with Daemon(tmp_path / "d", metrics=10965) as made:
        made.settings(AUTO)
        made.conf.write_text(WEB)
        yield made
        print(made.words())  # noqa: T201 - pytest shows it where a test failed


def in_firewalld(bed: RealFirewalld, mark: int = 80) -> bool:
    """Whether the mark has rules in both planes."""
    planes: tuple[tuple[str, ...], ...] = ((), ("--permanent",))
    return all(
        f"mark set={mark}" in bed.cmd(*plane, "--policy=lvsmarkd", "--list-rich-rules", check=False)
        for plane in planes
    )


def in_iptables(mark: int = 80) -> bool:
    return f"--set-xmark {mark:#x}/" in run("iptables-save", "-t", "mangle")


def test_the_rules_go_where_firewalld_is_and_where_it_is_not(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.stop()
    daemon.start()
    assert in_iptables()
    assert daemon.status()["backend"].startswith("iptables")
    real_firewalld.start()
    until(lambda: in_firewalld(real_firewalld), "rules in firewalld", 20)
    until(lambda: "LVSMARKD" not in run("iptables-save"), "iptables without them", 20)
    until(lambda: re.search("firewalld-.* keeps the rules from now on", daemon.words()), "a word")
    real_firewalld.stop()
    took = until(in_iptables, "rules in iptables again", 20)
    print(f"in iptables {took:.3f} s after firewalld had ended")  # noqa: T201 - for who looks
    assert "iptables-nft" in daemon.status()["backend"]
    real_firewalld.start()
    until(lambda: "LVSMARKD" not in run("iptables-save"), "iptables without them again", 20)
    assert in_firewalld(real_firewalld)
    until(lambda: daemon.status()["steps"] == [], "nothing left to do", 20)
    assert "Traceback" not in daemon.words()


def test_a_firewalld_that_is_killed_leaves_its_rules_and_the_service_is_kept(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    daemon.start()
    until(lambda: in_firewalld(real_firewalld), "rules in firewalld", 20)
    real_firewalld.kill()
    until(in_iptables, "rules in iptables", 20)
    daemon.conf.write_text(WEB + MAIL)
    until(lambda: in_iptables(25), "the new service's rules", 20)
    real_firewalld.start()
    until(lambda: in_firewalld(real_firewalld, 25), "all of them in firewalld", 20)
    until(lambda: "LVSMARKD" not in run("iptables-save"), "iptables without them", 20)


@pytest.mark.parametrize("firewalld_backend", ["nftables"])
def test_a_bus_that_hangs_does_not_hold_up_repairs_in_iptables(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.stop()
    daemon.start()
    until(in_iptables, "rules in iptables", 20)
    real_firewalld.freeze("bus")
    run("iptables", "-t", "mangle", "-F", "LVSMARKD")
    took = until(in_iptables, "the repair", 20)
    real_firewalld.thaw("bus")
    assert took < 3


def covered(daemon: Daemon) -> str:
    """What the metric says of the one service."""
    lines = daemon.page().splitlines()
    return next(line for line in lines if line.startswith("lvsmarkd_mark_covered{"))


def in_kernel(mark: int) -> bool:
    """Whether a chain of firewalld's sets the mark, in either of its backends."""
    native = run("nft", "list", "table", "inet", "firewalld", check=False)
    own = [line for line in run("iptables-save").splitlines() if "-A PRE_" in line]
    return f"mark set {mark:#010x}" in native or any(f"xmark {mark:#x}/" in line for line in own)


def test_what_a_killed_firewalld_left_and_is_not_wanted_any_more_is_taken_away(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    # One port: of two, iptables has one rule, and the two that firewalld had go at once.
    web = WEB.replace("80,443", "80")
    daemon.conf.write_text(web + MAIL)
    daemon.start()
    until(lambda: in_firewalld(real_firewalld), "rules in firewalld", 20)
    real_firewalld.kill()
    until(in_iptables, "rules in iptables", 20)
    until(lambda: covered(daemon).endswith('mark="25"} 1.0'), "the same mark, twice")
    # While lvsmarkd writes, a listing by nft may come to nothing.
    until(lambda: in_kernel(80), "what is still wanted")
    daemon.conf.write_text(web.replace("fwmark 80", "fwmark 81") + MAIL)
    until(lambda: in_iptables(81), "the new mark in iptables", 20)
    until(lambda: not in_kernel(80), "the old one gone")
    until(lambda: in_kernel(25), "what is still wanted")
    until(lambda: daemon.status()["steps"] == [], "nothing left to do")
    assert "conflict" not in {finding["kind"] for finding in daemon.status()["findings"]}
    real_firewalld.start()
    until(lambda: in_firewalld(real_firewalld, 81), "the new mark in firewalld", 20)
    until(lambda: in_kernel(81), "the new mark in force", 20)


@pytest.mark.parametrize("firewalld_backend", ["nftables"])
def test_what_a_killed_firewalld_left_in_zones_and_marks_otherwise_is_told(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    last = '[firewall.iptables]\nposition = "last"\n'
    daemon.settings(AUTO + f'[firewall.firewalld]\nplacement = "zone"\n{last}')
    daemon.start()
    until(lambda: in_kernel(80), "rules in firewalld", 20)
    real_firewalld.kill()
    until(in_iptables, "rules in iptables", 20)
    daemon.conf.write_text(WEB.replace("fwmark 80", "fwmark 81"))
    until(lambda: covered(daemon).endswith('mark="81"} 0.0'), "that 81 is not the last word", 20)
    assert "nft table inet firewalld" in daemon.words()
    assert daemon.status()["steps"] == []  # no move of ours passes it
    assert in_kernel(80)
    real_firewalld.start()
    # One that starts over a table that another left adds to it: what was there stays behind
    # its own, until it makes all of it anew.
    until(lambda: in_kernel(81), "firewalld with the new mark", 20)
    until(lambda: covered(daemon).endswith('mark="81"} 0.0'), "that 80 is the last word still")
    real_firewalld.cmd("--reload")
    until(lambda: covered(daemon).endswith('mark="81"} 1.0'), "that 81 is", 20)


def test_purge_takes_what_a_killed_firewalld_left(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    daemon.ask("apply", "--config", str(daemon.toml))
    assert in_kernel(80)
    real_firewalld.kill()
    daemon.ask("purge", "--config", str(daemon.toml))
    assert not in_kernel(80)


@pytest.mark.parametrize("firewalld_backend", ["nftables"])
def test_iptables_beside_a_firewalld_that_marks_otherwise(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    daemon.start()
    until(lambda: in_firewalld(real_firewalld), "rules in firewalld", 20)
    assert daemon.stop() == 0
    daemon.settings(AUTO + '[firewall]\nbackend = "iptables"\n')
    daemon.conf.write_text(WEB.replace("fwmark 80", "fwmark 81"))
    daemon.start()
    assert covered(daemon).endswith('mark="81"} 0.0')
    kinds = {finding["kind"] for finding in daemon.status()["findings"]}
    assert {"mixed", "conflict"} <= kinds


def test_purge_takes_what_is_in_either(daemon: Daemon, real_firewalld: RealFirewalld) -> None:
    daemon.settings(AUTO + '[firewall]\nbackend = "iptables"\n')
    daemon.start()
    assert daemon.stop() == 0
    assert in_iptables()
    daemon.settings(AUTO)
    _, said = daemon.ask("apply", "--config", str(daemon.toml))
    assert " made; " in said
    assert in_firewalld(real_firewalld)
    daemon.settings(AUTO + '[firewall]\nbackend = "iptables"\n')
    _, said = daemon.ask("apply", "--config", str(daemon.toml))
    assert in_iptables(), said
    daemon.settings(AUTO)
    status, said = daemon.ask("purge", "--config", str(daemon.toml))
    assert status == 0, said
    assert "LVSMARKD" not in run("iptables-save")
    assert not in_firewalld(real_firewalld)


@pytest.mark.parametrize("firewalld_backend", ["nftables"])
def test_purge_says_what_a_stopped_firewalld_would_bring_back(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    daemon.ask("apply", "--config", str(daemon.toml))
    real_firewalld.stop()
    run("mount", "--bind", str(real_firewalld.etc), "/etc/firewalld")
    try:
        purge = ("purge", "--config", str(daemon.toml))
        for backend in ((), ("--backend", "firewalld")):
            status, said = daemon.ask(*purge, *backend)
            assert status == 1
            assert "firewall-offline-cmd --delete-policy=lvsmarkd" in said
        status, said = daemon.ask(*purge, "--backend", "iptables")
        assert status == 0, said
        (real_firewalld.etc / "policies/lvsmarkd.xml").unlink()
        status, said = daemon.ask(*purge)
        assert status == 0, said
    finally:
        run("umount", "/etc/firewalld")


def test_purge_of_one_firewall_leaves_the_other(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    for backend in ("firewalld", "iptables"):
        daemon.settings(AUTO + f'[firewall]\nbackend = "{backend}"\n')
        daemon.ask("apply", "--config", str(daemon.toml))
    assert in_iptables()
    assert in_firewalld(real_firewalld)
    status, said = daemon.ask("purge", "--backend", "firewalld", "--config", str(daemon.toml))
    assert status == 0, said
    assert in_iptables()
    assert not in_firewalld(real_firewalld)


def elsewhere(daemon: Daemon, *arguments: str) -> tuple[int, str]:
    """A command in another network namespace than firewalld's, on the same bus."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "lvsmarkd", *arguments],
        env=os.environ | daemon.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_firewalld_of_another_network_namespace_is_not_ours(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    plan = ("plan", "--json", "--config", str(daemon.toml))
    _, said = daemon.ask(*plan)
    assert "firewall-cmd" in str(json.loads(said)["scripts"])
    _, said = elsewhere(daemon, *plan)
    assert "iptables" in str(json.loads(said)["scripts"])
    status, said = elsewhere(daemon, *plan, "--backend", "firewalld")
    assert status == 1
    assert "another network namespace" in said
    assert not in_firewalld(real_firewalld)


@pytest.mark.parametrize("firewalld_backend", ["nftables"])
def test_a_table_of_our_own_takes_over_from_a_firewalld_that_runs(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    def in_table() -> bool:
        return "192.0.2.10" in run("nft", "list", "table", "inet", "lvsmarkd", check=False)

    daemon.start()
    until(lambda: in_firewalld(real_firewalld), "rules in firewalld", 20)
    daemon.settings(f'{AUTO}[firewall]\nbackend = "nftables"\n')
    until(in_table, "our table", 20)
    # What accepts packets at INPUT no table of ours can do.
    until(
        lambda: "mark set=80" not in real_firewalld.cmd("--list-all-policies"),
        "firewalld without them",
        20,
    )
    assert daemon.status()["backend"] == "nftables"
    daemon.settings(AUTO)
    until(lambda: in_firewalld(real_firewalld), "rules in firewalld again", 20)
    until(lambda: not in_table(), "the end of our table", 20)
    until(lambda: daemon.status()["steps"] == [], "nothing left to do", 20)
    assert "Traceback" not in daemon.words()
