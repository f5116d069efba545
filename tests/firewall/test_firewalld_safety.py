"""What lvsmarkd must not do to firewalld's own and others' things, whatever goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsmarkd.firewall.backend import FirewallError
from lvsmarkd.firewall.firewalld.reload import Reloader
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.verdict import covered, judge
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.plan import Plan
from tests.firewall.grounds import FirewalldGround, firewalld_ground
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run
from tests.harness.values import declare, flow, key, want

pytestmark = pytest.mark.netns
BAN = "rule family=ipv4 source address=203.0.113.77 drop"
BY_HAND = "-A INPUT -s 203.0.113.66/32 -j DROP"
only_nftables = pytest.mark.parametrize("firewalld_backend", ["nftables"])


@pytest.fixture
def ground(real_firewalld: RealFirewalld, tmp_path: Path) -> Iterator[FirewalldGround]:
    with firewalld_ground(real_firewalld, tmp_path / "state", "policy") as made:
        yield made


def web(ground: FirewalldGround) -> Desired:
    return want(declare(80, flow("192.0.2.10", 80)), policy=ground.policy)


def plan(ground: FirewalldGround) -> Plan:
    return judge(web(ground), ground.backend.observe())


def in_force(ground: FirewalldGround) -> bool | None:
    return covered(web(ground), ground.backend.observe())[key(80)]


@only_nftables
def test_a_table_that_is_gone_is_no_reason_to_flush_what_others_have(
    ground: FirewalldGround,
) -> None:
    ground.backend.apply(plan(ground))
    run("iptables", *BY_HAND.split())
    run("nft", "delete", "table", "inet", "firewalld")
    assert ground.backend.apply(plan(ground)).rejected
    assert BY_HAND in run("iptables-save")
    broken = [f.message for f in plan(ground).findings if f.kind is Kind.BROKEN]
    assert any("iptables' filter INPUT (ipv4), which it flushes" in text for text in broken)
    run("iptables", *BY_HAND.replace("-A", "-D").split())
    ground.backend.pardon()
    ground.backend.apply(plan(ground))
    assert in_force(ground) is True


def test_what_is_done_between_the_look_and_the_reload_counts(
    ground: FirewalldGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_again = Reloader._look_again  # noqa: SLF001 - just before it, somebody acts

    def raced(reloader: Reloader) -> None:
        ground.bed.cmd(f"--add-rich-rule={BAN}")
        look_again(reloader)

    monkeypatch.setattr(Reloader, "_look_again", raced)
    assert ground.backend.apply(plan(ground)).rejected == ()
    assert in_force(ground) is True
    assert "203.0.113.77" in ground.bed.cmd("--list-rich-rules")
    monkeypatch.undo()
    ground.backend.apply(plan(ground))
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
    ground.backend.apply(plan(ground))
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
        ground.backend.apply(plan(ground))
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
            ground.backend.apply(plan(ground))
        assert in_force(ground) is True
        with pytest.raises(FirewallError, match="restart firewalld"):
            ground.backend.apply(plan(ground))
    finally:
        run("umount", "-l", policies)
