"""The iptables backend against the real programs, both variants, in private namespaces."""

from pathlib import Path

import pytest

from lvsmarkd.backends.backend import Backend
from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.choose import choose
from lvsmarkd.backends.iptables.backend import IptablesBackend
from lvsmarkd.backends.iptables.toolset import Variant, detect
from lvsmarkd.declarations.tables import Firewall, Iptables, JumpPosition
from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.notice import NoticeKind
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from tests.harness.netns import run, use_variant
from tests.harness.values import carry_out, declare, flow, instance, key, want

WEB = declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443))
WEB6 = declare(80, flow("2001:db8::10", 80), flow("2001:db8::10", 443))
FTP = declare(21, flow("192.0.2.11", 21), flow("192.0.2.11", 10000, 20000), accept=True)
AT_THE_END = Firewall(iptables=Iptables(position=JumpPosition.LAST))
FOREIGN = """*mangle
-A PREROUTING -s 198.51.100.0/24 -j MARK --set-xmark 0x1000/0xf000
-A INPUT -m comment --comment "it's ours" -j ACCEPT
-A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*filter
:CUSTOM - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j CUSTOM
-A CUSTOM -s 203.0.113.0/24 -j ACCEPT
-A CUSTOM -j DROP
COMMIT
"""


@pytest.fixture
def backend(variant: str, tmp_path: Path) -> IptablesBackend:
    chosen = IptablesBackend(detect(), Backup(tmp_path / "state" / "backup"))
    assert chosen.toolset.variant is Variant(variant)
    return chosen


def foreign_lines(*tables: str) -> list[str]:
    """All rules but ours, as listed."""
    lines = [
        line
        for program in ("iptables-save", "ip6tables-save")
        for table in tables
        for line in run(program, "-t", table).splitlines()
    ]
    return [line for line in lines if line.startswith("-A") and "LVSMARKD" not in line]


def converge(backend: Backend, wanted: Desired) -> Plan:
    """Apply what is to be done; gives the plan that is left."""
    carry_out(backend, judge(wanted, backend.read()))
    return judge(wanted, backend.read())


@pytest.mark.parametrize(
    "wanted",
    [
        want(WEB),
        want(WEB, WEB6, FTP),
        want(FTP, instances=(instance("192.0.2.11", "2001:db8::1", ah=True),)),
        want(declare(7, flow("10.0.0.0/8", transport=None))),
        want(declare(7, *(flow("192.0.2.1", p) for p in range(1, 80, 2)))),
        want(declare(4294967295, flow("2001:db8::/64", 53))),
        want(WEB, policy=Options(local=True)),
        want(
            declare(
                8,
                flow(
                    "192.0.2.9",
                    25,
                    in_interface="eth0.10",
                    not_from_mac=("52:54:00:12:34:56", "52:54:00:12:34:57"),
                ),
            )
        ),
    ],
    ids=[
        "web",
        "both-families",
        "vrrp-ah",
        "whole-prefix",
        "40-ports",
        "max-mark",
        "local",
        "qualifiers",
    ],
)
def test_what_was_written_is_read_back_as_what_was_wanted(
    backend: IptablesBackend, wanted: Desired
) -> None:
    left = converge(backend, wanted)
    assert left.steps == ()
    assert left.findings == ()
    assert all(covered(wanted, backend.read()).values())


def test_nothing_is_written_when_nothing_differs(backend: IptablesBackend) -> None:
    wanted = want(WEB, FTP, WEB6)
    converge(backend, wanted)
    before = run("iptables-save") + run("ip6tables-save")
    assert converge(backend, wanted) == Plan()
    assert _rules(run("iptables-save") + run("ip6tables-save")) == _rules(before)


def _rules(listing: str) -> list[str]:
    return [line for line in listing.splitlines() if not line.startswith("#")]


def test_foreign_rules_stay_byte_for_byte_through_apply_and_purge(backend: IptablesBackend) -> None:
    run("iptables-restore", stdin=FOREIGN)
    before = foreign_lines("mangle", "filter")
    for wanted in (want(WEB, FTP), want(WEB), want(FTP, WEB6), want()):
        converge(backend, wanted)
        assert foreign_lines("mangle", "filter") == before
    converge(backend, want(WEB, FTP, WEB6, policy=Options(local=True)))
    backend.purge()
    assert foreign_lines("mangle", "filter") == before
    assert "LVSMARKD" not in run("iptables-save") + run("ip6tables-save")


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("-t mangle -D LVSMARKD 1", Kind.MISSING),
        ("-t mangle -F", Kind.MISSING),
        ("-t mangle -F LVSMARKD", Kind.MISSING),
        ("-t mangle -D PREROUTING -j LVSMARKD", Kind.MISSING),
        ("-t mangle -A PREROUTING -j LVSMARKD", Kind.DUPLICATE),
        ("-t mangle -I PREROUTING -j ACCEPT", Kind.ALTERED),
        ("-t mangle -I PREROUTING -d 192.0.2.10 -p tcp -j RETURN", Kind.ALTERED),
        ("-t mangle -A LVSMARKD -j DROP", Kind.ALTERED),
        ("-t mangle -A LVSMARKD -d 192.0.2.77 -j MARK --set-mark 5", Kind.ALTERED),
        (
            "-t mangle -R LVSMARKD 1 -d 192.0.2.10 -p tcp -m multiport --dports 80,443"
            " -m comment --comment 'lvsmarkd fwmark 80' -j MARK --set-mark 1",
            Kind.ALTERED,
        ),
        (
            "-t mangle -A LVSMARKD -d 192.0.2.10/32 -p tcp -m multiport --dports 443,80"
            " -m comment --comment 'lvsmarkd fwmark 80' -j MARK --set-mark 80",
            Kind.DUPLICATE,
        ),
        (
            "-t mangle -A LVSMARKD -d 192.0.2.99/32 -m comment --comment 'lvsmarkd fwmark 99'"
            " -j MARK --set-mark 99",
            Kind.STALE,
        ),
    ],
)
def test_damage_is_found_named_and_mended(
    backend: IptablesBackend, damage: str, kind: Kind
) -> None:
    wanted = want(WEB)
    converge(backend, wanted)
    run("sh", "-c", f"iptables -w 5 {damage}")
    found = judge(wanted, backend.read())
    assert kind in {finding.kind for finding in found.findings}
    assert found.steps
    assert converge(backend, wanted).steps == ()
    assert covered(wanted, backend.read()) == {key(80): True}


def test_a_jump_behind_drops_and_foreign_marks_is_left_where_it_is(
    backend: IptablesBackend,
) -> None:
    wanted = want(WEB)
    converge(backend, wanted)
    run("iptables", "-t", "mangle", "-I", "PREROUTING", "-s", "203.0.113.9", "-j", "DROP")
    run("iptables", "-t", "mangle", "-I", "PREROUTING", "-j", "MARK", "--set-mark", "7")
    assert judge(wanted, backend.read()).steps == ()


def test_with_position_last_a_later_foreign_mark_is_overtaken(variant: str, tmp_path: Path) -> None:
    backend = choose("iptables", state_directory=tmp_path, settings=AT_THE_END)
    assert backend.read().limits.jump_at_end
    wanted = want(WEB)
    converge(backend, wanted)
    run("iptables", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "7")
    assert judge(wanted, backend.read()).steps
    assert converge(backend, wanted).steps == ()
    hook = [line for line in run("iptables-save", "-t", "mangle").splitlines() if "-A PRE" in line]
    assert hook[-1] == "-A PREROUTING -j LVSMARKD"


def test_the_ruleset_is_saved_once_before_the_first_write(
    backend: IptablesBackend, tmp_path: Path
) -> None:
    run("iptables-restore", stdin=FOREIGN)
    assert not (tmp_path / "state").exists()
    converge(backend, want(WEB))
    saved = sorted((tmp_path / "state" / "backup").glob("*.rules"))
    assert [path.name.split("-", 1)[1] for path in saved] == [
        f"ip6tables-{backend.toolset.variant}.rules",
        f"iptables-{backend.toolset.variant}.rules",
    ]
    assert "0x1000/0xf000" in saved[1].read_text()
    assert "LVSMARKD" not in saved[1].read_text()
    converge(backend, want(FTP))
    assert sorted((tmp_path / "state" / "backup").glob("*")) == saved
    run("iptables-restore", stdin=saved[1].read_text())
    assert "LVSMARKD" not in run("iptables-save", "-t", "mangle")


def test_nothing_is_written_when_the_ruleset_cannot_be_saved_first(
    variant: str, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file where a directory belongs")
    backend = choose("iptables", state_directory=tmp_path / "state")
    wanted = want(WEB)
    with pytest.raises(FirewallError, match="nothing is written") as caught:
        carry_out(backend, judge(wanted, backend.read()))
    assert caught.value.trouble is Trouble.GONE
    assert "LVSMARKD" not in run("iptables-save", "-t", "mangle")


def test_reading_leaves_no_trace(backend: IptablesBackend, variant: str) -> None:
    backend.read()
    if variant == "legacy":
        assert Path("/proc/self/net/ip_tables_names").read_text() == ""
    else:
        assert run("nft", "list", "ruleset") == ""


def test_both_variants_in_use_is_a_finding(backend: IptablesBackend, variant: str) -> None:
    other = backend.toolset.variant.other
    run(f"iptables-{other}", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "1")
    (notice,) = backend.read().notices
    assert (notice.kind, notice.count) == (NoticeKind.OTHER_VARIANT, 1)
    mixed, orphan = judge(want(), backend.read()).findings
    assert (mixed.kind, orphan.kind) == (Kind.MIXED, Kind.ORPHAN)
    assert f"iptables-{other}" in mixed.message


def test_purge_removes_what_was_written_before_the_alternative_was_switched(
    backend: IptablesBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converge(backend, want(WEB, FTP, WEB6))
    monkeypatch.setenv("PATH", use_variant(tmp_path / "bin", str(backend.toolset.variant.other)))
    choose("iptables", state_directory=tmp_path).purge()
    for variant in Variant:
        assert "LVSMARKD" not in run(f"iptables-{variant}-save") + run(f"ip6tables-{variant}-save")


def test_a_rule_that_the_kernel_refuses_does_not_keep_the_others_out(
    backend: IptablesBackend, tmp_path: Path
) -> None:
    """The real restore program behind a door that refuses what names mark 66."""
    real = backend.toolset.tools[Family.INET].restore
    door = tmp_path / "door"
    door.write_text(
        f'#!/bin/sh\ninput=$(cat)\ncase $input in *"fwmark 66"*)'
        f' echo "line 3: RULE_APPEND failed (No such file or directory)" >&2; exit 1;; esac\n'
        f'printf "%s\\n" "$input" | {real} "$@"\n'
    )
    door.chmod(0o755)
    tools = backend.toolset.tools[Family.INET]
    backend.toolset.tools[Family.INET] = type(tools)(tools.save, str(door))
    marks = [*range(50, 60), 66, *range(70, 80)]
    wanted = want(*(declare(m, flow(f"192.0.2.{m}", 80)) for m in marks))
    applied = carry_out(backend, judge(wanted, backend.read()))
    assert [rule.mark for rule, _ in applied.rejected] == [66]
    assert "RULE_APPEND failed" in applied.rejected[0][1]
    state = covered(wanted, backend.read())
    assert {k.mark for k, ok in state.items() if not ok} == {66}


def test_packet_counters_are_read(backend: IptablesBackend) -> None:
    wanted = want(declare(9, flow("127.0.0.1", 9)))
    converge(backend, wanted)
    for _ in range(3):
        run("sh", "-c", "exec 3<>/dev/tcp/127.0.0.1/9 || true", check=False)
        run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9", check=False)
    chain = backend.read().chains[ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)]
    assert isinstance(chain, Chain)
    assert chain.packets[0] >= 3
