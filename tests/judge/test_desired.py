"""What must hold: the last good state, inference, VRRP, notes."""

from ipaddress import ip_address

from msgspec.structs import replace

from lvsmarkd.judge.desired import Options, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.keepalived import Completeness, Reading
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.protocols import AH_PROTOCOL, VRRP_PROTOCOL
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.service import Family, FlowSource
from tests.harness.paper import PaperFirewall
from tests.harness.values import (
    HERE,
    RICH_RULES,
    declare,
    flow,
    instance,
    key,
    reading,
    service,
    want,
)

WEB = declare(80, flow("192.0.2.10", 80))
MAIL = declare(25, flow("192.0.2.10", 25))
INFER = Options(infer=True)


def test_a_reading_that_is_not_whole_takes_no_service_away() -> None:
    before = want(WEB, MAIL, instances=(instance("192.0.2.10"),))
    for completeness in (Completeness.SUSPECT, Completeness.UNREADABLE):
        cut = replace(reading(), completeness=completeness)
        now = desired(cut, Declared(MAIL), Options(), before)  # an annotation went with the file
        assert now.services == before.services
        assert now.rules == before.rules
        assert not now.removable


def _cut(*marks: int, **changed: object) -> Reading:
    whole = reading(*map(service, marks))
    return replace(whole, completeness=Completeness.SUSPECT, **changed)


def test_of_several_declarations_those_that_a_cut_off_file_has_lost_stay() -> None:
    lost = flow("192.0.2.11", 80)
    before = want(declare(80, flow("192.0.2.10", 80), lost), MAIL)

    now = desired(_cut(80, 25), Declared(WEB | MAIL), Options(), before)
    assert now.rules == before.rules
    again = desired(_cut(80, 25), Declared(WEB | MAIL), Options(), now)
    assert again.rules == before.rules
    whole = desired(reading(service(80), service(25)), Declared(WEB | MAIL), Options(), again)
    assert [own.flow for own in whole.flows[key(80)]] == [flow("192.0.2.10", 80)]


def test_of_what_a_declaration_said_before_a_cut_off_file_keeps_what_is_nobodys_now() -> None:
    before = want(declare(80, flow("192.0.2.10", 80, 90), flow("192.0.2.11", 80)), MAIL)
    moved = declare(25, flow("192.0.2.10", 25), flow("192.0.2.11", 80))
    changed = declare(80, flow("192.0.2.10", 82, 85))

    now = desired(_cut(80, 25), Declared(changed | moved), Options(), before)
    assert {str(own.flow) for own in now.flows[key(80)]} == {
        *("192.0.2.10 tcp 80-81", "192.0.2.10 tcp 82-85", "192.0.2.10 tcp 86-90"),
    }
    assert not now.waiting
    assert {str(own.flow) for own in now.flows[key(25)]} == {
        *("192.0.2.10 tcp 25", "192.0.2.11 tcp 80"),
    }


def test_the_instances_that_a_cut_off_file_has_lost_are_known_and_speak_vrrp() -> None:
    first, second = instance("192.0.2.10", "192.0.2.11"), instance("2001:db8::1", name="VI_2")
    before = want(WEB, instances=(first, second))
    half = replace(first, vips=first.vips[:1])

    now = desired(_cut(80, instances=(half,)), Declared(WEB), Options(), before)
    assert now.instances == (first, second)
    assert now.rules == before.rules

    renamed = replace(first, name="VI_9")
    assert desired(_cut(80, instances=(renamed,)), Declared(WEB), Options(), now).instances == (
        renamed,
        second,
    )


def test_a_suspect_reading_still_brings_new_services() -> None:
    before = want(WEB)
    cut = replace(reading(service(25)), completeness=Completeness.SUSPECT)
    now = desired(cut, Declared(WEB | MAIL), Options(), before)
    assert set(now.services) == {key(80), key(25)}


def test_a_refused_declaration_leaves_the_last_good_flows_in_force() -> None:
    before = want(WEB, MAIL)
    refused = Problem(HERE, "no such port", (80,), fatal=True)
    now = desired(reading(service(80), service(25)), Declared(MAIL, (refused,)), Options(), before)
    assert now.rules == before.rules
    assert now.frozen_marks == {80}


def test_at_a_cold_start_a_contested_flow_is_given_to_nobody_and_the_rest_stands() -> None:
    rival = declare(90, flow("192.0.2.10", 80), flow("192.0.2.10", 8080))
    clash = Problem(HERE, "one flow, two marks", (80, 90), fatal=True)
    now = desired(reading(service(80), service(90)), Declared(WEB | rival, (clash,)), Options())
    assert now.flows[key(80)] == ()
    assert [d.flow for d in now.flows[key(90)]] == [flow("192.0.2.10", 8080)]
    assert now.frozen_marks == {80, 90}
    [uncovered] = [
        finding
        for finding in judge(now, PaperFirewall().read()).findings
        if finding.kind is Kind.UNCOVERED and finding.service == key(80)
    ]
    assert f"refused; correct it (see {HERE})" in uncovered.message


def test_inference_takes_an_unambiguous_suggestion_and_says_so() -> None:
    read = reading(service(80, ports=(80, 443)), instances=(instance("192.0.2.10", "2001:db8::1"),))
    now = desired(read, Declared(), INFER)
    assert now.coverage[key(80)] is FlowSource.INFERRED
    assert {str(d.flow) for d in now.flows[key(80)]} == {"192.0.2.10 tcp 80", "192.0.2.10 tcp 443"}
    assert Kind.INFERRED in {f.kind for f in judge(now, PaperFirewall().read()).findings}
    assert desired(read, Declared(), Options()).rules == want(instances=read.instances).rules


def test_inference_declines_what_is_ambiguous() -> None:
    vips = (instance("192.0.2.10"),)
    cases = [
        reading(service(80), service(81), instances=vips),  # two marks, the same packets
        reading(service(80), instances=()),  # no VIP
        reading(service(80, "inet6"), instances=vips),  # none of the family
        reading(service(80, ports=()), instances=vips),  # no port
    ]
    for read in cases:
        now = desired(read, Declared(), INFER)
        assert set(now.coverage.values()) == {FlowSource.NONE}
        assert all(s.doubts for s in now.suggestions.values())
    claimed = desired(
        reading(service(80), service(9), instances=vips),
        Declared(declare(9, flow("192.0.2.0/24"))),
        INFER,
    )
    assert claimed.coverage[key(80)] is FlowSource.NONE
    assert claimed.suggestions[key(80)].doubts == ("mark 9 claims these packets too",)


def test_a_vip_that_another_mark_has_is_not_suggested() -> None:
    vips = (instance("192.0.2.10", "192.0.2.20"),)
    now = desired(
        reading(service(80), service(9), instances=vips),
        Declared(declare(9, flow("192.0.2.20", 80))),
        INFER,
    )
    suggestion = now.suggestions[key(80)]
    assert suggestion.text() == "# lvsmarkd: fwmark 80 to 192.0.2.10 tcp 80"
    assert suggestion.doubts == ("192.0.2.20 is left out, since mark 9 claims its packets",)
    assert now.coverage[key(80)] is FlowSource.NONE
    # Other ports of that address are free, and nothing is in doubt.
    free = desired(
        reading(service(80), service(9), instances=vips),
        Declared(declare(9, flow("192.0.2.20", 25))),
        INFER,
    )
    assert free.suggestions[key(80)].vips == vips[0].vips
    assert free.coverage[key(80)] is FlowSource.INFERRED


def test_hundreds_of_services_that_nobody_declared_are_judged_at_once() -> None:
    """Each with each other's addresses compared took 34 s for 80 of them, and hours for these."""
    vips = [f"192.0.2.{number}" for number in range(1, 251)]
    now = desired(
        reading(*(service(mark) for mark in range(1, 251)), instances=(instance(*vips),)),
        Declared(declare(1, *(flow(vip, 80) for vip in vips[:-1]))),
        INFER,
    )
    [first, *_, last] = (now.suggestions[key(mark)] for mark in range(2, 251))
    assert first.vips == last.vips == (ip_address(vips[-1]),)
    assert any("250 claim these packets too" in doubt for doubt in first.doubts)
    assert set(now.coverage.values()) == {FlowSource.DECLARED, FlowSource.NONE}


def test_vrrp_is_accepted_where_an_instance_speaks_it() -> None:
    def accepted(policy: Options, *vips: str, ah: bool = False) -> set[tuple[Family, int | None]]:
        now = want(instances=(instance(*vips, ah=ah),), policy=policy)
        assert all(rule.hook is Hook.INPUT for rule in now.rules)
        return {(rule.family, rule.match.protocol) for rule in now.rules}

    v4, v6 = (Family.INET, VRRP_PROTOCOL), (Family.INET6, VRRP_PROTOCOL)
    assert accepted(Options(), "192.0.2.1") == {v4}
    assert accepted(Options(), "192.0.2.1", ah=True) == {v4, (Family.INET, AH_PROTOCOL)}
    assert accepted(Options(), "2001:db8::1", ah=True) == {v6}
    # The other family's addresses are excluded ones: no advert bears them.
    assert accepted(Options(), "192.0.2.1", "2001:db8::1") == {v4}
    assert accepted(Options(vrrp_accept=False), "192.0.2.1") == set()


def test_a_declaration_that_no_service_uses_makes_no_rule_and_is_a_note() -> None:
    both = declare(80, flow("192.0.2.10", 80), flow("2001:db8::10", 80))
    now = desired(reading(service(80)), Declared(both | MAIL), Options())
    assert {rule.service for rule in now.rules} == {key(80)}
    notes = [f for f in judge(now, PaperFirewall().read()).findings if f.kind is Kind.UNUSED]
    assert len(notes) == 2
    assert "for inet only" in notes[0].message
    assert "uses no such mark" in notes[1].message


def test_the_checksum_is_the_same_whatever_firewall_keeps_the_rules() -> None:
    web = declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443), accept=True)
    iptables, firewalld = want(web), want(web, policy=Options(limits=RICH_RULES))
    assert len(iptables.rules) < len(firewalld.rules)
    assert iptables.checksum == firewalld.checksum
    assert want(web, policy=Options(local=True)).checksum != iptables.checksum
    assert want(WEB).checksum != want(declare(81, flow("192.0.2.10", 80))).checksum


def test_a_name_declares_for_the_families_there_are() -> None:
    both = declare(80, flow("192.0.2.10", 80), flow("2001:db8::10", 80))
    named = Declared(both, named=frozenset({key(80, "inet6")}))
    assert desired(reading(service(80)), named, Options()).unused == {}
    assert set(desired(reading(), named, Options()).unused) == set(both)
