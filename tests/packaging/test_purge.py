"""What the Debian package's purge takes away, and what it leaves: its script as dpkg runs it, with
firewalld as it may be found. tests/director/test_install.py has it within the package's life."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lvsmarkd.backends.backend import Applied
from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.nftables.backend import NftablesBackend
from lvsmarkd.backends.nftables.kernel_table import KernelTable
from lvsmarkd.backends.nftables.own_rules import table_limits
from lvsmarkd.judge.desired import Options
from lvsmarkd.judge.judgement import judge
from tests.harness.control import WEB
from tests.harness.daemon import Daemon
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run
from tests.harness.values import declare, flow, want

pytestmark = pytest.mark.netns

POSTRM = Path(__file__).parent.parent.parent / "packaging" / "debian" / "lvsmarkd.postrm"
ALIKE = 'rule priority="10965" family="ipv4" source address="203.0.113.66" drop'
PLANES: tuple[tuple[str, ...], ...] = ((), ("--permanent",))
GUARD_LEFT = """
table inet lvsmarkd_guard {
    chain prerouting { type filter hook prerouting priority -138; }
}
"""
# The machine's own /etc and /var/lib stay as they are, whatever the script does.
INSIDE = """
mount --bind "$1/etc" /etc
mount --bind "$1/firewalld" /etc/firewalld
mount --bind "$1/lib" /var/lib
exec sh "$2" purge
"""
SYSTEMCTL = '#!/bin/sh\n[ "$*" = "-q is-active firewalld" ] && exit {status}\nexit 1\n'
STOPS = """#!/bin/sh
echo "$*" >> {calls}
case "$*" in *{fails}*) exit 124;; esac
exec /usr/bin/firewall-cmd "$@"
"""


@dataclass(frozen=True)
class Director:
    """A director that had lvsmarkd, with firewalld and iptables."""

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
        tables = NftablesBackend(KernelTable(), Backup(self.directory / "backup"))
        wish = want(declare(80, flow("192.0.2.10", 80)), policy=Options(limits=table_limits()))
        assert tables.apply(judge(wish, tables.read())) == Applied()
        tables.close()
        run("nft", "-f", "-", stdin=GUARD_LEFT)
        run("iptables", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "7")
        run("ip6tables", "-t", "mangle", "-N", "LVSMARKD")  # as after somebody's -F
        run("ip6tables", "-t", "mangle", "-A", "PREROUTING", "-j", "LVSMARKD")
        settings = self.directory / "etc" / "lvsmarkd"
        (settings / "conf.d").mkdir(parents=True)
        for name in ("lvsmarkd.toml", "conf.d/more.toml", "notes.txt"):
            (settings / name).touch()
        # As somebody may have made one, and the daemon does not read it.
        (settings / "conf.d" / "old.toml").mkdir()
        (self.directory / "lib" / "lvsmarkd").mkdir(parents=True)
        assert THEIRS[0] in mangle()

    def stub(self, name: str, script: str) -> None:
        """A program that is found before the real one."""
        program = self.directory / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(script)
        program.chmod(0o755)

    def purge(self, *, active: bool) -> str:
        """Run the script; gives what it says. ``active``: what systemd says of firewalld."""
        self.stub("systemctl", SYSTEMCTL.format(status=0 if active else 3))
        environment = dict(self.bed.environment)
        own = self.directory / "bin"
        environment["PATH"] = f"{own}:{environment['PATH']}:/usr/sbin:/sbin"
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
def director(real_firewalld: RealFirewalld, tmp_path: Path) -> Director:
    subprocess.run(["cp", "-a", "/etc", str(tmp_path / "etc")], check=True, timeout=60)
    (tmp_path / "etc" / "firewalld").mkdir(exist_ok=True)
    (tmp_path / "firewalld").symlink_to(real_firewalld.etc)
    return Director(real_firewalld, tmp_path)


@pytest.fixture
def daemon(director: Director, tmp_path: Path) -> Iterator[Daemon]:
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
    director: Director, daemon: Daemon, placement: str, runs: bool
) -> None:
    bed = director.bed
    before = [bed.cmd(*plane, "--list-all-zones") for plane in PLANES]
    director.fill(daemon, placement)
    assert len(director.kept()) > 1
    if not runs:
        saved = run("iptables-save", "-t", "mangle")
        bed.stop()  # it takes the rules of iptables with it
        run("iptables-restore", stdin=saved)
    assert any("LVSMARKD" in line for line in mangle())
    assert "table inet lvsmarkd\n" in run("nft", "list", "tables")
    assert director.purge(active=runs) == ""
    assert "inet lvsmarkd" not in run("nft", "list", "tables")
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
    settings = director.directory / "etc" / "lvsmarkd"
    left = sorted(str(file.relative_to(settings)) for file in settings.rglob("*"))
    assert left == ["conf.d", "conf.d/old.toml", "notes.txt"]
    assert not (director.directory / "lib" / "lvsmarkd").exists()


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_a_firewalld_that_hangs_is_left_alone_and_told(director: Director, daemon: Daemon) -> None:
    bed = director.bed
    director.fill(daemon, "policy")
    before = director.kept()
    bed.freeze()
    there = mangle()
    assert THEIRS[0] in there
    said = director.purge(active=True)
    assert mangle() == THEIRS, (there, said, bed.log.read_text()[-2000:])
    assert director.kept() == before
    assert "firewall-cmd --permanent --delete-policy=lvsmarkd && firewall-cmd --reload" in said
    bed.thaw()
    # What it says to do then does it.
    bed.cmd("--permanent", "--delete-policy=lvsmarkd")
    bed.cmd("--reload")
    assert "lvsmarkd" not in bed.cmd("--get-policies")


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
@pytest.mark.parametrize("fails", ["--get-policies", "--delete-policy", "--list-all-zones"])
def test_of_calls_that_fail_the_first_is_the_last(
    director: Director, daemon: Daemon, fails: str, tmp_path: Path
) -> None:
    director.fill(daemon, "policy")
    calls = tmp_path / "calls"
    director.stub("firewall-cmd", STOPS.format(calls=calls, fails=fails))
    said = director.purge(active=True)
    assert "firewall-cmd --permanent --delete-policy=lvsmarkd" in said
    assert fails in calls.read_text().splitlines()[-1]
    assert mangle() == THEIRS


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_a_table_that_only_nft_can_read_is_told(director: Director, daemon: Daemon) -> None:
    director.fill(daemon, "policy")
    run("nft", "add", "rule", "ip", "mangle", "PREROUTING", "ct mark set numgen inc mod 2")
    said = director.purge(active=True)
    (command,) = re.findall("nft flush chain .*", said)
    run(*command.split())
    table = run("nft", "list", "table", "ip", "mangle")
    assert "numgen" in table
    assert "mark set 0x00000050" not in table
