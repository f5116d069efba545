"""Two directors, each a machine, with VRRP between them: the power of the master fails."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.director.director import Director, service, vrrp
from tests.director.figures import Figures
from tests.director.ground import DR4, NAT4, Ground, failed, outage
from tests.director.guest import Guest, Image, until

FLOWS = f"to {DR4} tcp 80,443 accept"
# Nothing but answers comes in, unless somebody accepts it: VRRP neither.
_CLOSED = """
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A INPUT -p icmp -j ACCEPT
iptables -P INPUT DROP
"""


@dataclass(frozen=True)
class Pair:
    """``first`` has the higher priority; clients and servers live in the machine of ``second``."""

    first: Director
    second: Director
    ground: Ground


# They were frozen as one machine, and must not have one another's addresses on a common segment.
_ALONE = """
hostname {name}
nic=$(ls /sys/class/net | grep ^e)
ip link set $nic address 52:54:00:00:00:0{number}
ip link set front address 02:00:00:00:00:0{number}
ip link set $nic master front up
ip -6 addr flush dev front scope link
ip -6 addr flush dev $nic
ip addr del 192.0.2.1/24 dev front
ip addr add 192.0.2.{number}/24 dev front
ip addr del 2001:db8:1::1/64 dev front
ip addr add 2001:db8:1::{number}/64 dev front nodad
sysctl -qw net.ipv4.vs.conntrack=0
"""


@pytest.fixture(scope="module")
def pair(installed: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    cable = tmp_path_factory.mktemp("w") / "w"
    wire = f"stream,id=wire,addr.type=unix,addr.path={cable}"
    with (
        Guest(installed, "first", f"{wire},server=on") as first,
        Guest(installed, "second", f"{wire},server=off") as second,
    ):
        first.launch()
        until(cable.exists, "the cable")
        second.launch()
        directors = []
        for number, guest in enumerate((first, second), 1):
            guest.meet()
            if guest is first:
                Ground(guest).take_away()
            guest.sh(_ALONE.format(name=guest.name, number=number) + _CLOSED)
            director = Director(guest)
            priority, state = {1: (150, "MASTER"), 2: (100, "BACKUP")}[number]
            director.configure(
                vrrp(priority, state) + service(81, "DR", ["192.0.2.31", "192.0.2.32"], FLOWS)
            )
            directors.append(director)
        yield Pair(directors[0], directors[1], Ground(second))


def _master(director: Director) -> bool:
    return NAT4 in director.guest.sh("ip addr show dev front")


def test_without_vrrp_accepted_both_are_masters(pair: Pair) -> None:
    for director in (pair.first, pair.second):
        director.guest.sh("systemctl start keepalived")
    until(lambda: _master(pair.first) and _master(pair.second), "two masters")
    for director in (pair.first, pair.second):
        director.guest.sh("systemctl stop keepalived")


def test_the_backup_is_ready_before_it_becomes_master(pair: Pair) -> None:
    pair.first.guest.sh("systemctl enable -q --now lvsmarkd; systemctl start keepalived")
    pair.second.guest.sh("systemctl enable -q --now lvsmarkd; systemctl start keepalived")
    until(lambda: _master(pair.first) and not _master(pair.second), "one master")
    until(lambda: "81 4" in pair.first.loaded(), "the master's IPVS")
    # The backup has its services, its marks, and no VIP.
    until(lambda: pair.second.covered(81) == 1, "the backup's marks")
    assert "81 4" in pair.second.loaded()
    assert "-p vrrp" in pair.second.guest.sh("iptables -S LVSMARKD")
    assert not _master(pair.second)
    sums = [
        director.metrics()["lvsmarkd_desired_state_checksum"]
        for director in (pair.first, pair.second)
    ]
    assert sums[0] == sums[1]
    until(lambda: pair.ground.answers(DR4).startswith("dr"), "the service by the master")
    until(lambda: pair.first.balanced("81 4") > 0, "the master's IPVS has counted it")
    assert pair.second.balanced("81 4") == 0


def test_the_power_of_the_master_fails(pair: Pair, figures: Figures) -> None:
    pair.ground.listen(f"{DR4}:80", rate=5)
    written = len(pair.second.journal())
    pair.first.guest.kill()
    took = pair.second.master()
    until(lambda: pair.ground.answers(DR4).startswith("dr"), "the service by the backup")
    pair.second.guest.sh("sleep 5")
    attempts = [one for one in pair.ground.heard() if one.kind == "new"]
    figures.fault(
        "power of the master fails",
        "with",
        f"{len(failed(attempts))} of {len(attempts)} connections, {outage(attempts):.1f} s"
        f" (another master after {took:.1f} s)",
    )
    assert not attempts[-1].wrong
    # It had nothing to do: its marks were there.
    assert len(pair.second.journal()) == written
    assert pair.second.covered(81) == 1
