"""Which chains all packets pass, and what they meet after one of them."""

from lvsmarkd.model.ruleset import Lister, Table, TableKey
from lvsmarkd.netfilter.iptables_save import read_saved
from lvsmarkd.netfilter.passing import Passing

ZONES = (
    "PREROUTING -j ZONES",
    "PREROUTING -j LAST",
    "ZONES -i e0 -g A",
    "ZONES -g B",
    "A -j OWN_A",
    "A -j POLICIES",
    "A -j AFTER_A",
    "B -j POLICIES",
    "POLICIES -j EARLY",
    "POLICIES -j OURS",
    "POLICIES -j LATE",
    "OURS -j LOG",
)


def passing(*rules: str) -> Passing:
    names = dict.fromkeys(word for rule in rules for word in rule.split() if word.isupper())
    chains = "".join(
        f":{name} {'ACCEPT' if name == 'PREROUTING' else '-'} [0:0]\n"
        for name in names
        if name not in {"ACCEPT", "RETURN", "DROP", "LOG"}
    )
    text = f"*mangle\n{chains}" + "".join(f"-A {rule}\n" for rule in rules) + "COMMIT\n"
    table = read_saved(text, Lister.IPTABLES_NFT, "ip")["mangle"]
    assert isinstance(table, Table)
    return Passing(table, "PREROUTING")


def behind(*rules: str) -> set[tuple[str, int]]:
    return {(chain.name, rule.line) for chain, rule in passing(*rules).behind("OURS")}


def test_every_packet_passes_what_stands_on_each_way() -> None:
    assert passing(*ZONES).passed_by_all() == {
        *("PREROUTING", "ZONES", "POLICIES", "EARLY", "OURS", "LATE", "LAST")
    }


def test_some_packets_do_not_pass_what_a_condition_or_a_verdict_keeps_them_from() -> None:
    for kept_from in (
        "POLICIES -p tcp -j OURS",
        "POLICIES -p tcp -g ELSEWHERE",
        "POLICIES -p tcp -j ACCEPT",
        "POLICIES -p tcp -j RETURN",
    ):
        then = () if "OURS" in kept_from else ("POLICIES -j OURS",)
        rules = ("PREROUTING -j POLICIES", kept_from, *then)
        assert "OURS" not in passing(*rules).passed_by_all(), kept_from


def test_packets_that_are_dropped_do_not_count() -> None:
    rules = ("PREROUTING -p udp -j DROP", "PREROUTING -j OURS")
    assert "OURS" in passing(*rules).passed_by_all()


def test_behind_a_chain_is_what_packets_meet_after_they_were_in_it() -> None:
    found = behind(*ZONES)
    assert found == {("OURS", 1), ("POLICIES", 3), ("A", 3), ("PREROUTING", 2)}
    more = behind(*ZONES, "LATE -j LOG", "LAST -j DEEPER", "DEEPER -j LOG", "EARLY -j LOG")
    assert more - found == {("LATE", 1), ("LAST", 1), ("DEEPER", 1)}


def test_behind_a_chain_that_no_packet_gets_to_is_nothing() -> None:
    assert behind("PREROUTING -j LOG", "OURS -j LOG") == set()


def test_a_loop_of_jumps_ends() -> None:
    table = passing("PREROUTING -j A", "A -j B", "B -j A").table
    assert set(table.reached("A")) == {"A", "B"}
    assert Passing(table, "PREROUTING").passed_by_all() >= {"PREROUTING", "A"}
    assert TableKey(Lister.NFT, "inet", "t").families != ()
