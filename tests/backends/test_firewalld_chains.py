"""Which rules of iptables are firewalld's, where its iptables backend keeps its rules there."""

import pytest

from lvsmarkd.backends.firewalld.planes.direct import of_iptables
from lvsmarkd.backends.firewalld.planes.iptables_chains import FirewalldChains
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.backends.iptables.snapshot import snapshot_of
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.rule import Plane, SetMark
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableKey
from lvsmarkd.model.snapshot import Drop, ForeignRule, Snapshot
from lvsmarkd.netfilter.iptables_save import read_saved

RUNTIME = Listing(Plane.RUNTIME, "public", {"public": {}, "dmz": {}}, {"lvsmarkd": {}})
OLD = """*filter
:INPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
{before}
-A INPUT -j INPUT_direct
-A INPUT -j INPUT_ZONES
{behind}
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A INPUT_ZONES -g IN_public
-A IN_public -j IN_public_deny
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -j PREROUTING_direct
-A PREROUTING -j PREROUTING_ZONES
-A PREROUTING_ZONES -g PRE_public
-A PRE_public -j PRE_public_post
-A PRE_public_post -d 192.0.2.10/32 -j MARK --set-xmark 0x50/0xffffffff
{marks}
COMMIT
"""
NEW = (
    OLD.replace("INPUT_ZONES", "INPUT_dispatch")
    .replace("PREROUTING_ZONES", "PREROUTING_dispatch")
    .replace("IN_public ", "IN_public_to_HOST ")
    .replace("PRE_public ", "PRE_public_to_HOST ")
)
DROP = "-A INPUT -d 192.0.2.10/32 -p tcp -m tcp --dport 80 -j DROP"


def seen(layout: str, **more: str) -> Snapshot:
    text = layout.format(**{"before": "", "behind": "", "marks": ""} | more)
    source = Lister.IPTABLES_NFT
    lines = "\n".join(line for line in text.splitlines() if line)
    tables: dict[TableKey, Table] = {}
    for family in ("ip", "ip6"):
        for name in ("mangle", "filter"):
            key = TableKey(source, family, name)
            found = read_saved(lines + "\n", source, family)[name] if family == "ip" else Table(key)
            assert isinstance(found, Table)
            tables[key] = found
    firewall = FirewallIdentity(Program.IPTABLES, "nft", "1.8.9")
    return snapshot_of(Ruleset(tables), firewall, jump_at_end=False)


def others(layout: str, **more: str) -> list[ForeignRule]:
    return list(of_iptables(seen(layout, **more), "iptables", RUNTIME))


@pytest.mark.parametrize("layout", [OLD, NEW], ids=["to-2.4", "from-2.5"])
def test_what_firewalld_has_there_is_none_of_others(layout: str) -> None:
    assert others(layout) == []


@pytest.mark.parametrize("layout", [OLD, NEW], ids=["to-2.4", "from-2.5"])
@pytest.mark.parametrize("chain", ["PRE_office", "IN_house", "my_ZONES", "OUT_of_hours"])
def test_a_chain_that_only_begins_as_firewallds_do_is_somebody_elses(
    layout: str, chain: str
) -> None:
    marks = f"-A PREROUTING -j {chain}\n-A {chain} -j MARK --set-xmark 0x7/0xffffffff"
    (found,) = others(layout, marks=marks)
    assert (found.effect, found.chain) == (SetMark(7), chain)


@pytest.mark.parametrize("layout", [OLD, NEW], ids=["to-2.4", "from-2.5"])
def test_direct_rules_are_somebody_elses_in_a_chain_of_firewallds(layout: str) -> None:
    (found,) = others(layout, marks="-A PREROUTING_direct -j MARK --set-xmark 0x7/0xffffffff")
    assert found.effect == SetMark(7)


@pytest.mark.parametrize("layout", [OLD, NEW], ids=["to-2.4", "from-2.5"])
def test_what_somebody_refuses_at_input_counts_where_firewalld_has_not_decided_yet(
    layout: str,
) -> None:
    (found,) = others(layout, before=DROP)
    assert (found.effect, found.text) == (Drop(), DROP)
    assert others(layout, behind=DROP) == []


@pytest.mark.parametrize(
    ("chain", "ours"),
    [
        ("IN_public", True),
        ("IN_public_deny", True),
        ("PRE_lvsmarkd_post", True),
        ("IN_public_POLICIES_pre", True),
        ("FWD_dmz_to_public", True),
        ("FWD_dmz_dispatch_stage2", True),
        ("FORWARD_dispatch", True),
        ("PREROUTING_direct", True),
        ("RFC3964_IPv4", True),
        ("IN_publication", False),
        ("FWD_dmz_to_office", False),
        ("INPUT_office", False),
        ("guests", False),
    ],
)
def test_chains_are_known_by_the_names_of_zones_and_policies(chain: str, *, ours: bool) -> None:
    assert (FirewalldChains.of(RUNTIME).names.fullmatch(chain) is not None) is ours
