"""What an operator's mistakes look like: in the journal, the metrics and `lvsmarkd marks`."""

import pytest

from lvsmarkd.telemetry.message import Event
from tests.director.director import NAT_FLOWS, Director, nat, service, vrrp
from tests.director.ground import NAT4, Ground
from tests.director.guest import Guest, until

GOOD = vrrp() + nat(NAT_FLOWS)


@pytest.fixture(scope="module")
def world(guest: Guest, ground: Ground, director: Director) -> Director:
    director.configure(GOOD)
    director.balance("80 4", "80 6")
    director.start()
    until(lambda: ground.answers(NAT4).startswith("nat"), "the service")
    return director


def _findings(world: Director, kind: str) -> float:
    return sum(
        value
        for name, value in world.metrics().items()
        if name.startswith(f'lvsmarkd_findings{{kind="{kind}"')
    )


def test_hexadecimal_for_decimal(world: Director, guest: Guest, ground: Ground) -> None:
    """By the operator's own rule, for a service that is not declared."""
    world.configure(vrrp() + nat())
    until(lambda: world.covered(80) == 0 and ground.answers(NAT4) == "", "no mark")
    rule = f"PREROUTING -d {NAT4} -p tcp -m multiport --dports 80,443 -j MARK --set-mark"
    guest.sh(f"iptables -t mangle -A {rule} 0x80")
    until(lambda: world.said(Event.ORPHAN, "write --set-mark 80"), "the journal on the orphan")
    assert _findings(world, "orphan") == 1
    assert world.metrics()['lvsmarkd_orphan_rules{family="inet"}'] == 1
    assert "keepalived's 80 is decimal and 0x80 is 128: write --set-mark 80" in world.ask("plan")
    assert "uncovered" in world.ask("status")
    assert ground.answers(NAT4) == ""

    guest.sh(f"iptables -t mangle -A {rule} 80; iptables -t mangle -D {rule} 0x80")
    until(lambda: world.said(Event.ORPHAN_GONE), "the journal on its end")
    until(lambda: world.covered(80) == 1, "the metric")
    assert ground.answers(NAT4).startswith("nat")
    guest.sh(f"iptables -t mangle -D {rule} 80")
    world.configure(GOOD)
    until(lambda: world.covered(80) == 1 and world.covered(80, "inet6") == 1, "it is declared")


def test_a_mark_that_nobody_declared(world: Director, guest: Guest) -> None:
    world.configure(GOOD + service(25, "DR", ["192.0.2.31"]))
    guest.run("systemctl", "reload", "keepalived")
    until(lambda: world.covered(25) == 0, "the metric")
    assert world.said(Event.UNCOVERED, "25")
    assert _findings(world, "uncovered") == 1
    listing = world.ask("marks")
    assert "25" in listing
    assert "uncovered" in world.ask("status")
    # What it suggests is what ends it, once its gap is filled.
    suggestion = next(
        line.strip() for line in world.ask("plan").splitlines() if "# lvsmarkd: fwmark 25" in line
    )
    world.configure(
        suggestion.replace("<ports>", "25") + "\n" + GOOD + service(25, "DR", ["192.0.2.31"])
    )
    until(lambda: world.covered(25) == 1, "the metric once it is declared")
    assert world.said(Event.COVERED, "25")


def test_a_service_that_keepalived_dropped(world: Director, guest: Guest) -> None:
    """One without a real server is in the file, and never in IPVS."""
    text = GOOD + "virtual_server fwmark 26 {\n    # lvsmarkd: to 192.0.2.21 tcp 26\n}\n"
    world.configure(text)
    guest.run("systemctl", "reload", "keepalived")
    until(lambda: world.said(Event.KEEPALIVED_PROBLEM, "fwmark 26"), "the journal")
    assert "26 4" not in world.loaded()
    assert world.metrics()["lvsmarkd_keepalived_config_problems"] >= 1
    assert "26" in world.ask("marks")
    world.configure(GOOD)
    guest.run("systemctl", "reload", "keepalived")
    until(lambda: world.said(Event.KEEPALIVED_PROBLEM_GONE), "the journal on its end")


def test_a_service_that_somebody_deleted_from_ipvs(world: Director, guest: Guest) -> None:
    labels = '{family="inet",mark="80"}'
    guest.sh("ipvsadm -D -f 80")
    until(
        lambda: world.metrics().get(f"lvsmarkd_mark_service_loaded{labels}") == 0,
        "the metric",
        120,
    )
    assert world.said(Event.UNLOADED, "80")
    assert "80" in world.ask("marks")
    world.balance("80 4", "80 6")
    until(lambda: world.metrics()[f"lvsmarkd_mark_service_loaded{labels}"] == 1, "it is back")
    assert world.said(Event.LOADED, "80")
