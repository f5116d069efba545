"""A daemon that hangs is killed and started again by systemd, and its rules stay."""

import pytest

from lvsmarkd.telemetry.message import Event
from tests.director.director import NAT_FLOWS, Director, nat, vrrp
from tests.director.figures import Figures
from tests.director.ground import NAT4, Ground, failed
from tests.director.guest import Guest, until


@pytest.fixture(scope="module")
def world(guest: Guest, ground: Ground, director: Director) -> Director:
    director.configure(vrrp() + nat(NAT_FLOWS))
    # The minute of the unit is long for a test; what comes of it is the same.
    guest.write(
        "/etc/systemd/system/lvsmarkd.service.d/soon.conf",
        "[Service]\nWatchdogSec=15\nRestartSec=1\n",
    )
    guest.sh("systemctl daemon-reload")
    director.balance("80 4", "80 6")
    director.start()
    return director


def test_a_quiet_daemon_costs_little(world: Director, guest: Guest, figures: Figures) -> None:
    until(lambda: world.covered(80) == 1, "the metric")
    guest.sh("sleep 5")
    before = world.metrics()["process_cpu_seconds_total"]
    guest.sh("sleep 30")
    now = world.metrics()
    used = now["process_cpu_seconds_total"] - before
    # Nothing is amiss with what the package brings.
    assert {v for name, v in now.items() if name.startswith("lvsmarkd_watch_up")} == {1}
    assert now["lvsmarkd_reconcile_consecutive_failures"] == 0
    memory = now["process_resident_memory_bytes"] / 2**20
    figures.note("guest: memory of the daemon (RSS)", f"{memory:.0f} MiB")
    figures.note("guest: CPU of the quiet daemon", f"{100 * used / 30:.1f} % of an emulated core")
    assert memory < 80


def test_a_daemon_that_hangs_is_started_anew(world: Director, guest: Guest, ground: Ground) -> None:
    rules = guest.sh("iptables -t mangle -S")
    pid = guest.sh("systemctl show -P MainPID lvsmarkd").strip()
    ground.listen(f"{NAT4}:80", rate=5)
    guest.sh(f"kill -STOP {pid}")
    until(
        lambda: guest.sh("systemctl show -P MainPID lvsmarkd").strip() not in {pid, "0"},
        "another process",
        120,
    )
    until(lambda: world.covered(80) == 1, "it is at work again")
    attempts = ground.heard()
    assert failed(attempts) == []
    assert len(attempts) > 50
    assert guest.sh("iptables -t mangle -S") == rules
    assert guest.sh("systemctl show -P NRestarts lvsmarkd").strip() == "1"
    assert "watchdog" in guest.sh("journalctl -u lvsmarkd --no-pager").lower()
    assert len(world.journal(Event.STARTED)) == 2
