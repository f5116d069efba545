"""Somebody undoes the rules while clients ask: what it costs them, without lvsmarkd and with it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lvsmarkd.telemetry.message import Event
from tests.director.director import NAT_FLOWS, Director, nat, vrrp
from tests.director.figures import Figures
from tests.director.ground import NAT4, Attempt, Ground, failed
from tests.director.guest import Guest, until

TARGET = f"{NAT4}:80"
LOOK = 15
"""Seconds of the guest's for which the clients are watched after a fault."""


@dataclass(frozen=True)
class Fault:
    """What somebody does; under which firewall; what the service may lose with lvsmarkd."""

    name: str
    script: str
    firewall: str
    lost: float
    """Seconds. The machine is emulated: a program takes twenty times as long as on a real one."""
    event: Event | None = Event.REPAIRED


FAULTS = (
    Fault("iptables -t mangle -F", "iptables -t mangle -F", "iptables", 3),
    Fault("nft flush ruleset", "nft flush ruleset", "iptables", 3),
    Fault("daemon killed", "systemctl kill -s KILL lvsmarkd", "iptables", 0, None),
    Fault("firewall-cmd --reload", "firewall-cmd --reload", "firewalld", 12, None),
    Fault("nft flush, firewalld", "nft flush ruleset", "firewalld", 40, None),
    Fault("firewalld restarted", "systemctl restart firewalld", "firewalld", 12, None),
    Fault("firewalld stopped", "systemctl stop firewalld", "firewalld", 5, Event.BACKEND_CHANGED),
)
# What an operator without lvsmarkd has: the same rules, written once, in force and permanent only
# where firewalld makes them so.
_BY_HAND = {
    "iptables": f"iptables -t mangle -A PREROUTING -d {NAT4} -p tcp -m multiport --dports 80,443"
    " -j MARK --set-mark 80",
    "firewalld": "".join(
        f'firewall-cmd -q --add-rich-rule=\'rule family="ipv4" destination address="{NAT4}"'
        f' port port="{port}" protocol="tcp" {verb}\'\n'
        for port in (80, 443)
        for verb in ("mark set=80", "accept")
    ),
}


@pytest.fixture(scope="module")
def world(guest: Guest, ground: Ground, director: Director) -> Director:
    director.settings("[daemon]\nlinger_seconds = 1\n")
    director.configure(vrrp() + nat(NAT_FLOWS))
    director.balance("80 4", "80 6")
    return director


@pytest.fixture(params=FAULTS, ids=lambda fault: fault.name)
def fault(request: pytest.FixtureRequest, guest: Guest, world: Director) -> Iterator[Fault]:
    fault: Fault = request.param
    if fault.firewall == "firewalld":
        guest.sh("systemctl start firewalld")
    yield fault
    guest.sh("systemctl stop lvsmarkd; lvsmarkd purge; systemctl stop firewalld")
    guest.sh("nft flush ruleset; ipvsadm -Z")


def outage(attempts: list[Attempt], kind: str) -> float:
    """Seconds from the first question without an answer to the first with one after the last."""
    asked = sorted((one for one in attempts if one.kind == kind), key=lambda one: one.at)
    bad = [one.at for one in asked if one.wrong]
    if not bad:
        return 0
    well = [one.at for one in asked if not one.wrong and one.at > bad[-1]]
    return (well[0] if well else asked[-1].at + asked[-1].took) - bad[0]


def _suffered(ground: Ground, guest: Guest, fault: Fault, seconds: float) -> list[Attempt]:
    ground.listen(TARGET, rate=10)
    guest.sh(fault.script)
    guest.sh(f"sleep {seconds}")
    return ground.heard()


def _told(attempts: list[Attempt], seconds: float, *, ended: bool) -> str:
    new = [one for one in attempts if one.kind == "new"]
    length = f"{seconds:.1f} s" if ended else "does not end"
    return f"{len(failed(new))} of {len(new)} connections, {length}"


def test_what_a_fault_costs(
    world: Director, guest: Guest, ground: Ground, figures: Figures, fault: Fault
) -> None:
    name = fault.name
    if fault.event or "killed" not in name:
        guest.sh(_BY_HAND[fault.firewall])
        until(lambda: ground.answers(NAT4), "the service, by rules made by hand")
        without = _suffered(ground, guest, fault, 8)
        ended = bool(ground.answers(NAT4))
        figures.fault(name, "without", _told(without, outage(without, "new"), ended=ended))
        guest.sh("nft flush ruleset; iptables -t mangle -F")
        guest.sh("systemctl restart firewalld" if fault.firewall == "firewalld" else "true")

    world.start()
    until(lambda: ground.answers(NAT4), "the service, by lvsmarkd")
    attempts = _suffered(ground, guest, fault, LOOK + 2 * fault.lost)
    assert ground.answers(NAT4), "the service has come back"
    lost = outage(attempts, "new")
    figures.fault(name, "with", _told(attempts, lost, ended=True))
    assert lost <= fault.lost
    until(lambda: world.covered(80) == 1, "the metric")
    if fault.event:
        assert world.said(fault.event)
