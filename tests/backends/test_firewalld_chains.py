"""Which rules of iptables are firewalld's, where its iptables backend keeps its rules there."""

import pytest
from msgspec.structs import replace

from lvsmarkd.backends.firewalld.names import NFTABLES, TABLE_KEY
from lvsmarkd.backends.firewalld.planes.direct import beside
from lvsmarkd.backends.firewalld.planes.iptables_chains import FirewalldChains
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableKey
from lvsmarkd.netfilter.iptables_save import read_saved

RUNTIME = Listing(Plane.RUNTIME, "public", {"public": {}, "dmz": {}}, {"lvsmarkd": {}})
OLD = """*filter
:INPUT ACCEPT [0:0]
:INPUT_direct - [0:0]
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
:PREROUTING_direct - [0:0]
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
DROP = "-d 192.0.2.10/32 -p tcp -m tcp --dport 80 -j DROP"
SEVEN = "-j MARK --set-xmark 0x7/0xffffffff"


def seen(layout: str, **more: str) -> Ruleset:
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
    return Ruleset(tables)


def others(layout: str, runtime: Listing = RUNTIME, **more: str) -> dict[str, list[str]]:
    """The rules that are left without firewalld's, by their chains."""
    left = beside(seen(layout, **more), "iptables", runtime)
    chains = [chain for table in left.readable() for chain in table.chains.values()]
    rules = {chain.name: [rule.text for rule in chain.rules] for chain in chains}
    for chain, texts in rules.items():
        rules[chain] = [text for text in texts if text != f"-j {chain}_direct"]
    return {chain: texts for chain, texts in rules.items() if texts}


@pytest.mark.parametrize("layout", [OLD, NEW], ids=["to-2.4", "from-2.5"])
def test_what_firewalld_has_there_is_none_of_others(layout: str) -> None:
    assert others(layout) == {}


@pytest.mark.parametrize("layout", [OLD, NEW], ids=["to-2.4", "from-2.5"])
@pytest.mark.parametrize("chain", ["PRE_office", "IN_house", "my_ZONES", "OUT_of_hours"])
def test_a_chain_that_only_begins_as_firewallds_do_is_somebody_elses(
    layout: str, chain: str
) -> None:
    marks = f"-A PREROUTING -j {chain}\n-A {chain} -j MARK --set-xmark 0x7/0xffffffff"
    assert others(layout, marks=marks) == {"PREROUTING": [f"-j {chain}"], chain: [SEVEN]}


@pytest.mark.parametrize("layout", [OLD, NEW], ids=["to-2.4", "from-2.5"])
def test_what_is_in_its_direct_chain_is_its_own_where_it_lists_it(layout: str) -> None:
    marks = f"-A PREROUTING_direct {SEVEN}"
    assert others(layout, marks=marks) == {"PREROUTING_direct": [SEVEN]}
    words = ("-j", "MARK", "--set-mark", "7")
    listed = replace(RUNTIME, direct=(("ipv4", "mangle", "PREROUTING", 0, words),))
    assert others(layout, listed, marks=marks) == {}


def test_a_passthrough_is_firewallds_with_either_backend() -> None:
    said = ("-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "7")
    listed = replace(RUNTIME, passthroughs=(("ipv4", said),))
    marks = f"-A PREROUTING {SEVEN}"
    assert others(OLD, listed, marks=marks) == {}
    assert others(OLD, marks=marks) == {"PREROUTING": [SEVEN]}
    left = beside(seen(OLD, marks=marks), NFTABLES, listed)
    mangle = left.table(TableKey(Lister.IPTABLES_NFT, "ip", "mangle"))
    assert mangle is not None
    assert SEVEN not in [rule.text for rule in mangle.chains["PREROUTING"].rules]


def test_its_native_table_is_not_what_others_have() -> None:
    other = TableKey(Lister.NFT, "inet", "t")
    both = Ruleset({TABLE_KEY: Table(TABLE_KEY), other: Table(other)})
    assert list(beside(both, NFTABLES, RUNTIME).tables) == [other]


@pytest.mark.parametrize("layout", [OLD, NEW], ids=["to-2.4", "from-2.5"])
def test_what_somebody_refuses_at_input_is_his(layout: str) -> None:
    assert others(layout, before=f"-A INPUT {DROP}") == {"INPUT": [DROP]}


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
