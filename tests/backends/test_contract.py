"""What every backend promises, held against every real firewall, and against the one in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsmarkd.backends.backend import Applied
from lvsmarkd.backends.choose import choose
from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.plan import Plan
from lvsmarkd.netfilter.errors import Trouble
from tests.backends.grounds import (
    Ground,
    IptablesGround,
    NftablesGround,
    PaperGround,
    firewalld_ground,
)
from tests.harness.firewalld import firewalld
from tests.harness.netns import use_variant
from tests.harness.values import declare, flow, instance, key, want
from tests.harness.whole import before_input

REAL = [
    "iptables-nft",
    "iptables-legacy",
    "firewalld-nftables-policy",
    "firewalld-nftables-zone",
    "firewalld-iptables-policy",
    "firewalld-iptables-zone",
    "nftables",
]
GROUNDS = ["paper", *(pytest.param(name, marks=pytest.mark.netns) for name in REAL)]
WEB = (flow("192.0.2.10", 80), flow("192.0.2.10", 443))
WEB6 = (flow("2001:db8::10", 80), flow("2001:db8::10", 443))
FTP = (flow("192.0.2.11", 21), flow("192.0.2.11", 10000, 20000))


@pytest.fixture(params=GROUNDS)
def ground(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ground]:
    if request.param == "paper":
        yield PaperGround(tmp_path / "state")
        return
    request.getfixturevalue("netns")
    kind, variant, *placement = f"{request.param}-".split("-")
    if kind == "iptables":
        monkeypatch.setenv("PATH", use_variant(tmp_path / "bin", variant))
        yield IptablesGround(choose("iptables", state_directory=tmp_path / "state"))
        return
    if kind == "nftables":
        table = NftablesGround(choose("nftables", state_directory=tmp_path / "state"))
        yield table
        table.backend.close()
        return
    with firewalld(variant) as bed:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bed.address)
        with firewalld_ground(bed, tmp_path / "state", placement[0]) as made:
            yield made


def wanted(ground: Ground, name: str) -> Desired:
    """A wish that every firewall can fulfil, for the firewall at hand."""
    vrrp = (instance("192.0.2.11", "2001:db8::1", ah=True),)
    policy = ground.policy
    ftp = declare(21, *FTP, accept=policy.limits.accepts)
    return {
        "nothing": lambda: want(policy=policy),
        "web": lambda: want(declare(80, *WEB), policy=policy),
        "both families": lambda: want(declare(80, *WEB, *WEB6), ftp, policy=policy),
        "vrrp": lambda: want(ftp, instances=vrrp, policy=policy),
        "whole": lambda: want(declare(7, flow("10.0.0.0/8", transport=None)), policy=policy),
        "ports": lambda: want(
            declare(7, *(flow("192.0.2.1", p) for p in range(1, 60, 2))), policy=policy
        ),
        "extreme": lambda: want(declare(4294967295, flow("2001:db8::/64", 53)), policy=policy),
        "sender": lambda: want(
            declare(8, flow("192.0.2.9", 25, not_from_mac=("52:54:00:12:34:56",))), policy=policy
        ),
    }[name]()


def converge(ground: Ground, wish: Desired) -> Plan:
    """Apply what is to be done; gives the plan that is left."""
    backend = ground.backend
    assert backend.apply(judge(wish, backend.read())) == Applied()
    return judge(wish, backend.read())


def test_what_was_written_is_read_back_as_what_was_wanted(ground: Ground) -> None:
    for name in ("web", "both families", "vrrp", "whole", "ports", "extreme", "sender"):
        wish = wanted(ground, name)
        left = converge(ground, wish)
        assert left.steps == (), name
        assert {f.kind for f in left.findings} <= {Kind.UNACCEPTED}, name
        assert all(covered(wish, before_input(ground.backend.read())).values()), name
    converge(ground, wanted(ground, "nothing"))
    assert ground.ours() == []


def test_nothing_is_written_when_nothing_differs(ground: Ground) -> None:
    wish = wanted(ground, "both families")
    converge(ground, wish)
    before = ground.both()
    assert converge(ground, wish).steps == ()
    assert ground.both() == before


def test_foreign_rules_stay_byte_for_byte_through_apply_and_purge(ground: Ground) -> None:
    ground.others()
    before = ground.foreign()
    assert before
    for name in ("both families", "web", "vrrp", "nothing", "web"):
        assert converge(ground, wanted(ground, name)).steps == ()
        assert ground.foreign() == before
    assert ground.ours()
    ground.backend.purge()
    assert ground.both() == ([], before)


def test_damage_is_found_named_and_mended(ground: Ground) -> None:
    ground.others()
    wish = wanted(ground, "web")
    converge(ground, wish)
    before = ground.both()
    for what, (harm, kind) in ground.damages.items():
        harm()
        found = judge(wish, ground.backend.read())
        assert kind in {finding.kind for finding in found.findings}, what
        assert found.steps, what
        assert converge(ground, wish).steps == (), what
        assert covered(wish, before_input(ground.backend.read())) == {key(80): True}, what
        assert ground.both() == before, what


def test_a_plan_can_be_shown_before_it_is_carried_out(ground: Ground) -> None:
    wish = wanted(ground, "web")
    before = ground.both()
    shown = ground.backend.script(judge(wish, ground.backend.read()))
    assert "192.0.2.10" in "".join(shown.values())
    assert ground.both() == before


def test_nothing_is_written_when_it_cannot_be_saved_first(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a directory belongs")
    wish = wanted(ground, "web")
    applied = ground.backend.apply(judge(wish, ground.backend.read()))
    assert applied.error is not None
    assert "nothing is written" in str(applied.error)
    assert applied.error.trouble is Trouble.GONE
    assert ground.ours() == []


def test_a_snapshot_says_which_firewall_it_is_of_and_what_its_rules_can_say(
    ground: Ground,
) -> None:
    empty = ground.backend.read()
    converge(ground, wanted(ground, "web"))
    full = ground.backend.read()
    for seen in (empty, full):
        assert seen.firewall.program is not Program.NONE
        assert seen.firewall.version
        assert seen.limits.max_ports_per_rule == ground.policy.limits.max_ports_per_rule
        assert seen.whole
        assert seen.previous == () or not any(each.chains for each in seen.previous)
    assert empty.firewall == full.firewall


def test_a_plan_without_steps_changes_nothing(ground: Ground) -> None:
    converge(ground, wanted(ground, "web"))
    before = ground.both()
    assert ground.backend.apply(Plan(requested=True)) == Applied()
    assert ground.both() == before


def test_what_is_closed_leaves_the_rules(ground: Ground) -> None:
    converge(ground, wanted(ground, "web"))
    before = ground.both()
    ground.backend.close()
    assert ground.both() == before
