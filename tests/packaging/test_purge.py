"""What the Debian package's purge takes away, and what it leaves: its script as dpkg runs it, with
firewalld as it may be found. tests/director/test_install.py has it within the package's life."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.control import WEB
from tests.harness.daemon import Daemon
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run

pytestmark = pytest.mark.netns

POSTRM = Path(__file__).parent.parent.parent / "packaging" / "debian" / "lvsmarkd.postrm"
ALIKE = 'rule priority="10965" family="ipv4" source address="203.0.113.66" drop'
PLANES: tuple[tuple[str, ...], ...] = ((), ("--permanent",))
# The machine's own /etc and /var/lib stay as they are, whatever the script does.
INSIDE = """
mount --bind "$1/etc" /etc
mount --bind "$1/firewalld" /etc/firewalld
mount --bind "$1/lib" /var/lib
exec sh "$2" purge
"""
SYSTEMCTL = '#!/bin/sh\n[ "$*" = "-q is-active firewalld" ] && exit {status}\nexit 1\n'


@dataclass(frozen=True)
class Place:
    """A machine that had lvsmarkd, with firewalld and iptables."""

    bed: RealFirewalld
    directory: Path

    def fill(self, daemon: Daemon, placement: str) -> None:
        """Rules of ours and others in both firewalls, and files of both."""
        daemon.conf.write_text(WEB)
        for backend in ("firewalld", "iptables"):
            placed = f'[firewall.firewalld]\nplacement = "{placement}"\n'
            daemon.settings(f'[firewall]\nbackend = "{backend}"\n{placed}')
            status, said = daemon.ask("apply", "--config", str(daemon.toml))
            assert status in {0, 2}, said  # 2: it warns of the two
        for plane in PLANES:
            self.bed.cmd(*plane, "--zone=dmz", f"--add-rich-rule={ALIKE}")
        run("iptables", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "7")
        settings = self.directory / "etc" / "lvsmarkd"
        (settings / "conf.d").mkdir(parents=True)
        for name in ("lvsmarkd.toml", "conf.d/more.toml", "notes.txt"):
            (settings / name).touch()
        (self.directory / "lib" / "lvsmarkd").mkdir(parents=True)

    def purge(self, *, active: bool) -> str:
        """Run the script; gives what it says. ``active``: what systemd says of firewalld."""
        systemctl = self.directory / "bin" / "systemctl"
        systemctl.parent.mkdir()
        systemctl.write_text(SYSTEMCTL.format(status=0 if active else 3))
        systemctl.chmod(0o755)
        environment = dict(self.bed.environment)
        environment["PATH"] = f"{systemctl.parent}:{environment['PATH']}:/usr/sbin:/sbin"
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-euc", INSIDE, "sh", str(self.directory), str(POSTRM)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def kept(self) -> list[str]:
        """Rich rules of our priority, and our policy, wherever firewalld keeps them."""
        texts = (file.read_text() for file in sorted(self.bed.etc.rglob("*.xml*")))
        lines = [line.strip() for text in texts for line in text.splitlines() if "10965" in line]
        return [*lines, *map(str, self.bed.etc.glob("policies/lvsmarkd*"))]


@pytest.fixture
def place(real_firewalld: RealFirewalld, tmp_path: Path) -> Place:
    subprocess.run(["cp", "-a", "/etc", str(tmp_path / "etc")], check=True, timeout=60)
    (tmp_path / "etc" / "firewalld").mkdir(exist_ok=True)
    (tmp_path / "firewalld").symlink_to(real_firewalld.etc)
    return Place(real_firewalld, tmp_path)


@pytest.fixture
def daemon(place: Place, tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "d").mkdir()
    with Daemon(tmp_path / "d") as made:
        yield made


def mangle() -> list[str]:
    """Rules and chains of the table, in both families."""
    text = run("iptables-save", "-t", "mangle") + run("ip6tables-save", "-t", "mangle")
    return [line for line in text.splitlines() if line.startswith("-A") or "LVSMARKD" in line]


THEIRS = ["-A PREROUTING -j MARK --set-xmark 0x7/0xffffffff"]


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
@pytest.mark.parametrize("placement", ["policy", "zone"])
@pytest.mark.parametrize("runs", [True, False], ids=["runs", "stopped"])
def test_all_that_is_ours_goes_and_nothing_else(
    place: Place, daemon: Daemon, placement: str, runs: bool
) -> None:
    bed = place.bed
    before = [bed.cmd(*plane, "--list-all-zones") for plane in PLANES]
    place.fill(daemon, placement)
    assert len(place.kept()) > 1
    if not runs:
        saved = run("iptables-save", "-t", "mangle")
        bed.stop()  # it takes the rules of iptables with it
        run("iptables-restore", stdin=saved)
    assert any("LVSMARKD" in line for line in mangle())
    assert place.purge(active=runs) == ""
    assert mangle() == THEIRS
    if not runs:
        bed.start()
    for plane in PLANES:
        if runs or plane:
            bed.cmd(*plane, "--zone=dmz", f"--query-rich-rule={ALIKE}")
            bed.cmd(*plane, "--zone=dmz", f"--remove-rich-rule={ALIKE}")
    bed.cmd("--reload")
    assert [bed.cmd(*plane, "--list-all-zones") for plane in PLANES] == before
    assert "lvsmarkd" not in bed.cmd("--get-policies") + bed.cmd("--permanent", "--get-policies")
    assert sorted(file.name for file in (place.directory / "etc" / "lvsmarkd").iterdir()) == [
        "notes.txt"
    ]
    assert not (place.directory / "lib" / "lvsmarkd").exists()


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_a_firewalld_that_hangs_is_left_alone_and_told(place: Place, daemon: Daemon) -> None:
    bed = place.bed
    place.fill(daemon, "policy")
    before = place.kept()
    bed.freeze()
    said = place.purge(active=True)
    assert mangle() == THEIRS
    assert place.kept() == before
    assert "firewall-cmd --permanent --delete-policy=lvsmarkd && firewall-cmd --reload" in said
    bed.thaw()
    # What it says to do then does it.
    bed.cmd("--permanent", "--delete-policy=lvsmarkd")
    bed.cmd("--reload")
    assert "lvsmarkd" not in bed.cmd("--get-policies")
