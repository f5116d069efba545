"""A reboot, orderly and by the reset button: marks are there before keepalived takes the VIP."""

import pytest

from tests.director.director import NAT_FLOWS, Director, nat, vrrp
from tests.director.figures import Figures
from tests.director.ground import NAT4, NAT6, SCRIPT, Ground
from tests.director.guest import until

# Told in the kernel's own time, for each unit: when it was ready, when it was started.
_READY = "systemctl show -P ActiveEnterTimestampMonotonic lvsmarkd"
_ASKED = "systemctl show -P InactiveExitTimestampMonotonic lvsmarkd"
_STARTED = "systemctl show -P ExecMainStartTimestampMonotonic keepalived"


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
    fresh: Director, figures: Figures, firewall: str, way: str
) -> None:
    guest, ground = fresh.guest, Ground(fresh.guest)
    fresh.configure(vrrp() + nat(NAT_FLOWS))
    fresh.balance("80 4", "80 6")
    # The wires of a real director are there at boot; here, before anything that needs them.
    guest.write("/etc/systemd/system/wires.service", _UNIT)
    guest.write("/usr/local/sbin/wires", f"#!/bin/sh\nset -eu\n{SCRIPT}")
    guest.sh("chmod 755 /usr/local/sbin/wires; systemctl enable -q wires keepalived lvsmarkd")
    if firewall == "firewalld":
        guest.sh("systemctl enable -q --now firewalld")
    guest.sh("systemctl start lvsmarkd")
    until(lambda: ground.answers(NAT4).startswith("nat"), "the service before the reboot")
    guest.reboot(COMMANDS[way])
    assert guest.run("systemctl", "is-active", "lvsmarkd", "keepalived").status == 0
    ready, started = float(guest.sh(_READY)), float(guest.sh(_STARTED))
    assert 0 < ready <= started
    until(lambda: {"80 4", "80 6"} <= fresh.loaded(), "the services in IPVS")
    fresh.master()
    until(lambda: ground.answers(NAT4).startswith("nat"), "the service after the reboot")
    assert ground.answers(NAT6, 443).startswith("nat")
    assert fresh.covered(80) == 1
    asked = float(guest.sh(_ASKED))
    figures.note(
        f"guest: {way} boot, {firewall}, until READY (of it the daemon)",
        f"{ready / 1e6:.1f} s ({(ready - asked) / 1e6:.1f} s)",
    )
