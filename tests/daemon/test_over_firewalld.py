"""The real daemon over the real firewalld: both planes, repairs, reloads, restarts."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.control import MAIL, WEB
from tests.harness.daemon import Daemon, until
from tests.harness.firewalld import RealFirewalld

FIREWALLD = '[firewall]\nbackend = "firewalld"\n'
COVERED = 'lvsmarkd_mark_covered{family="inet",mark="80"}'
PLANES: tuple[tuple[str, ...], ...] = ((), ("--permanent",))

pytestmark = pytest.mark.netns


@pytest.fixture
def daemon(real_firewalld: RealFirewalld, tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "d").mkdir()
    real_firewalld.open_ports("80/tcp", "443/tcp", "25/tcp")
    with Daemon(tmp_path / "d", metrics=10965) as made:
        made.settings(FIREWALLD)
        made.conf.write_text(WEB)
        yield made
        print(made.words())  # noqa: T201 - pytest shows it where a test failed


def held(bed: RealFirewalld) -> list[list[str]]:
    """The rich rules of our policy that mark, in each plane, as firewall-cmd lists them."""
    listed = (
        bed.cmd(*plane, "--policy=lvsmarkd", "--list-rich-rules", check=False) for plane in PLANES
    )
    return [sorted(line for line in text.splitlines() if "mark" in line) for text in listed]


def steps(daemon: Daemon) -> object:
    """What a plan of a second process would change."""
    _, text = daemon.ask("plan", "--json", "--config", str(daemon.toml))
    return json.loads(text)["steps"]


def marked(bed: RealFirewalld, mark: int) -> bool:
    """Whether the mark has rules in both planes."""
    return all(any(f"mark set={mark}" in line for line in plane) for plane in held(bed))


def test_rules_are_in_both_planes_and_what_is_done_to_them_is_mended(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    daemon.start()
    until(lambda: marked(real_firewalld, 80), "rules in both planes", 20)
    before = held(real_firewalld)
    assert before[0] == before[1]
    assert steps(daemon) == []
    _, listed = daemon.ask("marks", "--json", "--config", str(daemon.toml))
    assert [each["covered"] for each in json.loads(listed)["services"]] == [True]
    for plane in PLANES:
        line = before[0][0]
        real_firewalld.cmd(*plane, "--policy=lvsmarkd", f"--remove-rich-rule={line}")
        until(lambda: held(real_firewalld) == before, f"{line} back in {plane}", 10)


def test_a_reload_and_a_restart_of_firewalld_leave_all_in_force(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    daemon.start()
    until(lambda: marked(real_firewalld, 80), "rules in both planes", 20)
    before = held(real_firewalld)
    real_firewalld.cmd("--reload")
    until(lambda: held(real_firewalld) == before, "after the reload", 10)
    real_firewalld.stop()
    time.sleep(0.5)
    assert daemon.process.poll() is None
    until(lambda: re.search("firewalld (is not running|ended)", daemon.words()), "that it says so")
    real_firewalld.start()
    until(lambda: held(real_firewalld) == before, "after the restart", 20)
    until(lambda: steps(daemon) == [], "a plan with nothing in it", 20)


def test_a_saved_keepalived_conf_moves_the_rules_and_purge_takes_all_of_them(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    daemon.settings(FIREWALLD + "[daemon]\nlinger_seconds = 0\n")
    untouched = [real_firewalld.cmd(*plane, "--list-all-zones") for plane in PLANES]
    daemon.start()
    until(lambda: marked(real_firewalld, 80), "rules in both planes", 20)
    daemon.conf.write_text(WEB + MAIL)
    until(lambda: marked(real_firewalld, 25), "the new mark", 20)
    assert daemon.stop() == 0
    assert marked(real_firewalld, 25)
    status, said = daemon.ask("purge", "--config", str(daemon.toml))
    assert status == 0, said
    assert held(real_firewalld) == [[], []]
    assert [real_firewalld.cmd(*plane, "--list-all-zones") for plane in PLANES] == untouched


@pytest.mark.parametrize(
    "beyond", ["in-interface vip0", "not-from-mac 52:54:00:00:00:01,52:54:00:00:00:02"]
)
def test_a_declaration_that_no_rich_rule_can_say_leaves_the_rules_that_work(
    daemon: Daemon, real_firewalld: RealFirewalld, beyond: str
) -> None:
    daemon.settings(FIREWALLD + "[daemon]\nlinger_seconds = 0\n")
    daemon.start()
    until(lambda: marked(real_firewalld, 80), "rules in both planes", 20)
    before = held(real_firewalld)
    daemon.conf.write_text(WEB.replace("tcp 80,443", f"tcp 80,443 {beyond}") + MAIL)
    until(lambda: marked(real_firewalld, 25), "what else the file says", 20)
    until(lambda: f"{daemon.conf}:2" in daemon.words(), "the place in the journal")
    left = [[line for line in plane if "set=80" in line] for plane in held(real_firewalld)]
    assert left == before
    assert 'lvsmarkd_mark_covered{family="inet",mark="80"} 1.0' in daemon.page()
    _, text = daemon.ask("plan", "--json", "--config", str(daemon.toml))
    plan = json.loads(text)
    assert plan["steps"] == []
    (refused,) = (each for each in plan["findings"] if each["kind"] == "refused")
    assert refused["origins"] == [f"{daemon.conf}:2"]


def test_where_the_operator_moves_the_rules_nobody_is_blamed(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    def zoned(*zones: str) -> bool:
        return all(
            ("mark set=80" in real_firewalld.cmd(*plane, f"--zone={name}", "--list-rich-rules"))
            is (name in zones)
            for plane in PLANES
            for name in ("public", "dmz")
        )

    placed = FIREWALLD + '[firewall.firewalld]\nplacement = "zone"\n'
    daemon.start()
    until(lambda: marked(real_firewalld, 80), "rules in both planes", 20)
    for zones in (("public",), ("public", "dmz"), ("public",), ("dmz",)):
        daemon.settings(f"{placed}zones = {json.dumps(zones)}\n")
        until(lambda now=zones: zoned(*now), f"rules in {zones}", 20)  # type: ignore[misc] # bound
    daemon.settings(FIREWALLD)
    until(lambda: marked(real_firewalld, 80) and zoned(), "rules in the policy again", 20)
    until(lambda: steps(daemon) == [], "a plan with nothing in it", 20)
    assert not re.search("somebody|undone|more than once", daemon.words())


def test_it_waits_for_a_firewalld_that_is_not_there_yet(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.stop()
    daemon.start(ready=False)
    until(lambda: "firewalld is not running" in daemon.words(), "that it says so", 20)
    assert "Traceback" not in daemon.words()
    real_firewalld.start()
    until(lambda: marked(real_firewalld, 80), "rules, once it is there", 20)


@pytest.mark.parametrize("firewalld_backend", ["nftables"])
def test_that_firewalld_is_stopped_is_an_outage_and_not_unknown(
    daemon: Daemon, real_firewalld: RealFirewalld
) -> None:
    daemon.settings(FIREWALLD + "guard = false\n")  # which would mark meanwhile
    daemon.start()
    until(lambda: marked(real_firewalld, 80), "rules in both planes", 20)
    real_firewalld.stop()
    until(
        lambda: 'lvsmarkd_mark_covered{family="inet",mark="80"} 0.0' in daemon.page(), "covered 0"
    )
    (broken,) = [f for f in daemon.status()["findings"] if f["kind"] == "broken"]
    assert broken["severity"] == "critical"
    assert "no rule of ours is in force" in broken["message"]
    real_firewalld.start()
    until(lambda: f"{COVERED} 1.0" in daemon.page(), "that it is again", 20)
    real_firewalld.kill()
    # It left its rules in the kernel: no alarm. Nobody can be asked for them: no last value.
    until(lambda: f"{COVERED.replace('covered', 'unknown')} 1.0" in daemon.page(), "unknown", 10)
    assert COVERED not in daemon.page()
    [state] = daemon.status()["services"]
    assert state["covered"] is None
    assert "firewalld is not running" in state["unknown_because"]
