"""FTP by mark 21, with its passive range, and with the data connection that the server opens."""

import pytest

from tests.director.director import Director, service, vrrp
from tests.director.ground import CLIENTS, FTP, Ground
from tests.director.guest import Guest, until

# Behind DR the answers to the server's own data connection come to the director, too: port 20.
FLOWS = f"to {FTP} tcp 20-21,10000-10015"


@pytest.fixture(scope="module")
def world(guest: Guest, ground: Ground, director: Director) -> Director:
    guest.sh("sysctl -qw net.ipv4.vs.conntrack=0")
    director.configure(vrrp() + service(21, "DR", ["192.0.2.31", "192.0.2.32"], FLOWS, port=21))
    director.balance("21 4")
    director.start()
    return director


@pytest.mark.parametrize(
    "way", ["--ftp-pasv", "--ftp-pasv --disable-epsv --no-ftp-skip-pasv-ip", "--ftp-port -"]
)
def test_a_file_comes(world: Director, guest: Guest, way: str) -> None:
    found = set()
    for client in CLIENTS[:2]:
        file = guest.sh(
            f"ip netns exec client curl -s -m 20 --interface 192.0.2.{client}"
            f" --disable-eprt {way} ftp://{FTP}/file"
        )
        found.add(file.strip())
    assert found == {"dr1", "dr2"}


def test_control_and_data_are_one_service(world: Director, guest: Guest, ground: Ground) -> None:
    before = ground.settled()["21 4"]
    guest.sh(f"ip netns exec client curl -s -m 20 --ftp-pasv ftp://{FTP}/file")
    until(lambda: ground.balanced()["21 4"] == before + 2, "two connections by mark 21")
    assert world.covered(21) == 1


def test_a_port_beside_the_range_stays_unmarked(
    world: Director, guest: Guest, ground: Ground
) -> None:
    before = ground.settled()["21 4"]
    for port in (9999, 10016):
        guest.run(
            *("ip", "netns", "exec", "client", "curl", "-s", "-m", "5", f"http://{FTP}:{port}/"),
            check=False,
        )
    assert ground.settled()["21 4"] == before
