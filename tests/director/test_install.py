"""The life of the package on a director. The tests are in its order: each begins where the one
before it ended."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lvsmarkd.telemetry.message import Event
from tests.director.director import NAT_FLOWS, Director, nat, vrrp
from tests.director.figures import Figures
from tests.director.ground import NAT4, NAT6, Ground, failed
from tests.director.guest import Guest, until

OTHERS = """
iptables -t mangle -A PREROUTING -s 203.0.113.0/24 -j MARK --set-mark 7
iptables -N THEIRS
iptables -A INPUT -p tcp --dport 22 -j THEIRS
ip6tables -A INPUT -p tcp --dport 22 -j ACCEPT
nft add table inet theirs
nft add chain inet theirs c
firewall-offline-cmd --add-service=http
firewall-offline-cmd --add-rich-rule='rule family="ipv4" source address="203.0.113.9" drop'
"""
# Behind where the mark is set: which packets for the service bear it, and which do not.
WITNESS = f"""
table inet witness {{
    counter marked {{ }}
    counter unmarked {{ }}
    chain c {{
        type filter hook prerouting priority -90; policy accept;
        ip daddr {NAT4} tcp dport {{ 80, 443 }} meta mark 80 counter name marked
        ip daddr {NAT4} tcp dport {{ 80, 443 }} meta mark != 80 counter name unmarked
    }}
}}
"""


def _rules(guest: Guest) -> str:
    """All rules that are in force, without counters and comments."""
    text = guest.sh("iptables-save; ip6tables-save; nft list table inet theirs")
    kept = (line for line in text.splitlines() if not line.startswith("#"))
    return re.sub(r"\[\d+:\d+\]", "", "\n".join(kept))


def _others(guest: Guest) -> list[str]:
    """Those that are not lvsmarkd's."""
    lines = [line for line in _rules(guest).splitlines() if "LVSMARKD" not in line]
    return [line for line in lines if line.startswith("-A") or "THEIRS" in line]


def _newer(package: Path, into: Path) -> Path:
    """The same package with a higher version."""
    tree, newer = into / "newer", into / "lvsmarkd_newer.deb"
    subprocess.run(["dpkg-deb", "-R", str(package), str(tree)], check=True, timeout=60)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+1", control.read_text()))
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", str(tree), str(newer)],
        check=True,
        timeout=60,
        stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(tree)
    return newer


def _version(guest: Guest) -> str:
    return guest.sh("dpkg-query -W -f '${Version}' lvsmarkd")


@pytest.fixture(scope="module")
def director(bare: Director) -> Director:
    """Without the package, here."""
    return bare


@pytest.fixture(scope="module")
def world(bare: Director) -> Director:
    """A director with a service, rules of others, and no lvsmarkd."""
    bare.guest.sh(OTHERS)
    bare.configure(vrrp() + nat(NAT_FLOWS))
    bare.balance("80 4", "80 6")
    return bare


def test_an_installation_writes_no_rule_and_starts_nothing(
    world: Director, guest: Guest, package: Path
) -> None:
    before = _rules(guest)
    world.install(package)
    assert _rules(guest) == before
    assert guest.run("systemctl", "is-enabled", "lvsmarkd", check=False).output == "disabled\n"
    assert guest.run("systemctl", "is-active", "lvsmarkd", check=False).output == "inactive\n"
    assert world.ours() == []


def test_manual_and_completions_are_there(world: Director, guest: Guest) -> None:
    for page in ("man8/lvsmarkd.8.gz", "man5/lvsmarkd.toml.5.gz"):
        assert guest.sh(f"gunzip -c /usr/share/man/{page}").startswith(".")
    guest.sh("bash -n /usr/share/bash-completion/completions/lvsmarkd")
    assert "lvsmarkd" in guest.sh("head -1 /usr/share/zsh/vendor-completions/_lvsmarkd")
    guest.sh("test -r /usr/share/doc/lvsmarkd/install.md")


def test_before_it_is_started_it_tells_and_changes_nothing(
    world: Director, guest: Guest, ground: Ground
) -> None:
    before = _rules(guest)
    assert "missing" in world.ask("plan")
    assert "80" in world.ask("marks")
    assert _rules(guest) == before
    assert ground.answers(NAT4) == ""


def test_enabled_and_started_it_marks(
    world: Director, guest: Guest, ground: Ground, figures: Figures
) -> None:
    others = _others(guest)
    guest.run("systemctl", "enable", "--now", "lvsmarkd")
    assert ground.answers(NAT4).startswith("nat")
    assert ground.answers(NAT6, 443).startswith("nat")
    assert _others(guest) == others
    assert world.said(Event.STARTED)
    assert world.said(Event.APPLIED, "fwmark 80 inet")
    began = float(guest.sh("systemctl show -P ActiveEnterTimestampMonotonic lvsmarkd"))
    asked = float(guest.sh("systemctl show -P InactiveExitTimestampMonotonic lvsmarkd"))
    figures.note("guest: start of the daemon until READY", f"{(began - asked) / 1e6:.1f} s")


def test_the_unit_is_confined(world: Director, guest: Guest, figures: Figures) -> None:
    said = guest.sh("systemd-analyze security --no-pager lvsmarkd.service")
    level = re.search(r"exposure level for lvsmarkd.service: ([\d.]+)", said)
    assert level, said
    figures.note("systemd-analyze security", level[1])
    assert float(level[1]) <= 2.0
    assert guest.sh("systemd-analyze verify lvsmarkd.service 2>&1 | grep lvsmarkd || true") == ""


def test_reload_reads_all_again(world: Director, guest: Guest) -> None:
    pid = guest.sh("systemctl show -P MainPID lvsmarkd")
    guest.run("systemctl", "reload", "lvsmarkd")
    until(lambda: world.said(Event.RELOADED), "the journal on the reload")
    assert guest.sh("systemctl show -P MainPID lvsmarkd") == pid


def test_an_upgrade_loses_no_mark_and_restarts_the_daemon(
    world: Director, guest: Guest, ground: Ground, package: Path, tmp_path: Path
) -> None:
    guest.write("/run/witness.nft", WITNESS)
    guest.sh("nft -f /run/witness.nft")
    pid, version = guest.sh("systemctl show -P MainPID lvsmarkd"), _version(guest)
    ground.listen(f"{NAT4}:80", rate=5)
    world.install(_newer(package, tmp_path))
    until(lambda: world.covered(80), "the daemon is there again")
    attempts = ground.heard()
    assert failed(attempts) == []
    assert len(attempts) > 20
    counters = guest.sh("nft list counters table inet witness")
    seen = dict(re.findall(r"counter (\w+) \{\s+packets (\d+)", counters))
    assert int(seen["marked"]) > 100
    assert int(seen["unmarked"]) == 0
    assert _version(guest) == f"{version}+1"
    assert guest.sh("systemctl show -P MainPID lvsmarkd") not in {pid, "0\n"}
    guest.sh("nft delete table inet witness")
    # Where policy-rc.d allows no restart, there is none, and the marks stay.
    pid = guest.sh("systemctl show -P MainPID lvsmarkd")
    with world.no_restarts():
        guest.run("dpkg", "-i", "/root/lvsmarkd_newer.deb")
    assert guest.sh("systemctl show -P MainPID lvsmarkd") == pid
    assert world.covered(80)


def test_removed_it_leaves_its_rules_and_says_so(
    world: Director, guest: Guest, ground: Ground
) -> None:
    # Rules of it are everywhere: those of iptables, and then in firewalld too.
    guest.sh("iptables-save -t mangle > /run/mangle; ip6tables-save -t mangle > /run/mangle6")
    guest.sh("systemctl start firewalld")
    until(lambda: world.said(Event.BACKEND_CHANGED, "firewalld"), "it keeps rules in firewalld")
    until(lambda: "lvsmarkd" in guest.sh("firewall-cmd --permanent --get-policies"), "its policy")
    until(lambda: ground.answers(NAT4).startswith("nat"), "the service by firewalld")
    # Its program goes, whatever this says of starts and stops.
    with world.no_restarts():
        said = guest.run("dpkg", "-r", "lvsmarkd").output
    assert "its rules stay in force" in said
    assert guest.run("systemctl", "is-active", "lvsmarkd", check=False).output != "active\n"
    guest.sh("iptables-restore -n /run/mangle; ip6tables-restore -n /run/mangle6")
    assert ground.answers(NAT4).startswith("nat")


def test_purged_it_leaves_nothing(world: Director, guest: Guest, ground: Ground) -> None:
    theirs = guest.sh("firewall-cmd --list-all; firewall-cmd --permanent --list-all")
    alike = 'rule priority="10965" family="ipv4" source address="203.0.113.66" drop'
    for plane in ("", "--permanent"):
        guest.sh(f"firewall-cmd -q {plane} --add-rich-rule='{alike}'")
    guest.sh("iptables -t mangle -N THEIRS; iptables -t mangle -A THEIRS -j LVSMARKD")
    others = _others(guest)
    assert any("LVSMARKD" in line for line in world.ours())
    assert any("10965" in line for line in world.ours())
    guest.run("dpkg", "-P", "lvsmarkd")
    # Somebody's jump to our chain, and so the chain, without rules.
    guest.sh("iptables -t mangle -D THEIRS -j LVSMARKD; iptables -t mangle -X LVSMARKD")
    # Somebody's rule that has our priority, and another form.
    for plane in ("", "--permanent"):
        guest.sh(f"firewall-cmd -q {plane} --query-rich-rule='{alike}'")
        guest.sh(f"firewall-cmd -q {plane} --remove-rich-rule='{alike}'")
    assert world.ours() == []
    assert ground.answers(NAT4) == ""
    assert _others(guest) == others
    assert guest.sh("firewall-cmd --list-all; firewall-cmd --permanent --list-all") == theirs
    guest.sh("test ! -e /var/lib/lvsmarkd; test ! -e /etc/lvsmarkd; test ! -e /usr/lib/lvsmarkd")
    # Nor does it come back with a reload, or the next start.
    guest.sh("firewall-cmd --reload")
    assert world.ours() == []
