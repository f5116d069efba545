"""A service that nobody declared and rules of others mark: what to declare is what these mark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.declarations.annotation import parse
from lvsmarkd.declarations.resolve import resolve
from lvsmarkd.declarations.union import union
from lvsmarkd.judge.desired import Options, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.watched import Adviser, watched
from lvsmarkd.model.declaration import Declaration, Declared, DeclaredFlow
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.keepalived import Annotation
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.rule import ChainKey, Hook, Plane, SetMark
from lvsmarkd.model.rule_spec import MarkTest
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, ForeignEffect, ForeignRule, Side, Snapshot
from tests.harness.paper import PaperFirewall
from tests.harness.values import HERE, RICH_RULES, flow, instance, key, packets, reading, service
from tests.judge.test_laws import flows

NOW = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
READ = reading(service(80, ports=(8080,)), instances=(instance("192.0.2.99"),))
GUESS = "# lvsmarkd: fwmark 80 to 192.0.2.99 tcp 8080"
MARK = SetMark(80)
MAC = "52:54:00:00:00:01"


def marks(
    *path: Packets, effect: ForeignEffect = MARK, narrowed: bool = False, guarded: bool = False
) -> ForeignRule:
    guards = (MarkTest(0, 0xFF),) if guarded else ()
    return ForeignRule(NOW, Side.AFTER, effect, path, "table t", "-A …", narrowed, guards)


def advised(*foreign: ForeignRule, policy: Options | None = None) -> str:
    wish = desired(READ, Declared(), policy or Options())
    return Adviser(wish, Snapshot(PaperFirewall().chains, foreign)).advice(key(80)).text


@pytest.mark.parametrize(
    ("foreign", "text"),
    [
        ([marks(packets("192.0.2.10", 6, 80, 443))], "to 192.0.2.10 tcp 80,443"),
        ([marks(packets("192.0.2.10", 6, p)) for p in (443, 80)], "to 192.0.2.10 tcp 80,443"),
        (
            [marks(packets(vip, 6, 80)) for vip in ("192.0.2.10", "192.0.2.11")],
            "to 192.0.2.10,192.0.2.11 tcp 80",
        ),
        (
            [marks(packets("192.0.2.10", 6, 80)), marks(packets("192.0.2.10", 17))],
            "to 192.0.2.10 tcp 80 udp",
        ),
        ([marks(packets("192.0.2.0/24"))], "to 192.0.2.0/24"),
        (
            [marks(packets("192.0.2.0/24")), marks(packets("192.0.2.0/24", 6, 80))],
            "to 192.0.2.0/24",
        ),
        ([marks(packets(None, 6))], "to 0.0.0.0/0 tcp"),
        # A jump to the chain, and the rule in it.
        ([marks(packets("192.0.2.0/24"), packets("192.0.2.10/32", 6, 80))], "to 192.0.2.10 tcp 80"),
        (
            [
                marks(
                    packets("192.0.2.10", 6, 80, 81), Packets(protocol=6, ports=(PortRange(1, 80),))
                )
            ],
            "80",
        ),
        (
            [marks(packets("192.0.2.10", 6, 80, in_interface="eth0", not_from_mac=(MAC,)))],
            f"to 192.0.2.10 tcp 80 not-from-mac {MAC} in-interface eth0",
        ),
        # What is not understood is left out, as long as something is.
        (
            [marks(packets("192.0.2.10", 6, 80)), marks(packets("192.0.2.12"), narrowed=True)],
            "to 192.0.2.10 tcp 80",
        ),
        (
            [
                marks(packets("192.0.2.10", 6, 80)),
                marks(packets("192.0.2.10"), packets("192.0.2.11")),
            ],
            "tcp 80",
        ),
    ],
)
def test_what_others_mark_is_what_to_declare(foreign: list[ForeignRule], text: str) -> None:
    advice = advised(*foreign)
    assert advice.startswith("# lvsmarkd: fwmark 80 to ")
    assert advice.endswith(f" {text}")


@pytest.mark.parametrize(
    "foreign",
    [
        marks(packets("192.0.2.10"), narrowed=True),
        marks(packets("192.0.2.10"), guarded=True),
        marks(packets("192.0.2.10"), effect=SetMark(80, 0xFF)),
        marks(packets("192.0.2.10", 1)),
        marks(packets("192.0.2.10"), effect=SetMark(81)),
    ],
)
def test_where_no_rule_is_understood_the_guess_is_what_there_is(foreign: ForeignRule) -> None:
    assert advised(foreign) == GUESS
    assert advised() == GUESS


def test_a_rule_that_no_flow_describes_is_told_apart() -> None:
    known, obscure = (
        marks(packets("192.0.2.10", 6, 80)),
        marks(packets("192.0.2.12"), narrowed=True),
    )
    found = watched(key(80), Snapshot({}, (known, obscure)))
    assert found.flows == (flow("192.0.2.10", 80),)
    assert found.obscure == (obscure,)


def test_what_the_firewall_cannot_hold_is_not_advised() -> None:
    rich = Options(limits=RICH_RULES)
    zone = [
        marks(packets(in_interface=way), packets("192.0.2.10", 6, 80)) for way in ("eth0", "eth1")
    ]
    assert advised(*zone, policy=rich) == "# lvsmarkd: fwmark 80 to 192.0.2.10 tcp 80"
    two = marks(packets("192.0.2.10", not_from_mac=(MAC, "52:54:00:00:00:02")))
    assert advised(two, policy=rich) == GUESS


def test_a_declared_service_needs_no_advice() -> None:
    own = {key(80): (DeclaredFlow(flow("192.0.2.10", 80), False, HERE),)}
    seen = Snapshot({}, (marks(packets("192.0.2.10")),))
    assert Adviser(desired(READ, Declared(own), Options()), seen).advice(key(80)).text == ""


def test_findings_bear_it() -> None:
    rule = marks(packets("192.0.2.10", 6, 80))
    text = "# lvsmarkd: fwmark 80 to 192.0.2.10 tcp 80"
    inferred = judge(
        desired(READ, Declared(), Options(infer=True)),
        Snapshot(PaperFirewall().chains, (rule,)),
    )
    assert [f.detail for f in inferred.findings if f.kind is Kind.INFERRED] == [text]
    held = Chain(exists=True, jumps=1, container="firewalld's policy lvsmarkd")
    then = ChainKey(Plane.PERMANENT, Family.INET, Hook.PREROUTING)
    now = ForeignRule(NOW, Side.AFTER, SetMark(80), rule.path, "a zone", "rule …", fleeting=True)
    plan = judge(desired(READ, Declared(), Options()), Snapshot({NOW: held, then: held}, (now,)))
    assert [f.detail for f in plan.findings if f.kind is Kind.FLEETING] == [f"rule …\n{text}"]


@given(st.lists(flows.filter(lambda f: f.family is Family.INET), min_size=1, max_size=8))
def test_pasted_it_declares_just_these_flows(own: list[Packets]) -> None:
    rules = [marks(f) for f in own]
    declarations: list[Declaration] = []
    for line in advised(*rules).splitlines():
        parsed = parse(Annotation(line.removeprefix("# lvsmarkd: "), HERE))
        assert not isinstance(parsed, Problem)
        declarations += parsed
    declared = resolve(declarations, ())
    assert declared.problems == ()
    wanted = union(DeclaredFlow(f, False, HERE) for f in own)
    assert set(declared.flows[key(80)]) == set(wanted)
