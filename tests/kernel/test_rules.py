"""Policy routing by marks, from the real kernel; pyroute2 is the witness."""

import subprocess
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from lvsmarkd.kernel.netlink import NETLINK_ROUTE, NetlinkSocket
from lvsmarkd.kernel.rules import policy_rules, route_lookups
from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.host import ANY_TABLE, LOCAL_TABLE, RouteLookup
from lvsmarkd.model.service import MAX_MARK, Family
from lvsmarkd.model.unknown import Unknown
from tests.harness.netns import as_nobody, run

pytestmark = pytest.mark.netns


def _claims() -> tuple[MarkClaim, ...]:
    found = policy_rules()
    assert not isinstance(found, Unknown), found
    return found


def test_a_fresh_namespace_routes_by_no_mark(netns: None) -> None:
    assert _claims() == ()


WHOLE = MAX_MARK
# What `ip rule add` is given; value and mask; what it is called; whether just one mark is meant.
RULES = [
    ("fwmark 80 lookup 100 priority 50", (80, WHOLE), "50: fwmark 0x50 lookup 100", True),
    ("fwmark 5 lookup 70000 priority 9", (5, WHOLE), "9: fwmark 0x5 lookup 70000", True),
    ("fwmark 4294967295 lookup 9 priority 1", (WHOLE,) * 2, "1: fwmark 0xffffffff lookup 9", True),
    ("fwmark 16/48 lookup 9 priority 1", (16, 48), "1: fwmark 0x10/0x30 lookup 9", False),
    ("not fwmark 7 lookup 9 priority 1", (7, WHOLE), "1: not fwmark 0x7 lookup 9", False),
    ("fwmark 0/1 lookup 9 priority 1", (0, 1), "1: fwmark 0x0/0x1 lookup 9", False),
    ("fwmark 6 prohibit priority 1", (6, WHOLE), "1: fwmark 0x6 prohibit", False),
    ("fwmark 6 goto 32766 priority 1", (6, WHOLE), "1: fwmark 0x6 goto", False),
]


@pytest.mark.parametrize(("rule", "bits", "where", "meant"), RULES, ids=[r[0] for r in RULES])
@pytest.mark.parametrize("family", list(Family))
def test_a_rule_with_a_mark_is_a_claim(
    netns: None, family: Family, rule: str, bits: tuple[int, int], where: str, *, meant: bool
) -> None:
    option, elsewhere = ("-6", "::1") if family is Family.INET6 else ("-4", "192.0.2.1")
    run("ip", option, "rule", "add", *rule.split())
    run("ip", option, "rule", "add", "to", elsewhere, "lookup", "3")

    (claim,) = _claims()

    text = f"ip rule {where}"
    assert claim == MarkClaim(*bits, "policy routing", text, Use.ROUTE, family, meant=meant)


def test_a_rule_of_keepalived_bears_its_name(netns: None, tmp_path: Path) -> None:
    run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    configuration = tmp_path / "keepalived.conf"
    configuration.write_text(
        "static_rules {\n to 192.0.2.0/24 fwmark 9/0xff table 99\n}\n"
        "vrrp_instance A {\n interface v0\n virtual_router_id 5\n"
        " virtual_ipaddress {\n 192.0.2.7\n }\n}\n"
    )
    files = [f"--{name}={tmp_path / name}" for name in ("pid", "vrrp_pid")]
    command = ["keepalived", "--vrrp", "--dont-fork", "--log-console", *files]
    keepalived = subprocess.Popen([*command, "--use-file", str(configuration)])
    try:
        for _ in range(100):
            if claims := _claims():
                break
            run("sleep", "0.1")
    finally:
        keepalived.terminate()
        keepalived.wait(20)
    (claim,) = claims
    assert (claim.owner, claim.value, claim.mask, claim.meant) == ("keepalived", 9, 255, False)


def test_many_rules_are_what_a_witness_reads(netns: None) -> None:
    rules = "".join(f"rule add fwmark {m}/{m | 1} lookup {m} priority {m}\n" for m in range(1, 601))
    run("ip", "-batch", "-", stdin=rules)
    with NetlinkSocket(NETLINK_ROUTE, 5) as kernel:
        datagrams = kernel.dump(34, bytes((2, *[0] * 11))).datagrams
    assert datagrams > 2

    with IPRoute() as witness:
        seen = {
            (rule.get_attr("FRA_FWMARK"), rule.get_attr("FRA_FWMASK"))
            for rule in witness.get_rules()
            if rule.get_attr("FRA_FWMARK")
        }

    assert {(claim.value, claim.mask) for claim in _claims()} == seen
    assert len(seen) == 600


def test_nobody_may_ask_too(netns: None) -> None:
    run("ip", "rule", "add", "fwmark", "80", "lookup", "100")
    ask = "from lvsmarkd.kernel.rules import policy_rules; print(*policy_rules())"
    done = as_nobody(ask)
    assert (done.stdout, done.stderr) == ("mark 80\n", "")


def test_without_time_the_rules_are_unknown() -> None:
    assert policy_rules(timeout=0) == Unknown(
        "the kernel does not tell its policy rules: timed out"
    )


def _lookups(family: Family) -> list[RouteLookup]:
    """Those that were added: the usual ones look for nothing."""
    found = route_lookups()
    assert not isinstance(found, Unknown), found
    usual = {LOCAL_TABLE, 253, 254}
    return [each for each in found if each.family is family and each.table not in usual]


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize(
    ("rule", "value", "mask", "inverted", "empty"),
    [
        ("fwmark 80 lookup 100", 80, WHOLE, False, True),
        ("fwmark 16/48 lookup 100", 16, 48, False, None),
        ("not fwmark 7 lookup 100", 7, WHOLE, True, None),
        ("iif lo lookup 100", 0, 0, False, None),
        # It takes packets of mark 7 that come by others.
        ("not fwmark 7 iif lo lookup 100", 7, 0, True, None),
    ],
)
def test_a_rule_that_leads_to_a_table(
    netns: None,
    family: Family,
    rule: str,
    value: int,
    mask: int,
    *,
    inverted: bool,
    empty: bool | None,
) -> None:
    option = "-6" if family is Family.INET6 else "-4"
    run("ip", option, "rule", "add", "priority", "5", *rule.split())
    run("ip", option, "rule", "add", "priority", "6", "prohibit")
    (lookup,) = _lookups(family)
    assert lookup == RouteLookup(family, 5, 100, value, mask, inverted, empty)


@pytest.mark.parametrize("table", [100, 70000])
@pytest.mark.parametrize("family", list(Family))
def test_a_table_for_one_mark_is_empty_until_it_has_a_route(
    netns: None, family: Family, table: int
) -> None:
    option, to = ("-6", "2001:db8::/64") if family is Family.INET6 else ("-4", "192.0.2.0/24")
    run("ip", "link", "set", "lo", "up")
    run("ip", option, "rule", "add", "fwmark", "80", "lookup", str(table))
    assert [each.is_empty for each in _lookups(family)] == [True]
    run("ip", option, "route", "add", "local", to, "dev", "lo", "table", str(table))
    assert [each.is_empty for each in _lookups(family)] == [False]
    run("ip", option, "route", "flush", "table", str(table))
    assert [each.is_empty for each in _lookups(family)] == [True]


def test_a_rule_for_vrfs_leads_to_whichever_table(netns: None) -> None:
    run("ip", "rule", "add", "l3mdev")
    assert [each.table for each in _lookups(Family.INET)] == [ANY_TABLE]
