"""What lvsmarkd must not do to firewalld's own and others' things, whatever goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lvsmarkd.backends.firewalld.reload.reloader import Reloader
from lvsmarkd.backends.surroundings import Surroundings
from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.rule import Plane
from lvsmarkd.netfilter.errors import FirewallError
from tests.backends.grounds import OURS, FirewalldGround, firewalld_ground, plan, web
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run
from tests.harness.values import carry_out, key
from tests.harness.whole import before_input

pytestmark = pytest.mark.netns
BAN = "rule family=ipv4 source address=203.0.113.77 drop"
BY_HAND = "-A INPUT -s 203.0.113.66/32 -j DROP"
only_nftables = pytest.mark.parametrize("firewalld_backend", ["nftables"])


def in_force(ground: FirewalldGround) -> bool | None:
    return covered(web(ground), before_input(Surroundings().see(ground.backend.read())))[key(80)]


@only_nftables
def test_a_table_that_is_gone_is_no_reason_to_flush_what_others_have(
    ground: FirewalldGround,
) -> None:
    carry_out(ground.backend, plan(ground))
    run("iptables", *BY_HAND.split())
    run("nft", "delete", "table", "inet", "firewalld")
    assert carry_out(ground.backend, plan(ground)).rejected
    assert BY_HAND in run("iptables-save")
    findings = plan(ground).findings
    assert Kind.BROKEN in {f.kind for f in findings}
    missing = [f.message for f in findings if f.kind is Kind.MISSING]
    assert any("iptables' filter INPUT (ipv4), which it flushes" in text for text in missing)
    run("iptables", *BY_HAND.replace("-A", "-D").split())
    carry_out(ground.backend, replace(plan(ground), requested=True))
    assert in_force(ground) is True


def test_what_is_done_between_the_look_and_the_reload_counts(
    ground: FirewalldGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_again = Reloader._look_again  # noqa: SLF001 - just before it, somebody acts

    def raced(reloader: Reloader) -> None:
        ground.bed.cmd(f"--add-rich-rule={BAN}")
        look_again(reloader)

    monkeypatch.setattr(Reloader, "_look_again", raced)
    assert carry_out(ground.backend, plan(ground)).rejected == ()
    assert in_force(ground) is True
    assert "203.0.113.77" in ground.bed.cmd("--list-rich-rules")
    monkeypatch.undo()
    carry_out(ground.backend, plan(ground))
    assert in_force(ground) is True
    assert "203.0.113.77" in ground.bed.cmd("--list-rich-rules")


@pytest.mark.parametrize("entries", ["", "203.0.113.9"])
def test_entries_of_a_set_with_a_timeout_are_not_lost(
    ground: FirewalldGround, entries: str
) -> None:
    options = ("--type=hash:ip", "--option=timeout=3600")
    ground.bed.cmd("--permanent", "--new-ipset=bans", *options)
    ground.bed.cmd("--permanent", "--add-rich-rule=rule source ipset=bans drop")
    ground.bed.cmd("--reload")
    if entries:
        ground.bed.cmd("--ipset=bans", f"--add-entry={entries}")
    carry_out(ground.backend, plan(ground))
    waits = [f.message for f in plan(ground).findings if f.kind is Kind.FLEETING]
    assert bool(waits) is bool(entries)
    assert all("ipset bans, which end by themselves" in text for text in waits)
    assert in_force(ground) is True


@pytest.fixture
def full(ground: FirewalldGround) -> Iterator[None]:
    """Not a byte is left where firewalld writes its policies."""
    policies = str(ground.bed.etc / "policies")
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", policies)
    (ground.bed.etc / "policies" / "filler").write_bytes(b"x" * 65536)
    yield
    run("umount", "-l", policies)


def test_on_a_full_disk_no_policy_is_begun_and_the_rules_are_in_force(
    ground: FirewalldGround, full: None
) -> None:
    with pytest.raises(FirewallError, match="is full"):
        carry_out(ground.backend, plan(ground))
    assert not (ground.bed.etc / "policies" / "lvsmarkd.xml").exists()
    assert in_force(ground) is True
    ground.bed.cmd("--reload")
    (ground.bed.etc / "policies" / "filler").unlink()


def test_where_nothing_can_be_written_for_good_the_rules_are_in_force(
    ground: FirewalldGround,
) -> None:
    policies = str(ground.bed.etc / "policies")
    run("mount", "-t", "tmpfs", "-o", "size=4m,ro", "tmpfs", policies)
    try:
        with pytest.raises(FirewallError, match="permanent configuration is written"):
            carry_out(ground.backend, plan(ground))
        assert in_force(ground) is True
        with pytest.raises(FirewallError, match="restart firewalld"):
            carry_out(ground.backend, plan(ground))
    finally:
        run("umount", "-l", policies)


@pytest.fixture
def in_zones(real_firewalld: RealFirewalld, tmp_path: Path) -> Iterator[FirewalldGround]:
    for name in ("work9", "work8"):
        real_firewalld.cmd("--permanent", f"--new-zone={name}")
    real_firewalld.cmd("--reload")
    run("ip", "link", "add", "vip0", "type", "veth", "peer", "name", "vip1")
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    for name in ("vip0", "vip1", "eth0", "eth1"):
        run("ip", "link", "set", name, "up")
    for plane in ((), ("--permanent",)):
        real_firewalld.cmd(*plane, "--zone=work9", "--change-interface=vip0")
        real_firewalld.cmd(*plane, "--zone=work8", "--change-interface=eth0")
    zones = ("work9", "work8")
    with firewalld_ground(real_firewalld, tmp_path / "state", "zone", zones=zones) as made:
        yield made


def critical(ground: FirewalldGround, kind: Kind) -> list[str]:
    return [
        f.message
        for f in judge(web(ground), before_input(ground.backend.read())).findings
        if (f.kind, f.severity) == (kind, Severity.CRITICAL)
    ]


def test_a_named_zone_that_is_deleted_is_told_and_the_others_are_kept(
    in_zones: FirewalldGround,
) -> None:
    carry_out(in_zones.backend, plan(in_zones))
    assert in_force(in_zones) is True
    in_zones.bed.cmd("--permanent", "--delete-zone=work9")
    in_zones.bed.cmd("--reload")
    assert any("no zone work9 (runtime)" in text for text in critical(in_zones, Kind.BYPASSED))
    in_zones.bed.cmd("--permanent", "--zone=work8", f"--remove-rich-rule={OURS}")
    in_zones.bed.cmd("--zone=work8", f"--remove-rich-rule={OURS}")
    carry_out(in_zones.backend, plan(in_zones))
    assert OURS in in_zones.bed.cmd("--zone=work8", "--list-rich-rules")


def test_rules_in_a_zone_by_which_nothing_enters_cover_nothing(
    real_firewalld: RealFirewalld, tmp_path: Path
) -> None:
    run("ip", "link", "add", "vip0", "type", "veth", "peer", "name", "vip1")
    for name in ("vip0", "vip1"):
        run("ip", "link", "set", name, "up")
    with firewalld_ground(real_firewalld, tmp_path / "state", "zone") as ground:
        carry_out(ground.backend, plan(ground))
        assert in_force(ground) is True
        for name in ("vip0", "vip1"):
            ground.bed.cmd("--zone=internal", f"--change-interface={name}")
        assert in_force(ground) is False
        assert critical(ground, Kind.BYPASSED)


def test_what_somebody_opens_in_our_policy_is_closed(ground: FirewalldGround) -> None:
    carry_out(ground.backend, plan(ground))
    opened = {
        "port": "2323/tcp",
        "service": "telnet",
        "protocol": "gre",
        "source-port": "99/udp",
        "icmp-block": "echo-request",
        "forward-port": "port=99:proto=tcp:toport=98",
    }
    for options in ((), ("--permanent",)):
        for what, value in opened.items():
            ground.bed.cmd(*options, "--policy=lvsmarkd", f"--add-{what}={value}")
    found = plan(ground)
    assert {step.chain_key.plane for step in found.steps} == {Plane.RUNTIME, Plane.PERMANENT}
    for plane in (Plane.RUNTIME, Plane.PERMANENT):
        told = " ".join(f.message for f in found.findings if f.plane is plane)
        assert all(f"{what}s".replace("-", " ") in told for what in opened), told
    carry_out(ground.backend, found)
    for options in ((), ("--permanent",)):
        for what in opened:
            listing = f"--list-{what}s"
            assert ground.bed.cmd(*options, "--policy=lvsmarkd", listing).strip() == ""
    assert plan(ground).steps == ()
    assert in_force(ground) is True


@pytest.mark.parametrize(("name", "told"), [("zzz", True), ("aaa", False)])
def test_a_policy_of_the_same_priority_and_a_later_name_has_the_last_word(
    ground: FirewalldGround, name: str, *, told: bool
) -> None:
    carry_out(ground.backend, plan(ground))
    cmd = ground.bed.cmd
    cmd("--permanent", f"--new-policy={name}")
    for option in ("set-priority=32767", "add-ingress-zone=ANY", "add-egress-zone=HOST"):
        cmd("--permanent", f"--policy={name}", f"--{option}")
    other = OURS.replace('priority="10965" ', "").replace("set=80", "set=99")
    cmd("--permanent", f"--policy={name}", f"--add-rich-rule={other}")
    cmd("--reload")
    assert bool(critical(ground, Kind.CONFLICT)) is told
    assert in_force(ground) is not told


INTRUDERS = {
    "at the end of the base chain": ("mangle_PREROUTING", "meta mark set 9"),
    "in our chain": ("mangle_PRE_policy_lvsmarkd_post", "ip daddr 192.0.2.10 meta mark set 9"),
    "behind the policies": ("mangle_PRE_policy_lvsmarkd", "tcp dport 80 meta mark set mark or 1"),
}


@pytest.mark.parametrize("firewalld_backend", ["nftables"])
@pytest.mark.parametrize("where", INTRUDERS)
def test_a_mark_that_nft_sets_after_ours_in_firewallds_table_has_the_last_word(
    ground: FirewalldGround, where: str
) -> None:
    carry_out(ground.backend, plan(ground))
    chain, rule = INTRUDERS[where]
    run("nft", "insert", "rule", "inet", "firewalld", chain, *rule.split())
    assert critical(ground, Kind.CONFLICT) == []  # before ours: what it sets is overwritten
    run("nft", "add", "rule", "inet", "firewalld", chain, *rule.split())
    (told,) = critical(ground, Kind.CONFLICT)
    assert f"chain {chain}" in told
    assert in_force(ground) is False
    assert plan(ground).steps == ()


@pytest.mark.parametrize("firewalld_backend", ["nftables"])
def test_a_verdict_before_our_rules_in_our_chain_is_mended(ground: FirewalldGround) -> None:
    carry_out(ground.backend, plan(ground))
    chain = "mangle_PRE_policy_lvsmarkd_post"
    run("nft", "insert", "rule", "inet", "firewalld", chain, *["tcp", "dport", "81", "accept"])
    assert in_force(ground) is True
    run("nft", "insert", "rule", "inet", "firewalld", chain, *["tcp", "dport", "80", "accept"])
    assert in_force(ground) is False
    carry_out(ground.backend, plan(ground))
    assert in_force(ground) is True
    assert "accept" not in run("nft", "list", "chain", "inet", "firewalld", chain)
