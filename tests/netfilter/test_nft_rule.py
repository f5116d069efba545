"""Rules as nft -j prints them: what is understood of each statement, and that nothing is lost."""

import json
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.model.fields import Field, Interval, NamePrefix
from lvsmarkd.model.rule import SetMark
from lvsmarkd.model.rule_spec import (
    Condition,
    ConnmarkTest,
    Effect,
    Element,
    FieldTest,
    FillSet,
    Jump,
    Lookup,
    MapMark,
    MarkTest,
    NeedsListener,
    Opaque,
    RestoreMark,
    SaveMark,
    SetConnmark,
    SetsUnknownMark,
    SetTest,
    StateTest,
    TranslateDestination,
    Untrack,
    Verdict,
    VerdictMap,
    When,
)
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.nft_rule import read_statements

DADDR = {"payload": {"protocol": "ip", "field": "daddr"}}
DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
L4PROTO = {"meta": {"key": "l4proto"}}
MARK = {"meta": {"key": "mark"}}
CONNMARK = {"ct": {"key": "mark"}}
STATE = {"ct": {"key": "state"}}
SENDER = {"payload": {"protocol": "ether", "field": "saddr"}}
IIF = {"meta": {"key": "iifname"}}
WHOLE = 0xFFFFFFFF
HOST = ip_address("10.0.0.1")
A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def match(left: object, right: object, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def sets(value: object, key: object = MARK) -> dict[str, Any]:
    return {"mangle": {"key": key, "value": value}}


@pytest.mark.parametrize(
    ("statements", "packets", "family"),
    [
        ([match(DADDR, "192.0.2.10"), match(DPORT, 80)], "192.0.2.10/32 tcp 80", Family.INET),
        ([match(DADDR, {"prefix": {"addr": "192.0.2.0", "len": 24}})], "192.0.2.0/24", Family.INET),
        ([match(DPORT, {"set": [443, {"range": [80, 90]}]})], "any tcp 80-90,443", None),
        ([match(DPORT, 1024, "<")], "any tcp 1-1023", None),
        ([match(DPORT, 1024, ">=")], "any tcp 1024-65535", None),
        ([match(L4PROTO, "vrrp")], "any vrrp", None),
        ([match(L4PROTO, 112), {"counter": {"packets": 7, "bytes": 9}}], "any vrrp", None),
        ([match({"meta": {"key": "nfproto"}}, "ipv6")], "any", Family.INET6),
        ([match(IIF, "eth0")], "any in-interface eth0", None),
        ([match({"meta": {"key": "iif"}}, "lo")], "any in-interface lo", None),
        ([match(SENDER, A, "!=")], f"any not-from-mac {A}", None),
        ([match(SENDER, A, "!="), match(IIF, "eth0")], f"any in-interface eth0 not-from-mac {A}",
         None),
        ([match(SENDER, {"set": [B, A]}, "!=")], f"any not-from-mac {A},{B}", None),
        ([match({"payload": {"protocol": "ip", "field": "protocol"}}, "udp")], "any udp",
         Family.INET),
    ],
)  # fmt: skip
def test_the_positive_part_is_told_by_the_algebra_of_packets(
    statements: list[object], packets: str, family: Family | None
) -> None:
    spec = read_statements([*statements, {"accept": None}])
    assert (spec.packets.text(prefixes=True), spec.family, spec.conditions) == (packets, family, ())
    assert spec.effects == (Verdict.ACCEPT,)


HOSTS = tuple(map(ip_network, ("10.0.0.1", "10.0.0.2")))


@pytest.mark.parametrize(
    ("statement", "conditions"),
    [
        (match(DADDR, "10.0.0.1", "!="), [FieldTest(Field.DESTINATION, HOSTS[:1], True)]),
        (match(DADDR, {"set": ["10.0.0.1", "10.0.0.2"]}), [FieldTest(Field.DESTINATION, HOSTS)]),
        (
            match(DADDR, {"range": ["10.0.0.1", "10.0.0.9"]}),
            [FieldTest(Field.DESTINATION, (Interval(*map(ip_address, ("10.0.0.1", "10.0.0.9"))),))],
        ),
        (match(DADDR, "@vips"), [SetTest(Lookup("vips", (Field.DESTINATION,)))]),
        (match(DADDR, "@vips", "!="), [SetTest(Lookup("vips", (Field.DESTINATION,)), True)]),
        (
            match({"concat": [DADDR, L4PROTO, DPORT]}, "@s"),
            [SetTest(Lookup("s", (Field.DESTINATION, Field.PROTOCOL, Field.DESTINATION_PORT)))],
        ),
        (
            match({"concat": [DADDR, DPORT]}, {"set": [{"concat": ["10.0.0.1", 80]}]}),
            [
                SetTest(
                    Lookup(
                        key=(Field.DESTINATION, Field.DESTINATION_PORT),
                        elements=(Element((HOSTS[0], Interval(80, 80))),),
                    )
                )
            ],
        ),
        (match(DPORT, 22, "!="), [FieldTest(Field.DESTINATION_PORT, (Interval(22, 22),), True)]),
        (match(IIF, "eth*"), [FieldTest(Field.IN_INTERFACE, (NamePrefix("eth"),))]),
        (match(IIF, {"set": ["a", "b"]}), [FieldTest(Field.IN_INTERFACE, ("a", "b"))]),
        (match(SENDER, A), [FieldTest(Field.SOURCE_MAC, (A,))]),
        (match(MARK, 0), [MarkTest(0)]),
        (match({"&": [MARK, 255]}, 16, "!="), [MarkTest(16, 255, True)]),
        (
            match(MARK, {"set": [1, {"range": [2, 5]}]}),
            [FieldTest(Field.MARK, (1, Interval(2, 5)))],
        ),
        (match(CONNMARK, 5), [ConnmarkTest(5)]),
        (match({"&": [CONNMARK, 255]}, 5), [ConnmarkTest(5, 255)]),
        (
            match(STATE, ["established", "related"], "in"),
            [StateTest(frozenset({"ESTABLISHED", "RELATED"}))],
        ),
        (match(STATE, {"set": ["new"]}, "!="), [StateTest(frozenset({"NEW"}), True)]),
        (
            match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"),
            [FieldTest(Field.DESTINATION_TYPE, ("LOCAL",))],
        ),
    ],
)  # fmt: skip
def test_every_other_condition_is_kept_as_what_it_is(
    statement: dict[str, Any], conditions: list[Condition]
) -> None:
    spec = read_statements([statement, sets(80)])
    assert list(spec.conditions) == conditions
    assert spec.effects == (SetMark(80),)


@pytest.mark.parametrize(
    "statement",
    [
        {"limit": {"rate": 1}},
        {"quota": {"val": 1}},
        {"something": {"of": "a later version"}},
        {"xt": {"type": "match", "name": "set"}},
        match({"payload": {"base": "th", "offset": 1, "len": 1}}, 5),
        match({"exthdr": {"name": "hbh"}}, True),
        match(DPORT, {"of": "a later version"}),
        match(DPORT, 5, "in"),
        "no statement",
    ],
)
def test_what_is_not_understood_narrows_the_rule_and_keeps_its_words(statement: object) -> None:
    spec = read_statements([statement, sets(80)])
    (condition,) = spec.conditions
    assert isinstance(condition, Opaque)
    assert condition.words != ("",)
    assert spec.effects == (SetMark(80),)


BY_PORT = Lookup(
    key=(Field.DESTINATION_PORT,),
    elements=(
        Element(Interval(80, 80), Verdict.ACCEPT),
        Element(Interval(81, 81), Jump("d")),
        Element(Interval(82, 82), Jump("e", goto=True)),
    ),
)


@pytest.mark.parametrize(
    ("statement", "effects"),
    [
        (sets(80), [SetMark(80)]),
        (sets({"|": [{"&": [MARK, 0xFFFFFF00]}, 0x50]}), [SetMark(0x50, 0xFF)]),
        (sets({"^": [MARK, 5]}), [SetMark(5, 0)]),
        (sets({"|": [MARK, 1]}), [SetMark(1, 1)]),
        (sets({"^": [{"|": [{"&": [MARK, 0xF0]}, 0x1]}, 0x3]}), [SetMark(0x2, 0xFFFFFF0F)]),
        (sets(CONNMARK), [RestoreMark()]),
        (sets({"&": [CONNMARK, 0xFF]}), [RestoreMark(0xFF)]),
        (sets({"|": [CONNMARK, 1]}), [RestoreMark(WHOLE - 1, flip=1)]),
        (sets({"numgen": {"mode": "inc", "mod": 2}}), [SetsUnknownMark("meta mark set")]),
        (sets({"map": {"key": DADDR, "data": "@m"}}), [MapMark(Lookup("m", (Field.DESTINATION,)))]),
        (sets(MARK, CONNMARK), [SaveMark()]),
        (sets(7, CONNMARK), [SetConnmark(7)]),
        ({"jump": {"target": "c"}}, [Jump("c")]),
        ({"goto": {"target": "c"}}, [Jump("c", goto=True)]),
        ({"reject": {"type": "tcp reset"}}, [Verdict.DROP]),
        ({"queue": {"num": 1}}, [NeedsListener(Interval(1, 1)), Verdict.QUEUE]),
        ({"notrack": None}, [Untrack()]),
        ({"xt": {"type": "target", "name": "MARK"}}, [SetsUnknownMark("MARK")]),
        ({"dnat": {"addr": "10.0.0.1"}}, [TranslateDestination(Interval(HOST, HOST))]),
        ({"vmap": {"key": DPORT, "data": "@v"}}, [VerdictMap(Lookup("v", BY_PORT.key))]),
        (
            {
                "vmap": {
                    "key": DPORT,
                    "data": {
                        "set": [
                            [80, {"accept": None}],
                            [81, {"jump": {"target": "d"}}],
                            [82, {"goto": {"target": "e"}}],
                        ]
                    },
                }
            },
            [VerdictMap(BY_PORT)],
        ),
        ({"log": {"prefix": "x"}}, []),
        ({"set": {"op": "add", "elem": 7, "set": "@seen"}}, [FillSet("seen")]),
        (
            {"set": {"op": "add", "elem": 7, "set": "@seen", "stmt": [{"counter": None}]}},
            [FillSet("seen")],
        ),
    ],
)
def test_what_a_statement_does(statement: dict[str, Any], effects: list[Effect]) -> None:
    spec = read_statements([statement])
    assert list(spec.effects) == effects
    assert spec.conditions == ()


@pytest.mark.parametrize(
    "statement",
    [
        {"set": {"op": "update", "elem": 7, "set": "@seen", "stmt": [{"limit": {"rate": 9}}]}},
        {"meter": {"key": 7, "name": "seen", "stmt": {"limit": {"rate": 9}}}},
    ],
)
def test_what_is_put_into_a_set_with_a_limit_gets_past_within_it_only(
    statement: dict[str, Any],
) -> None:
    spec = read_statements([statement, {"drop": None}])
    assert spec.conditions == ()  # it is in the set in any case
    (filled, behind) = spec.effects
    assert filled == FillSet("seen", is_limited=True)
    assert isinstance(behind, When)
    (condition,) = behind.spec.conditions
    assert isinstance(condition, Opaque)
    assert condition.module == "limit"
    assert behind.spec.effects == (Verdict.DROP,)


def test_a_map_that_is_filled_is_listed_in_nfts_own_words() -> None:
    spec = read_statements(["update @m { ip saddr : 0x00000005 }", {"accept": None}])
    assert spec.effects[0] == FillSet("m", is_limited=True)


def test_only_packets_that_have_the_field_get_past_what_is_looked_up_by_it() -> None:
    for statement in (
        {"vmap": {"key": DPORT, "data": "@v"}},
        sets({"map": {"key": {"concat": [DADDR, DPORT]}, "data": "@m"}}),
        match({"concat": [DADDR, DPORT]}, "@s"),
        match(DPORT, "@s", "!="),
    ):
        assert read_statements([statement]).packets.text(prefixes=True) == "any tcp"


def test_a_condition_behind_an_effect_does_not_hold_for_the_effect() -> None:
    spec = read_statements([match(DADDR, "10.0.0.1"), sets(1), match(DPORT, 80), {"accept": None}])
    assert spec.packets.text(prefixes=True) == "10.0.0.1/32"
    mark, when = spec.effects
    assert mark == SetMark(1)
    assert isinstance(when, When)
    assert (when.spec.packets.text(prefixes=True), when.spec.effects) == (
        "any tcp 80",
        (Verdict.ACCEPT,),
    )


def test_two_conditions_on_one_field_are_both_kept() -> None:
    spec = read_statements([match(DADDR, "10.0.0.1"), match(DADDR, "10.0.0.2")])
    assert spec.packets.text(prefixes=True) == "10.0.0.1/32"
    assert spec.conditions == (FieldTest(Field.DESTINATION, HOSTS[1:]),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["match", "mangle", "op", "left", "right", "payload", "meta", "key"])
            | st.sampled_from(["set", "range", "prefix", "vmap", "data", "value", "concat", "map"])
            | st.text(max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=4))
def test_no_rule_is_too_odd_to_be_read(statements: list[object]) -> None:
    read_statements(json.loads(json.dumps(statements)))


def test_behind_a_map_of_verdicts_nothing_is_certain() -> None:
    spec = read_statements(
        [{"vmap": {"key": DPORT, "data": {"set": [[80, {"drop": None}]]}}}, sets(80)]
    )
    [verdicts, then] = spec.effects
    assert isinstance(verdicts, VerdictMap)
    assert isinstance(then, When)
    assert [type(condition) for condition in then.spec.conditions] == [Opaque]
    assert then.spec.effects == (SetMark(80),)


def test_a_map_of_verdicts_alone_ends_its_rule() -> None:
    spec = read_statements([{"vmap": {"key": DPORT, "data": "@verdicts"}}, {"counter": None}])
    assert [type(effect) for effect in spec.effects] == [VerdictMap]


@given(
    st.permutations(
        [match(DADDR, "192.0.2.10"), match(DPORT, 80), match(SENDER, A, "!="), match(IIF, "eth0")]
    )
)
def test_the_order_of_conditions_means_nothing(statements: list[object]) -> None:
    spec = read_statements([*statements, sets(80)])
    said = spec.packets.text(prefixes=True)
    assert said == f"192.0.2.10/32 tcp 80 in-interface eth0 not-from-mac {A}"
    assert spec.effects == (SetMark(80),)


def test_a_field_that_is_not_understood_is_one_of_its_protocol() -> None:
    """nft's JSON leaves out the condition on the protocol that stands before it."""
    of_icmp = {"payload": {"protocol": "icmpv6", "field": "type"}}
    spec = read_statements([match(of_icmp, "nd-router-advert"), {"accept": None}])
    assert str(spec.packets) == "any protocol 58"
    assert isinstance(spec.conditions[0], Opaque)


def test_what_is_given_to_a_socket_goes_on_where_there_is_one() -> None:
    """Where there is none the rule ends there (measured)."""
    spec = read_statements([{"tproxy": {"family": "ip", "port": 80}}, {"accept": None}])
    assert [type(each) for each in spec.conditions] == [Opaque]
    assert spec.effects == (Verdict.ACCEPT,)
