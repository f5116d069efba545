"""Messages of nf_tables are read as they were written, and whatever else comes does no harm."""

import errno
from ipaddress import IPv4Address, IPv6Address
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.kernel.netlink import NetlinkError
from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.kernel.nf_tables_batch import NFGENMSG, NftRefusal
from lvsmarkd.netfilter.nftables import wire
from lvsmarkd.netfilter.nftables.changes import NftChange, Operation, add, delete, flush, prepared
from lvsmarkd.netfilter.nftables.datatypes import (
    DataType,
    Value,
    fields_of,
    key_values,
    packed,
    packed_key,
    type_number,
)
from lvsmarkd.netfilter.nftables.element_wire import element_parts, read_elements
from lvsmarkd.netfilter.nftables.expression_wire import expression_parts, read_expression
from lvsmarkd.netfilter.nftables.expressions import ACCEPT, Expression, UnknownExpression
from lvsmarkd.netfilter.nftables.object_wire import (
    chain_parts,
    read_chain,
    read_rule,
    read_table,
    rule_parts,
    table_parts,
)
from lvsmarkd.netfilter.nftables.objects import (
    Elements,
    NftChain,
    NftElement,
    NftRule,
    NftSet,
    NftTable,
    UnknownSet,
)
from lvsmarkd.netfilter.nftables.set_wire import read_set, set_parts
from tests.harness.nft_tables import HOSTS, OURS, PRE, PREFIXES, RANGES, addr
from tests.netfilter.nftables import strategies


def body(family: NftFamily, parts: bytes) -> bytes:
    """A message without its header."""
    return NFGENMSG.pack(family, 0, 0) + parts


@given(strategies.expressions)
def test_an_expression_is_read_as_it_was_written(expression: Expression) -> None:
    assert read_expression(expression_parts(expression)) == expression


@given(strategies.tables)
def test_a_table_is(table: NftTable) -> None:
    # Whose it is says the kernel.
    written = replace(table, owner=0)
    assert read_table(body(table.id.family, table_parts(table))) == written


@given(strategies.chains)
def test_a_chain_is(chain: NftChain) -> None:
    assert read_chain(body(chain.table.family, chain_parts(chain))) == chain


@given(strategies.rules)
def test_a_rule_is(rule: NftRule) -> None:
    found = read_rule(body(rule.table.family, rule_parts(rule)))
    assert found == rule
    assert (found.handle, found.expressions) == (rule.handle, rule.expressions)


@given(strategies.sets())
def test_a_set_is(of: NftSet) -> None:
    assert read_set(body(of.table.family, set_parts(of))) == of


@given(strategies.filled_sets(), st.randoms())
def test_elements_are_in_whatever_order_they_come(
    filled: tuple[NftSet, tuple[NftElement, ...]], chance: Random
) -> None:
    of, elements = filled
    parts = [part for each in elements for part in element_parts(of, each)]
    chance.shuffle(parts)
    found = read_elements(of, parts)
    assert found == elements
    assert [each.counts for each in found] == [each.counts for each in elements]


@given(st.data())
def test_values_come_back_from_a_key(data: st.DataObject) -> None:
    fields = tuple(data.draw(st.lists(st.sampled_from(strategies.FIELDS), min_size=1, max_size=5)))
    key = tuple(data.draw(strategies.values(each)) for each in fields)
    assert key_values(fields, packed_key(fields, key)) == key
    assert fields_of(type_number(fields)) == fields


@given(st.binary(max_size=60))
def test_bytes_that_are_nothing_are_told_so_or_left_as_unknown(junk: bytes) -> None:
    for read in (read_table, read_chain, read_rule, read_set):
        try:
            read(body(NftFamily.INET, junk))
        except NetlinkError:
            continue
    for of in (HOSTS, RANGES, PREFIXES):
        try:
            read_elements(of, [junk])
        except NetlinkError:
            continue
    with pytest.raises(NetlinkError):
        read_table(junk[:3])


def test_an_expression_with_something_new_in_it_is_left_as_it_is() -> None:
    newer = wire.text(1, "cmp") + wire.nest(2, wire.be32(1, 1), wire.be32(9, 1))
    found = read_expression(newer)
    assert found == UnknownExpression("cmp", wire.be32(1, 1) + wire.be32(9, 1))
    assert expression_parts(found) == newer


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DataType.IPV4_ADDR, IPv6Address("::1")),
        (DataType.IPV6_ADDR, IPv4Address("10.0.0.1")),
        (DataType.INET_PROTO, 256),
        (DataType.INET_SERVICE, -1),
        (DataType.MARK, 1 << 32),
        (DataType.IFNAME, "sixteen-letters-"),
        (DataType.ETHER_ADDR, "52:54:00"),
        (DataType.ETHER_ADDR, "no"),
        (DataType.VERDICT, 1),
    ],
)
def test_a_value_of_another_type_is_refused(kind: DataType, value: Value) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever words it has
        packed(kind, value)


def test_what_a_set_cannot_hold_is_refused_before_the_kernel_sees_it() -> None:
    one = HOSTS.element(addr("10.0.0.1"), 6, 80, data=5)
    for element in (replace(one, end=b"\xff" * 12), replace(one, data=None)):
        with pytest.raises(ValueError):  # noqa: PT011 - likewise
            element_parts(HOSTS, element)
    with pytest.raises(ValueError, match="gives nothing"):
        NftSet(OURS, "marks", (DataType.MARK,)).element(1, data=5)


@pytest.mark.parametrize(
    "key", [(DataType.MARK,), (DataType.IFNAME,), (DataType.INET_SERVICE, DataType.MARK)]
)
def test_what_has_no_order_has_no_intervals(key: tuple[DataType, ...]) -> None:
    with pytest.raises(ValueError, match="cannot have intervals"):
        set_parts(NftSet(OURS, "s", key, interval=True))


def test_what_is_no_change_is_refused_and_no_elements_are_none() -> None:
    # Of none, the kernel would delete all.
    assert prepared(delete(Elements(HOSTS, ()))) == ()
    rule = NftRule(OURS, "pre", (ACCEPT,))
    for change in (
        *delete(rule),
        *add(UnknownSet(OURS, "theirs")),
        *add(replace(HOSTS, anonymous=True)),
        NftChange(Operation.REPLACE, rule),
        NftChange(Operation.FLUSH, rule),
        NftChange(Operation.INSERT, PRE),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - likewise
            prepared((change,))
    assert len(prepared(flush(PRE, HOSTS, UnknownSet(OURS, "theirs")))) == 3


def test_many_elements_are_several_requests_and_each_refusal_names_its_element() -> None:
    some = tuple(
        PREFIXES.element(addr(f"10.{high}.{low}.0"), to=(addr(f"10.{high}.{low}.7"),), data=low)
        for high in range(10)
        for low in range(200)
    )
    requests = prepared(add(Elements(PREFIXES, some)))
    assert len(requests) > 1
    assert all(len(each.request.payload) < 65_536 for each in requests)
    for each in requests:
        payload = each.request.payload
        for element in each.elements[::100]:
            refusal = NftRefusal(0, errno.EEXIST, payload.index(element.start))
            assert each.refused(refusal) == element
        assert each.refused(NftRefusal(0, errno.ENOENT, 0)) is None
        assert each.refused(NftRefusal(0, errno.ENOENT, None)) is None
    assert [*dict.fromkeys(one for each in requests for one in each.elements)] == [*some]


def test_a_comment_that_nft_would_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        rule_parts(NftRule(OURS, "pre", (), "c" * 128))
