"""What is told of packets' way: rulesets in, explanations out."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.declarations.question import parse_question
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.explanation import explain
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.explanation import ExplainedFlow, ExplainedPackets, Explanation
from lvsmarkd.model.fate import Fate
from lvsmarkd.model.host import HostView
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.ruleset import Lister, Ruleset, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import OwnPlace, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.telemetry.explanation_form import packets_text
from tests.harness.rulesets import saved
from tests.harness.values import declare, flow, instance, key, reading, service, want
from tests.judge.test_evaluation import chain, native, rule

VIP = "192.0.2.10"
HERE = HostView(frozenset({"eth0", "eth1"}), (ip_network(VIP), ip_network("192.0.2.11/32")))
MARKED = f"pre -d {VIP} -p tcp --dport 80 MARK 80"
DECLARED = want(declare(80, flow(VIP, 80)))
UNREAD = "not all that packets meet could be read"


def seen(text: str = MARKED, host: HostView = HERE, more: Ruleset | None = None) -> Snapshot:
    return Snapshot({}, ruleset=saved(text) | (more or Ruleset()), host=host)


def asked(words: str, found: Snapshot, wanted: Desired = DECLARED) -> Explanation:
    (explanation,) = explain(parse_question(words.split()), wanted, found)
    return explanation


def only(explanation: Explanation) -> tuple[ExplainedFlow, ExplainedPackets]:
    (one,) = explanation.flows
    (part,) = one.parts
    return one, part


def told(explanation: Explanation) -> dict[str, str]:
    """What becomes of each part."""
    return {
        packets_text(part.packets): str(part.fate.fate)
        for one in explanation.flows
        for part in one.parts
    }


def walked(part: ExplainedPackets) -> list[tuple[int, str, int, int | None, int | None]]:
    """Depth, chain, line, the mark before and after."""
    return [
        (s.depth, s.taken.rule.chain, s.taken.rule.line, s.taken.before, s.taken.after)
        for s in part.steps
    ]


def test_a_mark_that_no_service_has_is_answered_with_nothing() -> None:
    assert explain(9, DECLARED, seen()) == ()


def test_a_service_of_each_family_is_told_of() -> None:
    wanted = want(declare(80, flow(VIP, 80), flow("2001:db8::10", 80)))
    found = explain(80, wanted, seen())
    assert [str(each.service) for each in found] == ["fwmark 80 inet", "fwmark 80 inet6"]


def test_a_declared_service_with_the_place_of_its_declaration_and_of_its_block() -> None:
    explanation = asked("80", seen())
    one, part = only(explanation)
    assert [str(origin) for origin in explanation.origins] == ["/etc/keepalived/keepalived.conf:7"]
    assert one.declared is not None
    assert (part.fate.fate, part.fate.mark) == (Fate.RIGHT, 80)
    assert part.serves is not None
    assert part.serves.key == key(80)
    assert (explanation.remarks, explanation.unread) == ((), ())


def test_steps_stand_below_the_chain_that_the_hook_calls() -> None:
    text = "pre -j A\nmangle A -j B\nmangle B MARK 80\npre -p tcp -j ACCEPT\nin -j ACCEPT"
    _, part = only(asked("80", seen(text)))
    assert walked(part) == [
        (0, "PREROUTING", 1, 0, 0),
        (1, "A", 1, 0, 0),
        (2, "B", 1, 0, 80),
        (0, "PREROUTING", 2, 80, 80),
        (0, "INPUT", 1, 80, 80),
    ]
    hooks = [(step.hook, step.priority) for step in part.steps]
    assert hooks == [(Hook.PREROUTING, -150)] * 4 + [(Hook.INPUT, 0)]
    assert [step.taken.leads for step in part.steps] == [True, True, False, False, False]


def test_tables_of_different_firewalls_with_chains_of_one_name_are_kept_apart() -> None:
    more = native(
        chain("PREROUTING", "prerouting", -140),
        rule("PREROUTING", {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 9}}),
    )
    _, part = only(asked("80", seen(MARKED, more=more)))
    assert [(s.taken.rule.table, s.priority) for s in part.steps] == [
        ("mangle", -150),
        ("inet t", -140),
    ]
    assert (part.fate.fate, part.fate.mark, part.serves) == (Fate.WRONG, 9, None)


def test_it_is_told_which_rules_are_ours() -> None:
    place = OwnPlace(
        TableKey(Lister.IPTABLES_NFT, "ip", "mangle"),
        "LVSMARKD",
        "PREROUTING",
        Hook.PREROUTING,
        -150,
    )
    places = {ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING): place}
    found = replace(seen("pre -j LVSMARKD\nmangle LVSMARKD MARK 80"), places=places)
    _, part = only(asked("80", found))
    assert [step.is_own for step in part.steps] == [False, True]


def test_the_rule_that_takes_packets_is_the_last_step() -> None:
    _, part = only(asked("80", seen(f"{MARKED}\nin -p tcp -j DROP")))
    assert part.fate.fate is Fate.DROPPED
    assert walked(part)[-1] == (0, "INPUT", 1, 80, 80)


def test_a_policy_is_a_step_without_a_line() -> None:
    _, part = only(asked("80", seen(f"{MARKED}\nfilter :INPUT DROP")))
    assert part.fate.fate is Fate.DROPPED
    assert walked(part)[-1] == (0, "INPUT", 0, 80, 80)
    assert part.steps[-1].hook is Hook.INPUT


def test_flows_that_nobody_declared_are_what_comes_with_the_mark() -> None:
    vips = (instance(VIP, "192.0.2.11"),)
    wanted = desired(reading(service(80), instances=vips), Declared(), Options())
    explanation = asked("80", seen(), wanted)
    assert told(explanation) == {"192.0.2.10 tcp 80": "right"}
    assert "nobody declared its flows: these are" in explanation.remarks[0]


def test_what_had_the_mark_and_lost_it_is_told_too() -> None:
    wanted = desired(reading(service(80), instances=(instance(VIP),)), Declared(), Options())
    explanation = asked("80", seen(f"{MARKED}\npre MARK 7\nin -j DROP"), wanted)
    assert told(explanation) == {"192.0.2.10 tcp 80": "dropped"}


def test_a_service_that_nobody_declared_and_no_rule_marks() -> None:
    wanted = desired(reading(service(80), instances=(instance(VIP),)), Declared(), Options())
    explanation = asked("80", seen(""), wanted)
    assert explanation.flows == ()
    assert "no packet to keepalived's VIPs" in explanation.remarks[0]
    without = desired(reading(service(80)), Declared(), Options())
    nowhere = seen("", HostView(HERE.interfaces, ()))
    assert "no packet to keepalived's VIPs" in asked("80", nowhere, without).remarks[0]


def test_where_not_all_could_be_read_no_mark_is_called_missing() -> None:
    wanted = desired(reading(service(80), instances=(instance(VIP),)), Declared(), Options())
    more = Ruleset(unread={Lister.NFT: Unknown("no rights")})
    explanation = asked("80", seen("", more=more), wanted)
    assert set(told(explanation).values()) == {"unknown"}
    assert "which packets come with its mark is not known" in explanation.remarks[0]


def test_inferred_flows_are_called_so() -> None:
    vips = (instance(VIP),)
    infer = Options(infer=True)
    wanted = desired(reading(service(80, ports=(80,)), instances=vips), Declared(), infer)
    explanation = asked("80", seen(), wanted)
    assert told(explanation) == {"192.0.2.10 tcp 80": "right"}
    assert explanation.remarks == ("nobody declared its flows: these are inferred from the file",)


def test_a_declaration_that_is_refused_is_not_called_missing() -> None:
    wanted = replace(want(), services={key(80): service(80)}, flows={key(80): ()})
    wanted = replace(
        wanted,
        frozen_marks=frozenset({80}),
        coverage={key(80): next(iter(DECLARED.coverage.values()))},
    )
    assert "is refused" in asked("80", seen(), wanted).remarks[0]


@pytest.mark.parametrize(
    ("words", "fate", "serves"),
    [
        (f"{VIP} tcp 80", Fate.RIGHT, 80),
        (f"{VIP} tcp 81", Fate.UNMARKED, None),
        ("192.0.2.11 tcp 80", Fate.WRONG, None),
    ],
)
def test_packets_that_are_asked_about_are_judged_by_whichever_service_gets_them(
    words: str, fate: Fate, serves: int | None
) -> None:
    _, part = only(asked(words, seen(f"{MARKED}\npre -d 192.0.2.11 MARK 9")))
    assert part.fate.fate is fate
    assert (part.serves.key.mark if part.serves else None) == serves


def test_without_a_transport_what_ipvs_balances_is_told() -> None:
    assert told(asked(VIP, seen())) == {
        "192.0.2.10 tcp 1-79,81-65535; 192.0.2.10 udp": "unmarked",
        "192.0.2.10 tcp 80": "right",
    }


def test_the_sender_that_is_named_meets_the_rules_about_it() -> None:
    text = f"{MARKED}\nin -s 203.0.113.0/24 -j DROP"
    blocked, part = only(asked(f"{VIP} tcp 80 from 203.0.113.9", seen(text)))
    assert (part.fate.fate, str(blocked.source)) == (Fate.DROPPED, "203.0.113.9")
    assert not blocked.is_any_client
    other, part = only(asked(f"{VIP} tcp 80", seen(text)))
    assert part.fate.fate is Fate.RIGHT
    assert other.is_any_client
    assert other.source not in ip_network("203.0.113.0/24")


def test_the_interface_that_is_named_meets_the_rules_about_it() -> None:
    text = f"{MARKED}\nin -i eth1 -j DROP"
    assert only(asked(f"{VIP} tcp 80 in eth1", seen(text)))[1].fate.fate is Fate.DROPPED
    one, part = only(asked(f"{VIP} tcp 80 in eth0", seen(text)))
    assert (part.fate.fate, part.interfaces, one.interface) == (Fate.RIGHT, None, "eth0")


def test_an_interface_that_is_not_there_is_remarked() -> None:
    (remark,) = asked(f"{VIP} tcp 80 in eth9", seen()).remarks
    assert "no interface eth9 is up" in remark
    assert asked(f"{VIP} tcp 80 in eth9", seen(host=HostView())).remarks == ()


def test_parts_say_the_interfaces_where_these_are_not_all() -> None:
    (one,) = asked("80", seen(f"{MARKED}\nin -i eth1 -j DROP")).flows
    assert [(part.interfaces, str(part.fate.fate)) for part in one.parts] == [
        (("eth0",), "right"),
        (("eth1",), "dropped"),
    ]


def test_a_flow_by_an_interface_that_is_not_there_has_no_parts() -> None:
    wanted = want(declare(80, flow(VIP, 80, in_interface="eth7")))
    (one,) = asked("80", seen(), wanted).flows
    assert one.parts == ()


def test_an_address_that_is_not_here_is_remarked() -> None:
    backup = HostView(HERE.interfaces, (ip_network("192.0.2.1/32"),))
    explanation = asked("80", seen(host=backup))
    (remark,) = explanation.remarks
    assert "is not delivered to this host now" in remark
    assert told(explanation) == {"192.0.2.10 tcp 80": "right"}, "what holds once it is"


def test_a_prefix_that_is_here_in_part_is_remarked() -> None:
    (remark,) = asked("192.0.2.0/24 tcp 80", seen()).remarks
    assert remark == "only a part of 192.0.2.0/24 is delivered to this host now"


def test_where_it_is_not_known_what_is_here_nothing_is_said_of_it() -> None:
    assert asked("80", seen(host=HostView())).remarks == ()


@pytest.mark.parametrize("text", [MARKED, "", f"{MARKED}\nin -j DROP", f"{MARKED}\npre MARK 9"])
def test_with_a_table_that_could_not_be_read_nothing_is_certain(text: str) -> None:
    more = Ruleset({TableKey(Lister.NFT, "inet", "t"): Unknown("nft\ncrashed")})
    explanation = asked("80", seen(text, more=more))
    _, part = only(explanation)
    assert (part.fate.fate, part.fate.mark, part.serves) == (Fate.UNKNOWN, None, None)
    assert part.fate.reason == UNREAD
    assert explanation.unread == ("nft inet t: nft crashed",)


def test_a_lister_that_told_nothing_hides_everything() -> None:
    explanation = asked("80", seen("", more=Ruleset(unread={Lister.NFT: Unknown("no rights")})))
    assert told(explanation) == {"192.0.2.10 tcp 80": "unknown"}
    assert explanation.unread == ("nft: no rights",)


def test_a_table_of_the_other_family_hides_nothing() -> None:
    more = Ruleset({TableKey(Lister.NFT, "ip6", "t"): Unknown("nft crashed")})
    assert told(asked("80", seen(more=more))) == {"192.0.2.10 tcp 80": "right"}


def test_what_hides_the_answer_is_named() -> None:
    _, part = only(asked("80", seen(f"{MARKED}\nin -m bpf --bytecode 1,6 -j DROP")))
    assert part.fate.fate is Fate.UNKNOWN
    assert part.fate.hidden_by is not None
    assert (part.fate.hidden_by.chain, part.fate.hidden_by.line) == ("INPUT", 1)
    assert "bpf" in part.fate.reason


def test_a_rate_is_no_loss() -> None:
    text = f"{MARKED}\nin -m limit --limit 9/s -j ACCEPT\nfilter :INPUT DROP"
    _, part = only(asked(f"{VIP} tcp 80", seen(text)))
    assert (part.fate.fate, part.fate.is_limited) == (Fate.RIGHT, True)


def test_destinations_that_go_the_same_way_are_one_part() -> None:
    wanted = want()
    assert told(asked("192.0.2.0/24 tcp 80", seen(), wanted)) == {
        "192.0.2.0-192.0.2.9,192.0.2.11-192.0.2.255 tcp 80": "unmarked",
        "192.0.2.10 tcp 80": "wrong",
    }


@given(
    marked=st.sets(st.integers(0, 15), max_size=6),
    ports=st.sets(st.integers(1, 9), min_size=1, max_size=4),
)
def test_the_parts_of_a_flow_are_the_flow(marked: set[int], ports: set[int]) -> None:
    text = "\n".join(
        f"pre -d 192.0.2.{host} -p tcp --dport {port} MARK {port}"
        for host in marked
        for port in ports
    )
    (one,) = asked("192.0.2.0/28 tcp 1-10", seen(text)).flows
    told_of = [each for part in one.parts for each in part.packets]
    for host in range(16):
        for port in range(1, 11):
            packet = flow(f"192.0.2.{host}", port)
            assert sum(each.covers(packet) for each in told_of) == 1


def test_packets_of_ipv6() -> None:
    explanation = asked("2001:db8::10 tcp 80", seen(""))
    one, part = only(explanation)
    assert one.source in ip_network("::/0")
    assert part.fate.fate is Fate.UNMARKED
    assert one.source != ip_address("::")
