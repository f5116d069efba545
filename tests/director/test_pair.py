"""Two directors, each a machine, with VRRP between them: the power of the master fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.director.director import Director, service, vrrp
from tests.director.figures import Figures
from tests.director.ground import DR4, NAT4, Ground, failed
from tests.director.guest import Guest, until

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


def _wire(path: Path, number: int) -> list[str]:
    """One end of a cable between two machines."""
    role = "server=on" if number == 1 else "server=off"
    return [
        "-netdev",
        f"stream,id=wire,{role},addr.type=unix,addr.path={path}",
        *("-device", f"virtio-net-pci,netdev=wire,mac=52:54:00:00:00:0{number}"),
    ]


@pytest.fixture(scope="module")
def pair(image: Path, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    cable = Path(tmp_path_factory.mktemp("w")) / "w"
    with (
        Guest(image, "first", _wire(cable, 1)) as first,
        Guest(image, "second", _wire(cable, 2)) as second,
    ):
        first.launch()
        until(cable.exists, "the cable")
        second.launch()
        first.meet()
        second.meet()
        ground = Ground(second)
        Ground(first).build(own=1, around=False)
        ground.build(own=2, way=2)
        directors = []
        for guest, priority, state in ((first, 150, "MASTER"), (second, 100, "BACKUP")):
            guest.sh("hostname " + guest.name + "; sysctl -qw net.ipv4.vs.conntrack=0")
            guest.sh('ip link set "$(ls /sys/class/net | grep ^e)" master front up')
            guest.sh(_CLOSED)
            director = Director(guest)
            director.install(package)
            director.configure(
                vrrp(priority, state) + service(81, "DR", ["192.0.2.31", "192.0.2.32"], FLOWS)
            )
            directors.append(director)
        yield Pair(directors[0], directors[1], ground)


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
    bad = failed(attempts)
    assert attempts[-1] not in bad
    assert not [one for one in attempts if one.at > bad[-1].at and one.wrong]
    figures.fault(
        "power of the master fails",
        "with",
        f"{len(bad)} of {len(attempts)} connections; another master after {took:.1f} s",
    )
    # It had nothing to do: its marks were there.
    assert len(pair.second.journal()) == written
    assert pair.second.covered(81) == 1
