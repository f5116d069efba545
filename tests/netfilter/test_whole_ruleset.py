"""All that packets meet, made whole from what a backend read: real nft, iptables and ipset."""

from collections.abc import Mapping

import pytest

from lvsmarkd.kernel.nf_tables import NamedTable, NamedTables
from lvsmarkd.model.rule import SetMark
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableKey, TableSet
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.iptables_save import read_saved
from lvsmarkd.netfilter.nft_json import read_table
from lvsmarkd.netfilter.whole_ruleset import WholeRuleset
from tests.harness.netns import run

FAMILIES = {"ip": "iptables", "ip6": "ip6tables"}
BUSY = """
table inet t {
    set looked { type ipv4_addr; flags interval; elements = { 203.0.113.0/24 }; }
    chain pre {
        type filter hook prerouting priority -140; policy accept;
        ip saddr @looked drop
    }
}
table inet idle {
    set unused { type ipv4_addr; elements = { 192.0.2.1 }; }
    chain c { type filter hook input priority 0; policy accept; }
}
"""


def saved() -> Ruleset:
    """What iptables lists, as backends read it."""
    tables: dict[TableKey, Table | Unknown] = {}
    for family, stem in FAMILIES.items():
        for source in (Lister.IPTABLES_NFT, Lister.IPTABLES_LEGACY):
            listing = run(f"{stem}-{'nft' if source is Lister.IPTABLES_NFT else 'legacy'}-save")
            found = read_saved(listing, source, family)
            tables |= {TableKey(source, family, name): each for name, each in found.items()}
    return Ruleset(tables)


def nft(text: str) -> None:
    run("nft", "-f", "-", stdin=text)


def native(ruleset: Ruleset, family: str, name: str) -> Table:
    found = ruleset.tables[TableKey(Lister.NFT, family, name)]
    assert isinstance(found, Table), found
    return found


class Counted:
    """The real readers, and what they were asked for."""

    def __init__(self) -> None:
        self.read: list[tuple[str, bool]] = []
        self.ipsets = 0

    def table(self, family: str, name: str, *, elements: bool = False) -> Table | Unknown | None:
        self.read.append((f"{family} {name}", elements))
        return read_table(family, name, elements=elements)

    def no_sets(self) -> Mapping[str, TableSet] | Unknown:
        self.ipsets += 1
        return {}


@pytest.mark.usefixtures("netns")
def test_where_there_is_nothing_there_is_nothing() -> None:
    assert WholeRuleset().complete(Ruleset()) == Ruleset()


@pytest.mark.usefixtures("netns")
def test_native_tables_are_read_and_their_sets_only_where_a_rule_looks_into_them() -> None:
    nft(BUSY)
    whole = WholeRuleset().complete(saved())
    (element,) = native(whole, "inet", "t").sets["looked"].elements or ()
    assert str(element.key) == "203.0.113.0/24"
    assert native(whole, "inet", "idle").sets["unused"].elements is None


@pytest.mark.usefixtures("netns")
def test_a_map_of_marks_is_looked_into_as_well() -> None:
    nft(
        "table inet m {\n map svc { type inet_service : mark; elements = { 80 : 7 }; }\n"
        " chain c { type filter hook prerouting priority 0;\n"
        "  meta mark set tcp dport map @svc\n }\n}"
    )
    (element,) = native(WholeRuleset().complete(Ruleset()), "inet", "m").sets["svc"].elements or ()
    assert element.data == 7


@pytest.mark.usefixtures("netns")
def test_what_packets_for_ipvs_never_meet_is_not_read() -> None:
    nft("table arp a { }\ntable bridge b { }\ntable netdev n { }\n")
    readers = Counted()
    WholeRuleset(read=readers.table).complete(Ruleset())
    assert readers.read == [("netdev n", False)]


@pytest.mark.usefixtures("netns")
def test_a_table_of_iptables_is_listed_by_iptables_and_not_by_nft() -> None:
    run("iptables-nft", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "80")
    readers = Counted()
    whole = WholeRuleset(read=readers.table).complete(saved())
    assert readers.read == []
    assert list(whole.tables) == [TableKey(Lister.IPTABLES_NFT, "ip", "mangle")]


@pytest.mark.usefixtures("netns")
def test_a_table_that_nft_made_under_iptables_name_is_read_from_nft() -> None:
    """iptables-save says of such a table that it is incompatible, and shows nothing of it."""
    nft(
        "table ip filter {\n chain early { type filter hook input priority -5; policy accept;\n"
        "  ct state established accept\n  tcp dport 443 meta mark set 9\n }\n}"
    )
    whole = WholeRuleset().complete(saved())
    chain = native(whole, "ip", "filter").chains["early"]
    assert [rule.spec.effects for rule in chain.rules][-1] == (SetMark(9),)
    assert TableKey(Lister.IPTABLES_NFT, "ip", "filter") not in whole.tables


@pytest.mark.usefixtures("netns")
def test_a_table_of_iptables_with_a_chain_that_nft_added_is_shown_in_both_parts() -> None:
    run("iptables-nft", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "80")
    nft(
        "table ip mangle {\n chain added { type filter hook prerouting priority -149;\n"
        "  policy accept;\n  meta mark set 9\n }\n}"
    )
    whole = WholeRuleset().complete(saved())
    keys = [key for key in whole.tables if key.name == "mangle"]
    assert len(keys) == 1, "one table stands for both"
    table = whole.tables[keys[0]]
    assert isinstance(table, Table)
    marks = {
        name: rule.spec.effects[0]
        for name in ("PREROUTING", "added")
        for rule in table.chains[name].rules
    }
    assert marks == {"PREROUTING": SetMark(80), "added": SetMark(9)}
    assert not table.hidden


@pytest.mark.usefixtures("netns")
def test_the_tables_of_legacy_stay_as_they_were_read() -> None:
    run("iptables-legacy", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "80")
    nft("table inet t { }")
    before = saved()
    whole = WholeRuleset().complete(before)
    key = TableKey(Lister.IPTABLES_LEGACY, "ip", "mangle")
    assert whole.tables[key] == before.tables[key]
    assert native(whole, "inet", "t") == Table(TableKey(Lister.NFT, "inet", "t"), handle=1)


@pytest.mark.usefixtures("netns")
def test_nothing_is_read_anew_where_nothing_changed_and_all_where_something_did() -> None:
    nft(BUSY)
    readers = Counted()
    maker = WholeRuleset(read=readers.table)
    first = maker.complete(Ruleset())
    asked = [("inet t", False), ("inet t", True), ("inet idle", False)]
    assert readers.read == asked
    assert maker.complete(Ruleset()) == first
    assert readers.read == asked
    nft("add rule inet idle c tcp dport 22 drop")
    second = maker.complete(Ruleset())
    assert readers.read == asked * 2
    assert len(native(second, "inet", "idle").chains["c"].rules) == 1


@pytest.mark.usefixtures("netns")
def test_a_table_that_is_gone_is_gone_from_the_answer() -> None:
    nft(BUSY)
    maker = WholeRuleset()
    assert len(maker.complete(Ruleset()).tables) == 2
    nft("delete table inet t")
    assert [key.name for key in maker.complete(Ruleset()).tables] == ["idle"]


@pytest.mark.usefixtures("netns")
def test_what_a_backend_read_whole_is_not_read_again() -> None:
    nft(BUSY)
    key = TableKey(Lister.NFT, "inet", "t")
    whole, terse = read_table("inet", "t", elements=True), read_table("inet", "t")
    assert whole is not None
    assert terse is not None
    readers = Counted()
    WholeRuleset(read=readers.table).complete(Ruleset({key: whole}))
    assert readers.read == [("inet idle", False)]
    found = WholeRuleset().complete(Ruleset({key: terse}))
    assert native(found, "inet", "t").sets["looked"].elements, "what it lacked is read"


@pytest.mark.usefixtures("netns")
def test_ipsets_are_read_only_where_a_rule_asks() -> None:
    run("ipset", "create", "bad", "hash:net")
    run("ipset", "add", "bad", "203.0.113.0/24")
    run("iptables-nft", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "-j", "ACCEPT")
    readers = Counted()
    assert WholeRuleset(ipsets=readers.no_sets).complete(saved()).ipsets is None
    assert readers.ipsets == 0
    words = "-t raw -A PREROUTING -m set --match-set bad src -j DROP"
    run("iptables-nft", *words.split())
    found = WholeRuleset().complete(saved()).ipsets
    assert isinstance(found, Mapping)
    (element,) = found["bad"].elements or ()
    assert str(element.key) == "203.0.113.0/24"
    run("iptables-nft", *words.replace("-A", "-D").split())
    run("ipset", "destroy", "bad")


@pytest.mark.usefixtures("netns")
def test_what_fails_is_unknown_and_the_rest_is_there() -> None:
    nft(BUSY)

    def one_fails(family: str, name: str, *, elements: bool = False) -> Table | Unknown | None:
        if name == "t":
            return Unknown("nft crashed")
        return read_table(family, name, elements=elements)

    whole = WholeRuleset(read=one_fails).complete(Ruleset())
    assert whole.tables[TableKey(Lister.NFT, "inet", "t")] == Unknown("nft crashed")
    assert native(whole, "inet", "idle").chains


@pytest.mark.usefixtures("netns")
def test_what_could_not_be_read_is_tried_again() -> None:
    nft(BUSY)
    failing = [True, False, False, False]

    def once(family: str, name: str, *, elements: bool = False) -> Table | Unknown | None:
        return Unknown("busy") if failing.pop(0) else read_table(family, name, elements=elements)

    maker = WholeRuleset(read=once)
    assert isinstance(maker.complete(Ruleset()).tables[TableKey(Lister.NFT, "inet", "t")], Unknown)
    assert native(maker.complete(Ruleset()), "inet", "t").chains


def test_a_table_that_vanished_while_it_was_looked_for_is_none() -> None:
    names = NamedTables((NamedTable("inet", "gone"),), 1)
    maker = WholeRuleset(names=lambda: names, read=lambda *_, **__: None)
    assert maker.complete(Ruleset()) == Ruleset()


def test_where_nf_tables_does_not_tell_its_tables_all_natives_are_unread() -> None:
    why = Unknown("not permitted")
    whole = WholeRuleset(names=lambda: why).complete(Ruleset())
    assert whole == Ruleset(unread={Lister.NFT: why})


@pytest.mark.usefixtures("netns")
def test_a_set_of_which_elements_end_by_themselves_is_read_again_once_one_has_ended() -> None:
    lasting = "flags interval; elements = { 203.0.113.0/24 }"
    ending = "flags interval, timeout; elements = { 203.0.113.0/24 timeout 1h }"
    nft(BUSY.replace(lasting, ending))
    at = 0.0
    readers = Counted()
    whole = WholeRuleset(read=readers.table, clock=lambda: at)
    whole.complete(saved())
    asked = len(readers.read)
    at = 3_590.0
    whole.complete(saved())
    assert len(readers.read) == asked
    at = 3_601.0
    whole.complete(saved())
    assert readers.read[asked:] == [("inet t", False), ("inet t", True)]
