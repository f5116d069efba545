"""The table of maps that gives flows their marks: what packets of a small universe get by it."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.backends.nftables.flow_maps import MOST_SPELT_OUT
from lvsmarkd.backends.nftables.mark_table import mark_table
from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Accept, Hook, Rule, SetMark
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.nftables.changes import Operation
from lvsmarkd.netfilter.nftables.difference import CHEAP_DELETES, difference
from lvsmarkd.netfilter.nftables.expressions import Counts
from lvsmarkd.netfilter.nftables.objects import (
    Elements,
    NftChain,
    NftSet,
    NftTable,
    TableContents,
    TableFlag,
    TableId,
)
from tests.harness.nft_machine import Machine
from tests.harness.nft_tables import by_service
from tests.harness.values import flow, key
from tests.model.universe import EVERY, Packet, is_one_of, some_packets

TABLE = NftTable(TableId(NftFamily.INET, "ours"))
PORT = 40_000
"""A netlink port."""


def rule(mark: int, packets: Packets, family: Family | None = None) -> Rule:
    own = family or packets.family or Family.INET
    return Rule(own, Hook.PREROUTING, packets, SetMark(mark), mark)


@st.composite
def marking(draw: st.DrawFn) -> tuple[Rule, ...]:
    """Rules of three marks; those of different marks may be about the same packets."""
    families = st.sampled_from(Family)
    made = st.builds(rule, st.sampled_from([1, 2, 0x80000003]), some_packets(), families)
    found = draw(st.lists(made, max_size=6))
    return tuple(
        replace(each, family=each.match.family or each.family) for each in dict.fromkeys(found)
    )


def marks(rules: tuple[Rule, ...], packet: Packet) -> set[int]:
    """What these rules would give a packet."""
    family = Family.of(packet.to)
    return {
        each.mark
        for each in rules
        if each.mark and each.family is family and is_one_of(packet, each.match)
    }


@given(marking(), st.booleans())
def test_packets_get_the_mark_of_a_rule_that_they_are_meant_by_and_others_none(
    rules: tuple[Rule, ...], only_unmarked: bool
) -> None:
    table = mark_table(TABLE, rules, only_unmarked=only_unmarked)
    for packet in EVERY[::7]:
        meant = marks(rules, packet)
        assert Machine(table, packet).run() in (meant or {0}), packet


@given(marking())
def test_a_guard_leaves_a_mark_alone_and_a_backend_has_the_last_word(
    rules: tuple[Rule, ...],
) -> None:
    guard = mark_table(TABLE, rules, only_unmarked=True)
    backend = mark_table(TABLE, rules, only_unmarked=False)
    for packet in EVERY[::31]:
        assert Machine(guard, packet, mark=77).run() == 77
        assert Machine(backend, packet, mark=77).run() in (marks(rules, packet) or {77})


def test_each_flow_is_in_the_map_that_finds_it_soonest() -> None:
    rules = (
        rule(1, flow("192.0.2.1", 80)),
        rule(1, flow("192.0.2.1", 8000, 8063)),
        rule(2, flow("192.0.2.1", 10000, 20000)),
        rule(3, flow("192.0.2.0/30", 443)),
        rule(4, flow("192.0.2.2")),
        rule(5, flow("192.0.2.3", transport=None)),
        rule(6, flow("198.51.100.0/24", transport=None)),
        rule(7, flow("2001:db8::1", 80)),
    )
    table = mark_table(TABLE, rules, only_unmarked=True)
    sizes = {of.name: len(table.elements[of.name]) for of in table.sets}
    assert sizes == {
        "vips4": 2,  # 192.0.2.0/30 has the hosts in it
        "hosts4": 65,
        "ranges4": 4,  # 192.0.2.2 but 443, which the network has
        "whole_hosts4": 1,
        "networks4": 1,
        "vips6": 1,
        "hosts6": 1,
    }


def test_what_no_packet_needs_is_not_there() -> None:
    empty = mark_table(TABLE, (), only_unmarked=True)
    assert [chain.name for chain in empty.chains] == ["prerouting"]
    assert empty.sets == ()
    others = (
        replace(rule(1, flow("192.0.2.1", 80)), hook=Hook.OUTPUT),
        replace(rule(1, flow("192.0.2.1", 80)), hook=Hook.INPUT, action=Accept()),
    )
    assert mark_table(TABLE, others, only_unmarked=True) == empty


def test_names_are_the_same_whatever_else_there_is() -> None:
    """So that what stays is not made anew where something comes."""
    one = rule(
        1, flow("192.0.2.1", 80, in_interface="bond0.1@x", not_from_mac=["52:54:00:00:00:01"])
    )
    few = mark_table(TABLE, (one,), only_unmarked=True)
    many = mark_table(
        TABLE,
        (rule(2, flow("192.0.2.2", 80)), rule(3, flow("192.0.2.3", 80, in_interface="a")), one),
        only_unmarked=True,
    )
    assert set(few.sets) < set(many.sets)
    assert set(few.chains) < set(many.chains)


def found(table: TableContents, **counts: int) -> TableContents:
    """The same as it is read, each element of these sets with so many packets counted."""
    return replace(
        table,
        elements={
            name: tuple(replace(each, counts=Counts(counts.get(name, 0), 0)) for each in elements)
            for name, elements in table.elements.items()
        },
    )


def test_what_is_as_it_is_to_be_is_not_changed() -> None:
    table = mark_table(TABLE, (rule(1, flow("192.0.2.1", 80)),), only_unmarked=True)
    assert difference(table, found(table, hosts4=9), PORT) == ()


def test_one_flow_more_is_one_element_more() -> None:
    before = mark_table(TABLE, (rule(1, flow("192.0.2.1", 80)),), only_unmarked=True)
    after = mark_table(
        TABLE, (rule(1, flow("192.0.2.1", 80)), rule(1, flow("192.0.2.1", 81))), only_unmarked=True
    )
    (change,) = difference(after, before, PORT)
    assert (change.operation, str(change.subject)) == (
        Operation.ADD,
        "1 elements of map inet ours hosts4",
    )
    (change,) = difference(before, after, PORT)
    assert change.operation is Operation.DELETE


def test_a_mark_that_is_another_one_now_replaces_the_old_one() -> None:
    before = mark_table(TABLE, (rule(1, flow("192.0.2.1", 80)),), only_unmarked=True)
    after = mark_table(TABLE, (rule(2, flow("192.0.2.1", 80)),), only_unmarked=True)
    out, into = difference(after, before, PORT)
    assert (out.operation, into.operation) == (Operation.DELETE, Operation.ADD)


def test_many_ranges_that_go_are_cheaper_to_leave_behind_and_what_was_counted_stays() -> None:
    many = [rule(1, flow(f"192.0.2.{number}", 1000, 2000)) for number in range(CHEAP_DELETES + 5)]
    before = mark_table(TABLE, many, only_unmarked=True)
    few = mark_table(TABLE, many[1:], only_unmarked=True)
    assert not any(
        isinstance(each.subject, NftSet) for each in difference(few, found(before, ranges4=3), PORT)
    )
    left = mark_table(TABLE, many[-2:], only_unmarked=True)
    changes = difference(left, found(before, ranges4=3), PORT)
    (ranges,) = [of for of in left.sets if of.name == "ranges4"]
    assert [each.operation for each in changes if each.subject == ranges] == [
        Operation.DELETE,
        Operation.ADD,
    ]
    (new,) = [
        each.subject
        for each in changes
        if isinstance(each.subject, Elements)
        and each.subject.of == ranges
        and each.operation is Operation.ADD
    ]
    assert [each.counts for each in new.elements] == [Counts(3, 0)] * 2


OWNED = TableFlag.OWNER | TableFlag.PERSIST


def test_a_table_is_taken_over_as_it_is_where_that_is_possible_and_made_anew_where_not() -> None:
    def of(flags: TableFlag, owner: int = 0) -> TableContents:
        return mark_table(
            replace(TABLE, flags=flags, owner=owner),
            (rule(1, flow("192.0.2.1", 80)),),
            only_unmarked=True,
        )

    def told(wanted: TableContents, there: TableContents) -> list[str]:
        return [
            f"{each.operation.name.lower()} {each.subject}"
            for each in difference(wanted, there, PORT)
            if isinstance(each.subject, NftTable)
        ]

    add, anew = ["add table inet ours"], ["delete table inet ours", "add table inet ours"]
    wanted = of(OWNED)
    assert told(wanted, TableContents()) == add
    assert told(wanted, of(OWNED, PORT)) == []
    orphan = of(TableFlag.PERSIST)
    assert [str(each) for each in difference(wanted, orphan, PORT)] == add, "and nothing else"
    assert told(wanted, of(TableFlag(0))) == anew
    assert told(of(TableFlag.OWNER), of(TableFlag(0))) == anew
    assert told(of(TableFlag.OWNER), of(OWNED, PORT)) == anew
    assert told(of(TableFlag(0)), of(OWNED, PORT)) == anew
    assert told(of(TableFlag(0)), of(TableFlag.DORMANT)) == add, "it wakes up by that"
    assert told(replace(wanted, table=None), of(OWNED, PORT)) == anew[:1]
    assert difference(TableContents(), TableContents(), PORT) == ()


def test_what_somebody_else_put_there_goes() -> None:
    table = mark_table(TABLE, (rule(1, flow("192.0.2.1", 80)),), only_unmarked=True)
    (prerouting,) = [chain for chain in table.chains if chain.name == "prerouting"]
    alien = NftChain(TABLE.id, "theirs")
    strange = replace(
        table,
        chains=(*table.chains, alien),
        rules={**table.rules, "prerouting": table.rules["prerouting"][::-1], "theirs": ()},
    )
    told = [str(each) for each in difference(table, strange, PORT)]
    assert f"flush {prerouting}" in told
    assert f"delete {alien}" in told
    assert "delete set inet ours vips4" not in told


def test_packets_are_counted_by_service() -> None:
    rules = (
        rule(80, flow("192.0.2.1", 80)),
        rule(80, flow("192.0.2.1", 443)),
        rule(80, flow("192.0.2.2", 10000, 20000, in_interface="eth0")),
        rule(80, flow("2001:db8::1", 80)),
    )
    table = mark_table(TABLE, rules, only_unmarked=True)
    (by_interface,) = [name for name in table.elements if name.startswith("ranges4_")]
    counts = {"hosts4": 5, by_interface: 2, "hosts6": 1}
    assert by_service(found(table, **counts)) == {key(80): 12, key(80, "inet6"): 1}
    packet = Packet(ip_address("192.0.2.1"), 6, 80, "eth1", "52:54:00:00:00:01")
    machine = Machine(table, packet)
    assert machine.run() == 80
    assert len(machine.found) == 1


def test_of_very_many_ranges_the_narrow_ones_are_spelt_out_and_no_more_than_so_many() -> None:
    hosts = [f"192.0.{n >> 8}.{n & 255}" for n in range(400)]
    wide = [rule(1, flow(each, 8000, 8062)) for each in hosts]
    narrow = [rule(1, flow(each, 90, 91)) for each in hosts]
    single = [rule(1, flow(each, 80)) for each in hosts]
    table = mark_table(TABLE, [*wide, *narrow, *single], only_unmarked=True)
    spelt_out = table.elements["hosts4"]
    of_wide = len(spelt_out) - 3 * len(hosts)
    assert 0 < of_wide <= MOST_SPELT_OUT - 2 * len(hosts)
    assert len(table.elements["ranges4"]) == len(hosts) - of_wide // 63
    again = mark_table(TABLE, [*single, *narrow, *reversed(wide)], only_unmarked=True)
    assert again == table
