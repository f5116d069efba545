"""Rules as elements of our table, and read back from them: the same, and what is amiss is seen."""

from collections.abc import Callable
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.backends.nftables.mark_table import mark_table
from lvsmarkd.backends.nftables.own_rules import (
    OWN_HOOKS,
    RuleReader,
    TableRules,
    own_rules,
    table_limits,
)
from lvsmarkd.backends.nftables.view import table_view
from lvsmarkd.judge.desired import Options
from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.rule import Hook, Rule, SetMark
from lvsmarkd.netfilter.nftables.expressions import DROP, RETURN, Counts
from lvsmarkd.netfilter.nftables.objects import (
    NftChain,
    NftRule,
    NftTable,
    TableContents,
    TableFlag,
    TableId,
)
from tests.harness.values import declare, flow, want

TABLE = NftTable(TableId(NftFamily.INET, "ours"))
MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02"]
LOCAL = Options(local=True, limits=table_limits())


def in_table(rules: frozenset[Rule]) -> TableContents:
    return mark_table(TABLE, sorted(rules, key=str), only_unmarked=False, hooks=OWN_HOOKS)


def rules_for(*flows: Packets, mark: int = 80) -> frozenset[Rule]:
    return want(declare(mark, *flows), policy=LOCAL).rules


@st.composite
def some_flows(draw: st.DrawFn) -> tuple[Packets, ...]:
    """Flows of one service that share no packets, of all shapes: each to a network of its own."""
    made = []
    for number in range(draw(st.integers(1, 6))):
        networks = [f"10.{number}.0.1/32", f"10.{number}.0.0/16", f"2001:db8:{number}::/48"]
        to = draw(st.sampled_from([*networks, f"2001:db8:{number}::1/128"]))
        transport = draw(st.sampled_from([None, *Transport]))
        ports = draw(st.lists(st.integers(1, 65535), min_size=1, max_size=6, unique=True))
        interface = draw(st.sampled_from([None, "eth0", "bond0.1@x"]))
        macs = draw(st.sampled_from([(), MACS[:1], MACS]))
        edges = sorted(ports)
        if transport is None or draw(st.booleans()):
            spans: list[tuple[int, ...]] = [()]
        else:
            spans = [(one, other) for one, other in zip(edges[::2], edges[1::2], strict=False)]
            spans = spans or [(edges[0], edges[0])]
        made += [
            flow(to, *span, transport=transport, in_interface=interface, not_from_mac=macs)
            for span in spans
        ]
    return tuple(made)


@given(some_flows())
def test_what_is_wanted_is_what_is_read(flows: tuple[Packets, ...]) -> None:
    rules = rules_for(*flows)
    found = own_rules(in_table(rules))
    assert found.rules == rules
    assert (found.incomplete, found.unknown, found.fault) == (frozenset(), (), "")


def test_everywhere_is_no_limit_and_ports_that_touch_are_one_range() -> None:
    rules = rules_for(
        flow("0.0.0.0/0", transport=None),
        *(flow("2001:db8::1", port) for port in (80, 81, 82, 443)),
        flow("2001:db8::1", 83, 1000),
    )
    assert {str(rule) for rule in rules if rule.hook is Hook.PREROUTING} == {
        "any mark 80",
        "2001:db8::1/128 tcp 80-1000 mark 80",
    }
    assert own_rules(in_table(rules)).rules == rules


def counted(table: TableContents, packets: int) -> TableContents:
    return replace(
        table,
        elements={
            name: tuple(replace(each, counts=Counts(packets, 0)) for each in elements)
            for name, elements in table.elements.items()
        },
    )


def test_a_rule_has_counted_what_its_elements_have() -> None:
    rules = rules_for(flow("192.0.2.1", 80), flow("192.0.2.1", 443), flow("192.0.2.2"))
    found = own_rules(counted(in_table(rules), 3))
    counts = {str(rule): n for rule, n in found.packets.items() if rule.hook is Hook.OUTPUT}
    assert counts == {"192.0.2.1/32 tcp 80,443 mark 80": 6, "192.0.2.2/32 tcp mark 80": 3}


def test_a_table_that_changed_in_nothing_but_its_counters_is_not_read_anew() -> None:
    reader = RuleReader()
    table = in_table(rules_for(flow("192.0.2.1", 80), flow("192.0.2.1", 443), flow("192.0.2.2")))
    for packets in (0, 3, 5):
        for found in (counted(table, packets), counted(replace(table, generation=9), packets)):
            assert reader.rules(found) == own_rules(found)
    for other in (in_table(WEB), stranger(in_table(WEB)), TableContents(), counted(table, 7)):
        assert reader.rules(other) == own_rules(other)


WEB = rules_for(flow("192.0.2.1", 80), flow("192.0.2.9", 25, in_interface="eth0"))


def without(name: str) -> Callable[[TableContents], TableContents]:
    return lambda table: replace(table, rules={**table.rules, name: ()})


def emptied(name: str) -> Callable[[TableContents], TableContents]:
    return lambda table: replace(table, elements={**table.elements, name: ()})


def stranger(table: TableContents) -> TableContents:
    strange = NftRule(TABLE.id, "prerouting", (DROP,), handle=9)
    rules = {**table.rules, "prerouting": (strange, *table.rules["prerouting"])}
    return replace(table, rules=rules)


@pytest.mark.parametrize(
    ("harm", "unmet"),
    [
        (without("prerouting"), {"192.0.2.1/32 tcp 80", "192.0.2.9/32 tcp 25 in-interface eth0"}),
        (without("flows4"), {"192.0.2.1/32 tcp 80"}),
        (emptied("vips4"), {"192.0.2.1/32 tcp 80"}),
        (
            lambda table: replace(table, table=NftTable(TABLE.id, TableFlag.DORMANT)),
            {"192.0.2.1/32 tcp 80", "192.0.2.9/32 tcp 25 in-interface eth0"},
        ),
    ],
)
def test_rules_that_packets_do_not_get_to_are_not_in_force(
    harm: Callable[[TableContents], TableContents], unmet: set[str]
) -> None:
    found = own_rules(harm(in_table(WEB)))
    here = {str(rule.match.text(prefixes=True)) for rule in found.incomplete if not is_local(rule)}
    assert here == unmet
    assert found.rules == WEB
    assert found.unknown == ()


def is_local(rule: Rule) -> bool:
    return rule.hook is Hook.OUTPUT


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (stranger, "rule 9 of chain prerouting"),
        (
            lambda table: replace(table, chains=(*table.chains, NftChain(TABLE.id, "x"))),
            "chain x",
        ),
    ],
)
def test_what_we_cannot_have_written_is_named(
    harm: Callable[[TableContents], TableContents], said: str
) -> None:
    found = own_rules(harm(in_table(WEB)))
    assert (found.unknown, found.rules, found.incomplete) == ((said,), WEB, frozenset())


def test_a_further_condition_makes_a_rule_another_one() -> None:
    """Whatever somebody puts before what we wrote, or leaves out of it, is not passed over."""
    table = in_table(WEB)
    (asks,) = table.rules["flows4"]
    for parts in ((RETURN, *asks.expressions), asks.expressions[1:]):
        altered = replace(asks, expressions=parts, handle=4)
        found = own_rules(replace(table, rules={**table.rules, "flows4": (altered,)}))
        assert found.unknown == ("rule 4 of chain flows4",)
        assert {rule.match.destination for rule in found.incomplete} >= {ip_network("192.0.2.1")}


def test_no_table_has_nothing() -> None:
    assert own_rules(TableContents()) == TableRules({}, fault="is not there")


def test_the_judge_is_shown_what_packets_get() -> None:
    view = table_view(WEB)
    shown = {
        (str(rule.spec.packets), rule.spec.only_effect)
        for chain in ("flows4", "flows6")
        for rule in view.chains[chain].rules
    }
    assert shown == {
        ("192.0.2.1 tcp 80", SetMark(80)),
        ("192.0.2.9 tcp 25 in-interface eth0", SetMark(80)),
    }
