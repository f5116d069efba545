"""What firewalld does behind its users' backs, and what its users do behind its back.

Each scenario is one that was seen to happen: on a real firewalld, in its own namespaces.
"""

import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.firewalld.backend import FirewalldBackend
from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.planes.kernel_tables import Kernel
from lvsmarkd.backends.firewalld.planes.reader import CHAIN_KEYS, PLANES, Choices, FirewalldState
from lvsmarkd.backends.firewalld.reload.reloader import Reloader
from lvsmarkd.backends.firewalld.reload.unmended import DELAYS
from lvsmarkd.backends.migration import MigratingBackend
from lvsmarkd.declarations.tables import Reload
from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from tests.backends.grounds import OURS, FirewalldGround, firewalld_ground
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run
from tests.harness.values import carry_out, declare, flow, instance, key, reading, service, want
from tests.harness.whole import before_input

pytestmark = pytest.mark.netns

WEB = declare(80, flow("192.0.2.10", 80))
STRANGER = "rule family=ipv4 source address=203.0.113.9 drop"
Make = Callable[..., FirewalldGround]


@pytest.fixture
def make(real_firewalld: RealFirewalld, tmp_path: Path) -> Iterator[Make]:
    """Makes a backend with the choices that a scenario is about."""
    with ExitStack() as opened:

        def made(
            placement: str = "policy",
            reload: Reload = Reload.WHEN_SAFE,
            zones: tuple[str, ...] = (),
        ) -> FirewalldGround:
            state = tmp_path / "state"
            ground = firewalld_ground(real_firewalld, state, placement, reload, zones)
            return opened.enter_context(ground)

        yield made


only_nftables = pytest.mark.parametrize("firewalld_backend", ["nftables"])


def web(ground: FirewalldGround, *, accept: bool = False) -> Desired:
    return want(declare(80, flow("192.0.2.10", 80), accept=accept), policy=ground.policy)


def watched(ground: FirewalldGround, mark: int = 80) -> Desired:
    """A service that nothing is declared for."""
    return desired(reading(service(mark)), Declared({}), ground.policy)


def plan(ground: FirewalldGround, wish: Desired) -> Plan:
    return judge(wish, ground.backend.read())


def settle(ground: FirewalldGround, wish: Desired) -> Plan:
    """Apply what is to be done; gives the plan that is left."""
    carry_out(ground.backend, plan(ground, wish))
    return plan(ground, wish)


def found(ground: FirewalldGround, wish: Desired, kind: Kind) -> list[Finding]:
    return [f for f in plan(ground, wish).findings if f.kind is kind]


def is_covered(ground: FirewalldGround, wish: Desired) -> bool | None:
    return covered(wish, before_input(ground.backend.read()))[key(80)]


def cable(name: str, zone: str = "") -> None:
    """An interface, and what firewalld is told of it."""
    run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}x")
    run("ip", "link", "set", name, "up")


# The kernel is believed over firewalld.


@only_nftables
def test_after_a_flush_one_reload_would_leave_everything_dropped(make: Make) -> None:
    ground = make()
    wish = web(ground)
    settle(ground, wish)
    run("nft", "flush", "ruleset")
    assert f'"{OURS}"'[1:-1] in ground.bed.cmd("--policy=lvsmarkd", "--list-rich-rules")
    harm = plan(ground, wish)
    assert {f.kind for f in harm.findings} >= {Kind.MISSING, Kind.BROKEN}
    assert is_covered(ground, wish) is False
    assert settle(ground, wish).steps == ()
    assert is_covered(ground, wish) is True
    assert "firewalld_policy_drop" not in run("nft", "list", "tables")


@only_nftables
def test_a_reload_of_somebody_elses_that_failed_is_found_and_mended(make: Make) -> None:
    ground = make()
    wish = web(ground)
    settle(ground, wish)
    run("nft", "flush", "ruleset")
    assert "COMMAND_FAILED" in _complaint(ground.bed, "--reload")
    assert "firewalld_policy_drop" in run("nft", "list", "tables")
    broken = found(ground, wish, Kind.BROKEN)
    assert "dropping every new connection" in broken[0].message
    assert settle(ground, wish).steps == ()
    assert "firewalld_policy_drop" not in run("nft", "list", "tables")
    assert found(ground, wish, Kind.BROKEN) == []


def _complaint(bed: RealFirewalld, *arguments: str) -> str:
    with pytest.raises(AssertionError) as caught:
        bed.cmd(*arguments)
    return str(caught.value)


def test_a_rule_that_only_the_kernel_lost_waits_where_a_reload_would_harm_others(
    make: Make,
) -> None:
    ground = make()
    wish = web(ground)
    settle(ground, wish)
    ground.bed.cmd("--zone=public", f"--add-rich-rule={STRANGER}")
    before = ground.foreign()
    ground.delete_in_kernel()
    applied = carry_out(ground.backend, plan(ground, wish))
    assert "rich rules" in applied.rejected[0][1]
    assert "--runtime-to-permanent" in applied.rejected[0][1]
    assert ground.foreign() == before
    missing = found(ground, wish, Kind.MISSING)
    assert missing[0].severity is Severity.CRITICAL
    assert "zone public: rich rules" in missing[0].message
    assert found(ground, wish, Kind.BROKEN) == [], "one thing is told once"
    ground.bed.cmd("--permanent", "--zone=public", f"--add-rich-rule={STRANGER}")
    assert settle(ground, wish).steps == ()
    assert is_covered(ground, wish) is True


def test_with_when_needed_it_is_reloaded_all_the_same(make: Make) -> None:
    ground = make(reload=Reload.WHEN_NEEDED)
    wish = web(ground)
    settle(ground, wish)
    ground.bed.cmd("--zone=public", f"--add-rich-rule={STRANGER}")
    ground.delete_in_kernel()
    assert settle(ground, wish).steps == ()
    assert is_covered(ground, wish) is True


# A reload only where it is needed, and where nobody loses anything by it.


@pytest.mark.parametrize("reload", [Reload.NEVER, Reload.WHEN_SAFE])
def test_without_a_reload_zones_hold_the_rules_until_there_is_one(
    make: Make, reload: Reload
) -> None:
    ground = make(reload=reload)
    bed = ground.bed
    if reload is Reload.WHEN_SAFE:
        bed.cmd("--zone=public", f"--add-rich-rule={STRANGER}")
    cable("e1")
    bed.cmd("--permanent", "--zone=internal", "--add-interface=e1")
    bed.cmd("--zone=internal", "--add-interface=e1")
    wish = web(ground)
    before = ground.foreign()
    assert settle(ground, wish).steps == ()
    assert ground.foreign() == before
    assert is_covered(ground, wish) is True
    for zone in ("public", "internal"):
        assert OURS in bed.cmd(f"--zone={zone}", "--list-rich-rules")
        assert OURS not in bed.cmd("--permanent", f"--zone={zone}", "--list-rich-rules")
    assert "until firewalld is reloaded" in found(ground, wish, Kind.FLEETING)[0].message
    bed.cmd("--reload")
    assert plan(ground, wish).steps == ()
    assert is_covered(ground, wish) is True
    assert OURS in bed.cmd("--policy=lvsmarkd", "--list-rich-rules")
    assert OURS not in bed.cmd("--list-all-zones")


@only_nftables
def test_what_somebody_made_permanent_of_it_is_cleared_away(make: Make) -> None:
    ground = make(reload=Reload.NEVER)
    wish = web(ground)
    settle(ground, wish)
    ground.bed.cmd("--runtime-to-permanent")
    ground.bed.cmd("--reload")
    assert OURS in ground.bed.cmd("--permanent", "--zone=public", "--list-rich-rules")
    assert Kind.DUPLICATE in {f.kind for f in plan(ground, wish).findings}
    assert settle(ground, wish).steps == ()
    assert OURS not in ground.bed.cmd("--permanent", "--zone=public", "--list-rich-rules")
    assert OURS not in ground.bed.cmd("--zone=public", "--list-rich-rules")
    assert is_covered(ground, wish) is True


@only_nftables
def test_small_changes_reload_nothing(make: Make) -> None:
    ground = make()
    settle(ground, web(ground))
    ground.bed.cmd("--zone=public", f"--add-rich-rule={STRANGER}")
    more = want(WEB, declare(81, flow("192.0.2.81", 81), accept=True), policy=ground.policy)
    assert settle(ground, more).steps == ()
    assert settle(ground, web(ground)).steps == ()
    assert "203.0.113.9" in ground.bed.cmd("--zone=public", "--list-rich-rules")


@only_nftables
def test_somebodys_reload_brings_everything_again(make: Make) -> None:
    ground = make()
    wish = web(ground, accept=True)
    settle(ground, wish)
    ground.bed.cmd("--complete-reload")
    assert plan(ground, wish).steps == ()
    ground.bed.stop()
    assert all(isinstance(c, Unknown) for c in ground.backend.read().chains.values())
    ground.bed.start()
    assert plan(ground, wish).steps == ()


@only_nftables
def test_in_a_zone_what_was_not_permanent_comes_back_after_a_reload(make: Make) -> None:
    ground = make("zone")
    wish = web(ground)
    settle(ground, wish)
    ground.bed.cmd("--permanent", "--zone=public", f"--remove-rich-rule={OURS}")
    planes = {step.chain_key.plane for step in plan(ground, wish).steps}
    assert planes == {Plane.PERMANENT}
    ground.bed.cmd("--reload")
    assert {step.chain_key.plane for step in plan(ground, wish).steps} == set(PLANES)
    assert is_covered(ground, wish) is False
    assert settle(ground, wish).steps == ()


# States.


@only_nftables
def test_in_panic_mode_nothing_is_written_and_the_finding_says_so(make: Make) -> None:
    ground = make("zone")
    wish = web(ground)
    ground.bed.cmd("--panic-on")
    assert "panic" in found(ground, wish, Kind.BROKEN)[0].message
    with pytest.raises(FirewallError, match="panic") as caught:
        carry_out(ground.backend, plan(ground, wish))
    assert caught.value.trouble is Trouble.BUSY
    ground.bed.cmd("--panic-off")
    assert settle(ground, wish).steps == ()


@only_nftables
def test_a_firewalld_that_is_gone_is_unknown_and_nothing_is_planned(make: Make) -> None:
    ground = make()
    wish = web(ground)
    settle(ground, wish)
    ground.bed.kill()
    seen = ground.backend.read()
    assert set(seen.chains) == set(CHAIN_KEYS)
    reasons = [chain.reason for chain in seen.chains.values() if isinstance(chain, Unknown)]
    assert all("systemctl start firewalld" in reason for reason in reasons)
    assert judge(wish, seen).steps == ()
    assert covered(wish, before_input(seen)) == {key(80): None}
    with BusFirewalld() as firewalld, pytest.raises(FirewallError, match="not running"):
        FirewalldBackend.open(firewalld, Backup(Path("/nonexistent")), Choices())


# Zones in the way, ports that are closed.


def test_in_a_zone_traffic_by_another_zone_is_a_finding_that_names_it(make: Make) -> None:
    ground = make("zone")
    bed = ground.bed
    cable("e1")
    bed.cmd("--zone=internal", "--add-interface=e1")
    bed.cmd("--zone=dmz", "--add-source=10.9.0.0/16")
    wish = web(ground)
    settle(ground, wish)
    messages = " ".join(f.message for f in found(ground, wish, Kind.BYPASSED))
    assert "interface e1 are in firewalld's zone internal" in messages
    assert "source 10.9.0.0/16 are in firewalld's zone dmz" in messages
    both = make("zone", zones=("public", "internal", "dmz"))
    assert settle(both, wish).steps == ()
    assert found(both, wish, Kind.BYPASSED) == []
    for zone in ("public", "internal", "dmz"):
        assert OURS in bed.cmd(f"--zone={zone}", "--list-rich-rules")
    bed.cmd("--zone=dmz", f"--remove-rich-rule={OURS}")
    assert found(both, wish, Kind.MISSING)
    assert is_covered(both, wish) is True, "all but some senders"
    assert settle(both, wish).steps == ()
    # The zone is named no more: its rules go.
    assert settle(ground, wish).steps == ()
    assert OURS not in bed.cmd("--zone=internal", "--list-rich-rules")
    assert OURS not in bed.cmd("--permanent", "--zone=internal", "--list-rich-rules")


@only_nftables
def test_rules_follow_the_default_zone(make: Make) -> None:
    ground = make("zone")
    wish = web(ground)
    settle(ground, wish)
    ground.bed.cmd("--set-default-zone=external")
    assert is_covered(ground, wish) is False
    assert settle(ground, wish).steps == ()
    assert is_covered(ground, wish) is True
    assert OURS not in ground.bed.cmd("--zone=public", "--list-rich-rules")


@only_nftables
def test_a_zone_that_does_not_exist_is_said_to_be_missing(make: Make) -> None:
    ground = make("zone", zones=("pubic",))
    wish = web(ground)
    plan = judge(wish, ground.backend.read())
    assert plan.steps == ()
    assert is_covered(ground, wish) is False
    assert {f.kind for f in plan.findings} >= {Kind.BYPASSED}
    assert Kind.UNKNOWN not in {f.kind for f in plan.findings}
    lost = {f.severity: f.message for f in plan.findings if "no zone pubic" in f.message}
    assert "runtime" in lost[Severity.CRITICAL]
    assert "permanent" in lost[Severity.WARNING]


@only_nftables
def test_a_zone_that_is_only_not_loaded_yet_has_its_permanent_rules(make: Make) -> None:
    ground = make("zone", zones=("new",))
    ground.bed.cmd("--permanent", "--new-zone=new")
    wish = web(ground)
    carry_out(ground.backend, judge(wish, ground.backend.read()))
    assert OURS in ground.bed.cmd("--permanent", "--zone=new", "--list-rich-rules")
    assert is_covered(ground, wish) is False
    assert settle(ground, wish).steps == ()


def test_a_marked_flow_that_the_zone_refuses_is_unaccepted_until_it_is_accepted(
    make: Make,
) -> None:
    ground = make()
    settle(ground, web(ground))
    refused = found(ground, web(ground), Kind.UNACCEPTED)
    assert "refused at INPUT by" in refused[0].message
    assert "add `accept`" in refused[0].message
    ground.bed.cmd("--zone=public", "--add-service=http")
    assert found(ground, web(ground), Kind.UNACCEPTED) == []
    ground.bed.cmd("--zone=public", "--remove-service=http")
    settle(ground, web(ground, accept=True))
    assert found(ground, web(ground, accept=True), Kind.UNACCEPTED) == []
    # What the operator refuses himself is not overruled.
    ground.bed.cmd(
        "--zone=public", "--add-rich-rule=rule family=ipv4 port port=80 protocol=tcp drop"
    )
    refused = found(ground, web(ground, accept=True), Kind.UNACCEPTED)
    assert "drop" in refused[0].message.lower()


# What others set.


@pytest.mark.parametrize("permanent", [False, True])
@pytest.mark.parametrize("idiom", ["direct", "passthrough", "rich", "service"])
def test_marks_of_others_are_watched_in_both_planes(
    make: Make, idiom: str, permanent: bool
) -> None:
    ground = make()
    bed = ground.bed
    marking = "-d 192.0.2.10/32 -p tcp --dport 80 -j MARK --set-mark 80"
    arguments = {
        "direct": f"--direct --add-rule ipv4 mangle PREROUTING 0 {marking}".split(),
        "passthrough": f"--direct --add-passthrough ipv4 -t mangle -A PREROUTING {marking}".split(),
        "rich": [
            "--add-rich-rule=rule family=ipv4 destination address=192.0.2.10 port port=80"
            " protocol=tcp mark set=80"
        ],
        "service": [
            "--add-rich-rule=rule family=ipv4 destination address=192.0.2.10 service name=http"
            " mark set=0x50"
        ],
    }[idiom]
    wish = watched(ground)
    assert found(ground, wish, Kind.UNCOVERED)
    bed.cmd(*arguments)
    if permanent:
        bed.cmd("--permanent", *arguments)
    assert found(ground, wish, Kind.UNCOVERED) == []
    assert covered(wish, before_input(ground.backend.read())) == {key(80): True}
    fleeting = found(ground, wish, Kind.FLEETING)
    assert bool(fleeting) is not permanent
    bed.cmd("--reload")
    assert bool(found(ground, wish, Kind.UNCOVERED)) is not permanent
    if permanent:
        # Declared now, beside it: nobody is in anybody's way.
        assert settle(ground, web(ground)).steps == ()
        assert found(ground, web(ground), Kind.CONFLICT) == []


@only_nftables
def test_marks_of_others_that_come_after_ours_are_conflicts(make: Make) -> None:
    ground = make("zone")
    wish = web(ground, accept=True)
    settle(ground, wish)
    bed = ground.bed
    bed.cmd("--permanent", "--new-policy=late")
    for option in ("--add-ingress-zone=ANY", "--add-egress-zone=HOST", "--set-priority=5"):
        bed.cmd("--permanent", "--policy=late", option)
    bed.cmd(
        "--permanent",
        "--policy=late",
        "--add-rich-rule=rule family=ipv4 port port=80 protocol=tcp mark set=9",
    )
    only_later = found(ground, wish, Kind.CONFLICT)
    assert [f.plane for f in only_later] == [Plane.PERMANENT]
    assert is_covered(ground, wish) is True
    bed.cmd("--reload")
    now = found(ground, wish, Kind.CONFLICT)
    assert "chain mangle_PRE_policy_late_allow" in now[0].message
    assert "iptables.position" not in now[0].message
    assert is_covered(ground, wish) is False
    # The policy comes last of all.
    by_policy = make("policy")
    assert settle(by_policy, wish).steps == ()
    assert found(by_policy, wish, Kind.FLEETING) == []
    assert found(by_policy, wish, Kind.CONFLICT) == []
    assert is_covered(by_policy, wish) is True


def test_a_mark_with_a_mask_and_one_that_nobody_uses_are_findings(make: Make) -> None:
    ground = make()
    ground.bed.cmd("--add-rich-rule=rule family=ipv4 destination address=192.0.2.7 mark set=1/0xff")
    ground.bed.cmd("--add-rich-rule=rule family=ipv4 destination address=192.0.2.10 mark set=0x80")
    wish = web(ground)
    assert "with a mask" in found(ground, wish, Kind.CONFLICT)[-1].message
    orphan = found(ground, wish, Kind.ORPHAN)
    assert "sets mark 128" in orphan[0].message
    assert "keepalived's 80 is decimal" in orphan[0].message


@only_nftables
def test_marks_in_other_tables_of_nft_are_seen(make: Make) -> None:
    ground = make()
    run(
        *("nft", "-f", "-"),
        stdin="table inet other { chain c { type filter hook prerouting priority -100;\n"
        "ip daddr 192.0.2.0/24 tcp dport 80 jump d; }\nchain d { meta mark set 7; }\n}\n",
    )
    wish = web(ground, accept=True)
    settle(ground, wish)
    conflict = found(ground, wish, Kind.CONFLICT)
    assert "nft table inet other, chain d" in conflict[0].message
    assert conflict[0].severity is Severity.CRITICAL
    assert covered(watched(ground, 7), before_input(ground.backend.read())) == {key(7): True}


# What firewalld cannot say, what is saved, what a policy of that name may be.


@only_nftables
def test_what_no_rich_rule_can_say_is_refused_with_the_reason(make: Make) -> None:
    ground = make()
    wish = want(
        WEB,
        declare(8, flow("192.0.2.8", 80, in_interface="eth0")),
        declare(9, flow("192.0.2.9", 80, not_from_mac=("52:54:00:00:00:01", "52:54:00:00:00:02"))),
        policy=ground.policy,
    )
    reasons = dict(carry_out(ground.backend, plan(ground, wish)).rejected)
    assert {rule.mark: "iptables backend" in why for rule, why in reasons.items()} == {
        8: True,
        9: True,
    }
    assert is_covered(ground, wish) is True


@only_nftables
def test_zones_policies_and_direct_rules_are_saved_once_before_the_first_write(
    make: Make, tmp_path: Path
) -> None:
    ground = make()
    ground.others()
    assert not (tmp_path / "state").exists()
    settle(ground, web(ground))
    text, files = sorted((tmp_path / "state" / "backup").iterdir())
    saved = json.loads(text.read_text())
    for plane in ("runtime", "permanent"):
        assert "192.0.2.9" in str(saved[plane]["zones"]["public"])
        assert "36161" in str(saved[plane]["direct"])
        assert "allow-host-ipv6" in saved[plane]["policies"]
        assert "lvsmarkd" not in str(saved[plane])
    settle(ground, web(ground, accept=True))
    assert sorted((tmp_path / "state" / "backup").iterdir()) == [text, files]
    # And it brings things back.
    before = ground.foreign()
    ground.bed.cmd("--permanent", "--zone=internal", "--remove-port=8080/tcp")
    with tarfile.open(files) as tar:
        tar.extractall(ground.bed.etc, filter="fully_trusted")  # noqa: S202 - our own
    ground.bed.cmd("--reload")
    assert ground.foreign() == before


@only_nftables
def test_a_policy_of_our_name_that_holds_only_others_rules_is_left_alone(make: Make) -> None:
    ground = make()
    bed = ground.bed
    bed.cmd("--permanent", "--new-policy=lvsmarkd")
    bed.cmd("--permanent", "--policy=lvsmarkd", f"--add-rich-rule={STRANGER}")
    bed.cmd("--permanent", "--policy=lvsmarkd", "--add-ingress-zone=ANY")
    bed.cmd("--permanent", "--policy=lvsmarkd", "--add-egress-zone=HOST")
    bed.cmd("--reload")
    wish = web(ground, accept=True)
    theirs = [f for f in found(ground, wish, Kind.CONFLICT) if "somebody else's" in f.message]
    assert theirs
    assert theirs[0].plane is Plane.PERMANENT


@only_nftables
def test_many_rules_are_loaded_at_once_when_one_by_one_is_too_slow(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ground = make("zone")
    many = want(
        declare(80, *(flow(f"192.0.2.{n}", 80) for n in range(1, 60))), policy=ground.policy
    )
    assert settle(ground, many).steps == ()
    assert "reloading" not in caplog.text
    ground.backend.purge()
    monkeypatch.setattr("lvsmarkd.backends.firewalld.writing.apply.PATIENCE", 0.001)
    assert settle(ground, many).steps == ()
    assert "many rules are to be added" in caplog.text
    assert "new connections are dropped for about 0.1 s" in caplog.text


@only_nftables
def test_whether_the_reload_is_shown_before_it_is_made(make: Make) -> None:
    ground = make()
    shown = ground.backend.script(plan(ground, web(ground)))
    assert shown["firewall-cmd (runtime)"].splitlines()[-1] == "firewall-cmd --reload"
    assert "dropped for about 0.1 s" in shown["firewall-cmd (runtime)"]
    for line in shown["firewall-cmd (permanent)"].splitlines():
        run("sh", "-c", f"DBUS_SYSTEM_BUS_ADDRESS={ground.bed.address} {line}")
    ground.bed.cmd("--reload")
    assert plan(ground, web(ground)).steps == ()


@only_nftables
def test_a_configuration_that_others_broke_does_not_keep_our_rules_out(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    ground = make()
    broken = ground.bed.etc / "zones" / "dmz.xml"
    broken.write_text("<zone><broken")
    wish = web(ground)
    assert settle(ground, wish).steps == ()
    assert is_covered(ground, wish) is True
    assert caplog.text.count("reloading firewalld") == 1
    assert OURS in ground.bed.cmd("--zone=public", "--list-rich-rules")
    assert "firewalld_policy_drop" not in run("nft", "list", "tables")
    # What only a reload mends waits, and says why.
    ground.delete_in_kernel("public")
    (rejected,) = carry_out(ground.backend, plan(ground, wish)).rejected
    assert "refuses to reload" in rejected[1]
    broken.unlink()
    assert settle(ground, wish).steps == ()
    assert OURS in ground.bed.cmd("--policy=lvsmarkd", "--list-rich-rules")


@only_nftables
def test_a_flush_takes_what_others_had_in_force_so_a_reload_takes_nothing(make: Make) -> None:
    ground = make()
    wish = web(ground)
    settle(ground, wish)
    ground.bed.cmd("--zone=public", f"--add-rich-rule={STRANGER}")
    run("nft", "flush", "ruleset")
    assert settle(ground, wish).steps == ()
    assert is_covered(ground, wish) is True


@only_nftables
def test_a_rule_that_firewalld_never_loads_is_refused_and_not_reloaded_for_again(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As IPv6 is where it is switched off: listed, and in no chain."""
    ground = make()
    wish = web(ground)

    def blind(_backend: str) -> Kernel:
        return Kernel(whole=True)

    monkeypatch.setattr("lvsmarkd.backends.firewalld.planes.reader.read_kernel", blind)
    for _ in range(3):
        (rejected,) = carry_out(ground.backend, plan(ground, wish)).rejected
        assert "not even after a reload" in rejected[1]
    assert caplog.text.count("reloading firewalld") == 1
    carry_out(ground.backend, replace(plan(ground, wish), requested=True))
    assert caplog.text.count("reloading firewalld") == 2


def test_a_rule_that_is_deleted_twice_in_a_row_comes_back_twice(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = make()
    wish = web(ground)
    settle(ground, wish)
    now = [0.0]
    assert isinstance(ground.backend, MigratingBackend)
    present = ground.backend.present
    assert isinstance(present, FirewalldBackend)
    present._unmended.clock = lambda: now[0]  # noqa: SLF001 - its clock
    reload = Reloader.run

    def raced(reloader: Reloader, why: str, firewalld_state: FirewalldState) -> None:
        monkeypatch.undo()
        reload(reloader, why, firewalld_state)
        ground.delete_in_kernel()

    monkeypatch.setattr(Reloader, "run", raced)
    ground.delete_in_kernel()
    carry_out(ground.backend, plan(ground, wish))
    now[0] = DELAYS[0]
    assert settle(ground, wish).steps == ()
    now[0] += 30
    ground.delete_in_kernel()
    assert settle(ground, wish).steps == ()


def test_a_rule_that_is_deleted_right_after_a_reload_is_no_hopeless_one(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = make()
    two = want(declare(80, *(flow(f"192.0.2.{n}", 80) for n in (10, 11))), policy=ground.policy)
    assert settle(ground, two).steps == ()
    reload = Reloader.run

    def raced(reloader: Reloader, why: str, firewalld_state: FirewalldState) -> None:
        monkeypatch.undo()
        reload(reloader, why, firewalld_state)
        ground.delete_in_kernel(number=1)

    monkeypatch.setattr(Reloader, "run", raced)
    ground.delete_in_kernel()
    assert carry_out(ground.backend, plan(ground, two)).rejected == ()
    assert len(plan(ground, two).steps) == 1
    assert settle(ground, two).steps == ()


@pytest.mark.parametrize(("ah", "protocol"), [(False, "vrrp"), (True, "ah")])
def test_what_directors_say_to_each_other_is_accepted(
    make: Make, *, ah: bool, protocol: str
) -> None:
    ground = make()
    wish = want(instances=(instance("192.0.2.10", ah=ah),), policy=ground.policy)
    assert settle(ground, wish).steps == ()
    rule = f'rule priority="10965" family="ipv4" protocol value="{protocol}" accept'
    for plane in ((), ("--permanent",)):
        assert rule in ground.bed.cmd(*plane, "--policy=lvsmarkd", "--list-rich-rules")
