"""A service that nobody declared and rules of others mark: what to declare is what these mark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.declarations.annotation import parse
from lvsmarkd.declarations.resolve import resolve
from lvsmarkd.judge.adviser import Advice, Adviser, Watched
from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.model.declaration import Declaration, Declared, DeclaredFlow
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.keepalived import Annotation
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.rule import ChainKey, Hook, Plane, SetMark
from lvsmarkd.model.rule_spec import RuleSpec
from lvsmarkd.model.ruleset import (
    BaseChain,
    Lister,
    Ruleset,
    Table,
    TableChain,
    TableKey,
    TableRule,
)
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, Snapshot
from lvsmarkd.model.unknown import Unknown
from tests.harness.paper import CHAIN_KEYS, PaperFirewall
from tests.harness.values import HERE, RICH_RULES, flow, instance, key, reading, service
from tests.harness.whole import whole

NOW = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
THEN = replace(NOW, plane=Plane.PERMANENT)
READ = reading(service(80, ports=(8080,)), instances=(instance("192.0.2.99"),))
GUESS = "# lvsmarkd: fwmark 80 to 192.0.2.99 tcp 8080"
MAC = "52:54:00:00:00:01"
WEB = "pre -d 192.0.2.10 -p tcp --dport 80 "
MARKED = "# lvsmarkd: fwmark 80 to 192.0.2.10 tcp 80"


def adviser(seen: Snapshot, policy: Options | None = None) -> Adviser:
    wish = desired(READ, Declared(), policy or Options())
    return Adviser(wish, seen, Outlooks().of(wish, seen.ruleset, seen.host))


def advised(rules: str, policy: Options | None = None) -> Advice:
    return adviser(whole(PaperFirewall().chains, behind=rules), policy).advice(key(80))


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (
            "pre -d 192.0.2.10 -p tcp -m multiport --dports 80,443 MARK 80",
            "to 192.0.2.10 tcp 80,443",
        ),
        (WEB.replace("80", "443") + "MARK 80\n" + WEB + "MARK 80", "to 192.0.2.10 tcp 80,443"),
        (
            WEB + "MARK 80\n" + WEB.replace(".10", ".11") + "MARK 80",
            "to 192.0.2.10,192.0.2.11 tcp 80",
        ),
        (WEB + "MARK 80\npre -d 192.0.2.10 -p udp MARK 80", "to 192.0.2.10 tcp 80 udp"),
        ("pre -d 192.0.2.0/24 MARK 80", "to 192.0.2.0/24 tcp udp"),
        ("pre -d 192.0.2.0/24 MARK 80\n" + WEB + "MARK 80", "to 192.0.2.0/24 tcp udp"),
        # To whichever address packets of keepalived's come.
        ("pre -p tcp MARK 80", "to 192.0.2.99 tcp"),
        # A jump to the chain, and the rule in it.
        (
            "mangle :WEB -\npre -d 192.0.2.0/24 -j WEB\n" + WEB.replace("pre", "mangle WEB")
            + "MARK 80",
            "to 192.0.2.10 tcp 80",
        ),
        (
            f"pre -d 192.0.2.10 -p tcp --dport 80 -i eth0 -m mac ! --mac-source {MAC} MARK 80",
            f"to 192.0.2.10 tcp 80 not-from-mac {MAC} in-interface eth0",
        ),
        # What no packet meets is none of it.
        (
            WEB + "MARK 80\nmangle :NONE -\npre -d 192.0.2.11 -j NONE\n"
            "mangle NONE -d 192.0.2.10 MARK 80",
            "to 192.0.2.10 tcp 80",
        ),
    ],
)  # fmt: skip
def test_what_others_mark_is_what_to_declare(rules: str, text: str) -> None:
    assert advised(rules) == Advice(f"# lvsmarkd: fwmark 80 {text}")


@pytest.mark.parametrize(
    "rules",
    [
        "",
        "pre -d 192.0.2.10 -m mark --mark 0x5 MARK 80",
        "pre -d 192.0.2.10 MARK 81",
        "pre -s 203.0.113.0/24 -d 192.0.2.10 MARK 80",
        WEB + "MARK 80\npre MARK 81",
    ],
)
def test_where_no_packet_of_an_ordinary_client_keeps_the_mark_there_is_a_guess(rules: str) -> None:
    assert advised(rules).text == GUESS


def test_what_flows_cannot_say_is_no_flow_and_why() -> None:
    rules = WEB + "MARK 80\npre -d 192.0.2.12 -m time --timestart 10:00 MARK 80"
    found = advised(rules)
    assert found.text == ""
    assert "--timestart 10:00" in found.reason
    looked = adviser(whole({}, behind=rules)).watched(key(80))
    assert looked == Watched(reason=found.reason)
    assert adviser(whole({}, behind=WEB + "MARK 80")).watched(key(80)) == Watched(
        (flow("192.0.2.10", 80),)
    )


def test_where_the_rules_could_not_be_read_there_is_a_guess() -> None:
    unread = whole(dict.fromkeys(CHAIN_KEYS, Unknown("nft failed")), behind=WEB + "MARK 80")
    assert adviser(unread).advice(key(80)).text == GUESS
    assert adviser(unread).watched(key(80)) == Watched()


def test_what_the_firewall_cannot_hold_is_not_advised() -> None:
    rich = Options(limits=RICH_RULES)
    zones = "\n".join(f"pre -d 192.0.2.10 -p tcp --dport 80 -i {way} MARK 80"
                      for way in ("eth0", "eth1"))  # fmt: skip
    assert advised(zones, rich).text == MARKED
    two = "".join(f"-m mac ! --mac-source 52:54:00:00:00:0{n} " for n in (1, 2))
    found = advised(f"pre -d 192.0.2.10 -p tcp {two}MARK 80", rich)
    assert found.text == ""
    assert found.reason


def test_a_declared_service_needs_no_advice() -> None:
    own = {key(80): (DeclaredFlow(flow("192.0.2.10", 80), False, HERE),)}
    seen = whole({}, behind=WEB + "MARK 80")
    wish = desired(READ, Declared(own), Options())
    assert (
        Adviser(wish, seen, Outlooks().of(wish, seen.ruleset, seen.host)).advice(key(80))
        == Advice()
    )


def test_findings_bear_it() -> None:
    inferred = judge(
        desired(READ, Declared(), Options(infer=True)),
        whole(PaperFirewall().chains, behind=WEB + "MARK 80"),
    )
    assert [f.detail for f in inferred.findings if f.kind is Kind.INFERRED] == [GUESS]
    held = Chain(exists=True, jumps=1, container="firewalld's policy lvsmarkd")
    seen = whole({NOW: held, THEN: held}, behind=WEB + "MARK 80", lasting=Ruleset())
    plan = judge(desired(READ, Declared(), Options()), seen)
    assert [f.paste for f in plan.findings if f.kind is Kind.FLEETING] == [MARKED]


KEY = TableKey(Lister.NFT, "inet", "theirs")


def marking(own: list[Packets]) -> Ruleset:
    """A table that marks these packets."""
    rules = tuple(
        TableRule(RuleSpec(each, effects=(SetMark(80),)), line, f"rule {line}")
        for line, each in enumerate(own, 1)
    )
    chain = TableChain("c", rules, BaseChain(Hook.PREROUTING, -150))
    return Ruleset({KEY: Table(KEY, {"c": chain})})


def declared_by(text: str) -> Desired:
    declarations: list[Declaration] = []
    for line in text.splitlines():
        parsed = parse(Annotation(line.removeprefix("# lvsmarkd: "), HERE))
        assert not isinstance(parsed, Problem)
        declarations += parsed
    declared = resolve(declarations, ())
    assert declared.problems == ()
    return desired(READ, declared, Options())


def left_out(packets: Packets, wish: Desired) -> list[Packets]:
    """The packets that a declaration does not name."""
    left = [packets]
    for each in wish.flows[key(80)]:
        parts = [(one, one.subtract(each.flow)) for one in left]
        left = [part for one, rest in parts for part in ((one,) if rest is None else rest)]
    return left


balanced = st.builds(
    lambda number, transport, span, *how: flow(
        f"192.0.2.{number}",
        *span,
        transport=transport,
        in_interface=how[0],
        not_from_mac=how[1],
    ),
    st.integers(1, 9),
    st.sampled_from((Transport.TCP, Transport.UDP)),
    st.sampled_from(((), (80,), (443,), (20, 80))),
    st.sampled_from((None, "eth0")),
    st.sampled_from(((), (MAC,))),
)


@given(st.lists(balanced, min_size=1, max_size=8))
def test_pasted_it_declares_just_these_flows(own: list[Packets]) -> None:
    seen = Snapshot({}, ruleset=marking(own))
    advice = adviser(seen).advice(key(80))
    if advice.reason:
        assert advice.text == "", "nothing is said where it cannot be said"
        return
    wish = declared_by(advice.text)
    assert covered(wish, seen)[key(80)], "nothing is declared that is not marked"
    for packets in own:
        assert left_out(packets, wish) == []
