"""A reboot, orderly and by the reset button: marks are there before keepalived takes the VIP."""

import pytest

from tests.director.director import NAT_FLOWS, Director, nat, vrrp
from tests.director.figures import Figures
from tests.director.ground import NAT4, NAT6, SCRIPT, Ground
from tests.director.guest import Guest, until

# Told in the kernel's own time, for each unit: when it was ready, when it was started.
_READY = "systemctl show -P ActiveEnterTimestampMonotonic lvsmarkd"
_STARTED = "systemctl show -P ExecMainStartTimestampMonotonic keepalived"


@pytest.fixture(scope="module")
def world(guest: Guest, ground: Ground, director: Director) -> Director:
    director.configure(vrrp() + nat(NAT_FLOWS))
    director.balance("80 4", "80 6")
    # The wires of a real director are there at boot; here, before anything that needs them.
    guest.write("/etc/systemd/system/wires.service", _UNIT)
    guest.write("/usr/local/sbin/wires", f"#!/bin/sh\nset -eu\n{SCRIPT}")
    guest.sh("chmod 755 /usr/local/sbin/wires; systemctl enable -q wires keepalived lvsmarkd")
    return director


_UNIT = """
[Unit]
Before=network-pre.target firewalld.service lvsmarkd.service keepalived.service
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/wires
[Install]
WantedBy=multi-user.target
"""


COMMANDS = {"orderly": "systemctl reboot", "reset": "sync; echo b > /proc/sysrq-trigger"}


@pytest.mark.parametrize(("way", "firewall"), [("orderly", "firewalld"), ("reset", "iptables")])
def test_the_marks_come_before_the_vip(
    world: Director, ground: Ground, figures: Figures, firewall: str, way: str
) -> None:
    guest = world.guest
    verb = "enable" if firewall == "firewalld" else "disable"
    guest.sh(f"systemctl {verb} -q --now firewalld; systemctl start lvsmarkd")
    until(lambda: ground.answers(NAT4).startswith("nat"), "the service before the reboot")
    guest.reboot(COMMANDS[way])
    assert guest.run("systemctl", "is-active", "lvsmarkd", "keepalived").status == 0
    ready, started = float(guest.sh(_READY)), float(guest.sh(_STARTED))
    assert 0 < ready <= started
    until(lambda: {"80 4", "80 6"} <= world.loaded(), "the services in IPVS")
    world.master()
    until(lambda: ground.answers(NAT4).startswith("nat"), "the service after the reboot", 20)
    assert ground.answers(NAT6, 443).startswith("nat")
    assert world.covered(80) == 1
    figures.note(f"guest: {way} boot until READY, {firewall}", f"{ready / 1e6:.1f} s")
