"""A qualifier that is in no table of ours goes all the way once it is in the tables, and is lost
nowhere: what is lost of a qualifier is packets that get a mark and should not.

So do those that are in the tables.
"""

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import ClassVar, Self, cast

import pytest
from msgspec.structs import replace

from lvsmarkd.backends.firewalld.rich import qualifiers as rich_qualifiers
from lvsmarkd.backends.firewalld.rich.own_rule import UnrenderableError, own_rule, rich_text
from lvsmarkd.backends.firewalld.rich.qualifiers import RichElement, rich_rule_limits
from lvsmarkd.backends.firewalld.rich.rich_rule import RichRule, read_rich_rule
from lvsmarkd.backends.iptables import chains
from lvsmarkd.backends.iptables.script import rule_text
from lvsmarkd.backends.nftables.mark_table import mark_table
from lvsmarkd.backends.nftables.own_rules import own_rules, table_limits
from lvsmarkd.declarations.annotation import parse
from lvsmarkd.declarations.resolve import resolve
from lvsmarkd.declarations.settings import ConfigError, load
from lvsmarkd.judge.adviser import Adviser
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.evaluation.conditions import QUALIFIERS, part_packets
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.layout import rules_of
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.judge.pasted import annotations
from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model import qualifiers
from lvsmarkd.model.declaration import Declaration, Declared, DeclaredFlow
from lvsmarkd.model.keepalived import Annotation
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.qualifiers import InInterface, NotFromMac, OwnPackets, Qualifier
from lvsmarkd.model.refusal import RefusalError
from lvsmarkd.model.rule import Hook, Rule, SetMark
from lvsmarkd.model.rule_spec import Jump, RuleSpec
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
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.netfilter import iptables_qualifiers, nft_qualifiers
from lvsmarkd.netfilter.iptables_qualifiers import IptablesOption
from lvsmarkd.netfilter.iptables_rule import read_rule
from lvsmarkd.netfilter.nft_qualifiers import NftMatch
from lvsmarkd.netfilter.nft_rule import read_statements
from lvsmarkd.netfilter.nftables.objects import NftTable, TableId
from lvsmarkd.telemetry.form import plan_form
from tests.declarations.toml_text import toml_text
from tests.harness.paper import PaperFirewall
from tests.harness.values import HERE, declare, flow, key, packets, reading, service, want


class From(Qualifier, frozen=True):
    """Packets from a network: the made-up one."""

    keyword: ClassVar[str] = "sent-from"
    expected: ClassVar[str] = "a network as 10.0.0.0/8"
    on_own_packets: ClassVar[OwnPackets] = OwnPackets.SAME
    network: IPv4Network

    @classmethod
    def checked(cls, text: str) -> str:
        try:
            return str(IPv4Network(text))
        except ValueError:
            raise RefusalError(text, cls.expected) from None

    @classmethod
    def of(cls, *values: str) -> Self:
        (network,) = values
        return cls(network=IPv4Network(network))

    @property
    def values(self) -> tuple[str, ...]:
        return (str(self.network),)

    def covers(self, other: Self) -> bool:
        return other.network.subnet_of(self.network)

    def intersect(self, other: Self) -> Self | None:
        if not self.network.overlaps(other.network):
            return None
        return max(self, other, key=lambda each: each.network.prefixlen)


def _from_rich(rich: RichRule) -> From | None:
    source = rich.source
    if source is None or source.inverted or not isinstance(source.network, IPv4Network):
        return None
    return From(network=source.network)


def _from_nft(right: object) -> From | None:
    match right:
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return From.of(f"{address}/{length}")
    return None


@pytest.fixture(autouse=True)
def _in_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    option = IptablesOption("-s", From.of)
    element = RichElement(lambda network: f'source address="{network}"', _from_rich)
    match = NftMatch({"payload": {"protocol": "ip", "field": "saddr"}}, "==", _from_nft)
    monkeypatch.setattr(qualifiers, "QUALIFIERS", (*qualifiers.QUALIFIERS, From))
    for module, name, entry in (
        (iptables_qualifiers, "OPTIONS", option),
        (rich_qualifiers, "ELEMENTS", element),
        (nft_qualifiers, "MATCHES", match),
    ):
        monkeypatch.setattr(module, name, {**getattr(module, name), From: entry})


MADE_UP = From.of("10.0.0.0/8")
EACH = pytest.mark.parametrize(
    "qualifier",
    [InInterface.of("eth0"), NotFromMac.of("52:54:00:00:00:01"), MADE_UP],
    ids=["in-interface", "not-from-mac", "made up"],
)
IN_RICH_RULES = pytest.mark.parametrize(
    "qualifier",
    [NotFromMac.of("52:54:00:00:00:01"), MADE_UP],
    ids=["not-from-mac", "made up"],
)
PLAIN = flow("192.0.2.10", 80)


def qualified(qualifier: Qualifier, bare: Packets = PLAIN) -> Packets:
    return replace(bare, qualifiers=(qualifier,))


def declaration(qualifier: Qualifier) -> Declaration:
    parsed = parse(Annotation(f"fwmark 80 to 192.0.2.10 tcp 80 {qualifier}", HERE))
    assert not isinstance(parsed, Problem), parsed
    return parsed[0]


def wish(qualifier: Qualifier, policy: Options | None = None) -> Desired:
    return want(declare(80, qualified(qualifier), accept=True), policy=policy)


def rules(qualifier: Qualifier) -> list[Rule]:
    return sorted(wish(qualifier).rules, key=str)


@EACH
def test_an_annotation_says_it_and_is_written_again(qualifier: Qualifier) -> None:
    said = declaration(qualifier)
    assert said.qualifiers == (qualifier,)
    assert str(qualifier) in said.text()
    assert parse(Annotation(said.text(), HERE)) == (said,)


def test_a_word_of_an_annotation_is_known_as_one() -> None:
    for text, expected in (
        ("to 192.0.2.10 sent-from", 'a network as 10.0.0.0/8 after "sent-from"'),
        ("to 192.0.2.10 sent-from VI_1", 'found "VI_1", expected a network as 10.0.0.0/8'),
        ("to 192.0.2.10 sent-form 10.0.0.0/8", "did you mean sent-from?"),
        ("to 192.0.2.10 sent-from 10.0.0.0/8 sent-from 10.0.0.0/8", "each option once"),
        ("to sent-from tcp", "a vrrp_instance of that name"),
    ):
        problem = parse(Annotation(text, HERE, (80,)))
        assert isinstance(problem, Problem)
        assert expected in problem.message


@EACH
def test_toml_says_it(qualifier: Qualifier, tmp_path: Path) -> None:
    path = tmp_path / "lvsmarkd.toml"
    path.write_text(toml_text(declaration(qualifier)))
    (read,) = load(path, required=True).declarations
    assert read.qualifiers == (qualifier,)


def test_a_fault_in_toml_is_told_at_its_key(tmp_path: Path) -> None:
    path = tmp_path / "lvsmarkd.toml"
    path.write_text('[[mark]]\nfwmark = 80\nto = "192.0.2.10"\nsent_from = "ten"\n')
    (refused,) = load(path, required=True).refused
    assert refused.origin.key == "mark[0].sent_from"
    assert refused.message == 'found "ten", expected a network as 10.0.0.0/8'
    path.write_text('sent_from = "10.0.0.0/8"\n')
    with pytest.raises(ConfigError):
        load(path, required=True)


@EACH
def test_what_is_declared_keeps_it(qualifier: Qualifier) -> None:
    (own,) = resolve([declaration(qualifier)], ()).flows[key(80)]
    assert own.flow == qualified(qualifier)
    assert str(qualifier) in str(own.flow)


def test_flows_are_united_and_told_apart_by_it() -> None:
    wide, narrow, other = map(declaration, map(From.of, ("10.0.0.0/8", "10.1.0.0/16", "9.0.0.0/8")))
    united = resolve([narrow, wide, other], ()).flows[key(80)]
    assert [own.flow.qualifiers for own in united] == [wide.qualifiers, other.qualifiers]
    assert resolve([wide, replace(other, mark=81)], ()).problems == ()
    (clash,) = resolve([wide, replace(narrow, mark=81)], ()).problems
    assert "192.0.2.10 tcp 80 sent-from 10.1.0.0/16 under mark 81" in clash.message


@EACH
def test_each_rule_has_it(qualifier: Qualifier) -> None:
    declared = [DeclaredFlow(flow=qualified(qualifier), accept=True, origin=HERE)]
    own = list(rules_of(key(80), declared, max_ports_per_rule=15, local=False))
    assert {rule.hook for rule in own} == {Hook.PREROUTING, Hook.INPUT}
    assert {rule.match for rule in own} == {qualified(qualifier)}
    assert all(str(qualifier) in str(rule) for rule in own)


def test_the_rules_for_the_host_s_own_packets_have_what_holds_for_these() -> None:
    assert qualified(MADE_UP).sent_by_host() == qualified(MADE_UP)
    assert qualified(NotFromMac.of("52:54:00:00:00:01")).sent_by_host() == PLAIN
    assert qualified(InInterface.of("eth0")).sent_by_host() is None
    local = wish(MADE_UP, Options(local=True)).rules
    assert {r.match for r in local if r.hook is Hook.OUTPUT} == {qualified(MADE_UP)}


@EACH
def test_iptables_writes_it_and_reads_it(qualifier: Qualifier) -> None:
    for rule in rules(qualifier):
        text = rule_text(rule)
        assert chains.own_rule(read_rule(text), rule.family, rule.hook) == rule
        words = iptables_qualifiers.option_of(qualifier).words(qualifier.values[0])
        bare = text.replace(f"{' '.join(words)} ", "")
        without = chains.own_rule(read_rule(bare), rule.family, rule.hook)
        assert without == replace(rule, match=PLAIN)


IN_TABLE = Options(limits=table_limits())
TABLE = NftTable(TableId(NftFamily.INET, "ours"))


@pytest.mark.parametrize(
    "qualifier", [InInterface.of("eth0"), NotFromMac.of("52:54:00:00:00:01")], ids=str
)
def test_a_table_of_our_own_says_it_and_reads_it(qualifier: Qualifier) -> None:
    own = want(declare(80, qualified(qualifier), PLAIN), policy=IN_TABLE).rules
    assert {rule.match for rule in own} == {qualified(qualifier), PLAIN}
    table = mark_table(TABLE, own, only_unmarked=False)
    assert own_rules(table).rules == own
    for rule in own:  # each has a way of its own, by which no others get to its map
        assert own_rules(mark_table(TABLE, [rule], only_unmarked=False)).rules == {rule}


def test_a_table_of_our_own_is_never_made_without_it() -> None:
    rule = Rule(Family.INET, Hook.PREROUTING, qualified(MADE_UP), SetMark(80), 80)
    for only_unmarked in (True, False):
        with pytest.raises(ValueError, match="not told of sent-from 10"):
            mark_table(TABLE, [rule], only_unmarked=only_unmarked)
    refused = want(declare(80, qualified(MADE_UP)), policy=Options(limits=table_limits()))
    assert refused.rules == frozenset()
    (problem,) = refused.problems
    assert "sent-from 10.0.0.0/8, and the firewall that keeps the rules cannot" in problem.message


@IN_RICH_RULES
def test_a_rich_rule_says_it_and_is_read(qualifier: Qualifier) -> None:
    for rule in rules(qualifier):
        read = own_rule(read_rich_rule(rich_text(rule)))
        assert read is not None
        assert read.match == rule.match


def test_what_stands_in_no_table_is_refused_and_not_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(iptables_qualifiers, "OPTIONS", {})
    monkeypatch.setattr(rich_qualifiers, "ELEMENTS", {})
    for rule in rules(MADE_UP):
        with pytest.raises(ValueError, match="sent-from 10"):
            rule_text(rule)
        with pytest.raises(UnrenderableError, match=r"sent-from 10.*leave it out"):
            rich_text(rule)
    for limits in (Limits(max_values=iptables_qualifiers.max_values()), rich_rule_limits()):
        refused = desired(
            reading(service(80)),
            Declared(declare(80, qualified(MADE_UP))),
            Options(limits=limits),
        )
        assert refused.rules == frozenset()
        assert [problem.message for problem in refused.problems] == [
            "found sent-from 10.0.0.0/8, and the firewall that keeps the rules cannot look at it:"
            ' leave it out, or set backend = "iptables" under [firewall]'
        ]
    both = replace(PLAIN, qualifiers=(NotFromMac.of("52:54:00:00:00:01"), MADE_UP))
    with pytest.raises(ValueError, match="an unknown qualifier"):
        replace(both, qualifiers=(_Unknown.of("10.0.0.0/8"), MADE_UP))


class _Unknown(From, frozen=True):
    """In no table at all."""


def test_a_rich_rule_has_one_source() -> None:
    both = replace(PLAIN, qualifiers=(NotFromMac.of("52:54:00:00:00:01"), MADE_UP))
    rule = Rule(Family.INET, Hook.PREROUTING, both, SetMark(80), 80)
    with pytest.raises(UnrenderableError, match="one source"):
        rich_text(rule)


@pytest.mark.parametrize(
    ("left", "op", "right", "qualifier"),
    [
        ({"meta": {"key": "iifname"}}, "==", "eth0", InInterface.of("eth0")),
        (
            {"payload": {"protocol": "ether", "field": "saddr"}},
            "!=",
            "52:54:00:00:00:01",
            NotFromMac.of("52:54:00:00:00:01"),
        ),
        (
            {"payload": {"protocol": "ip", "field": "saddr"}},
            "==",
            {"prefix": {"addr": "10.0.0.0", "len": 8}},
            MADE_UP,
        ),
    ],
)
def test_what_nft_lists_is_understood(
    left: object, op: str, right: object, qualifier: Qualifier
) -> None:
    known = read_statements([{"match": {"op": op, "left": left, "right": right}}])
    assert (known.packets, known.conditions) == (Packets(qualifiers=(qualifier,)), ())
    for other in ("!=" if op == "==" else "==", "<"):
        unknown = read_statements([{"match": {"op": other, "left": left, "right": right}}])
        assert (unknown.packets, len(unknown.conditions)) == (Packets(), 1)


KEY = TableKey(Lister.NFT, "inet", "theirs")


def theirs(*path: Packets) -> Snapshot:
    """What a jump for each of these leads to gets mark 80."""
    chains = {}
    for depth, each in enumerate(path):
        effect = SetMark(80) if each is path[-1] else Jump(f"c{depth + 1}")
        base = None if depth else BaseChain(Hook.PREROUTING, -150)
        rule = TableRule(RuleSpec(each, effects=(effect,)), 1, f"rule {depth}")
        chains[f"c{depth}"] = TableChain(f"c{depth}", (rule,), base)
    return Snapshot({}, ruleset=Ruleset({KEY: Table(KEY, chains)}))


@EACH
def test_what_to_paste_has_it(qualifier: Qualifier) -> None:
    undeclared = desired(reading(service(80)), Declared(), Options())
    for path in ((qualified(qualifier),), (packets(None, 6), qualified(qualifier))):
        seen = theirs(*path)
        now = Outlooks().of(undeclared, seen.ruleset, seen.host)
        advice = Adviser(undeclared, seen, now).advice(key(80))
        if isinstance(qualifier, From):  # the judge does not know it: nothing is suggested
            assert (advice.text, "cannot be told" in advice.reason) == ("", True)
        else:
            assert advice.text == f"# lvsmarkd: fwmark 80 to 192.0.2.10 tcp 80 {qualifier}"


@EACH
def test_annotations_have_it(qualifier: Qualifier) -> None:
    (line,) = annotations(80, [qualified(qualifier)])
    assert line == f"# lvsmarkd: fwmark 80 to 192.0.2.10 tcp 80 {qualifier}"


def test_destinations_are_not_declared_together_where_it_differs() -> None:
    networks = ("10.0.0.0/8", "9.0.0.0/8")
    lines = annotations(80, [qualified(From.of(network)) for network in networks])
    assert [line.partition(" sent-from ")[2] for line in lines] == list(networks)


def test_a_rule_of_ours_contradicts_another_by_it() -> None:
    """A rule about some senders is no rule about all, and one about all is one about some."""
    (own,) = (rule for rule in rules(MADE_UP) if rule.hook is Hook.PREROUTING)
    assert own.contradicts(replace(own, match=PLAIN, action=SetMark(7)))
    apart = replace(own, match=qualified(From.of("9.0.0.0/8")), action=SetMark(7))
    assert not own.contradicts(apart)


@EACH
def test_a_rule_without_it_is_not_the_rule(qualifier: Qualifier) -> None:
    """The drift that matters most: more packets get the mark."""
    paper = PaperFirewall()
    paper.apply(judge(want(declare(80, PLAIN, accept=True)), paper.read()))
    plan = judge(wish(qualifier), paper.read())
    told = {str(finding.kind) for finding in plan.findings}
    # Whether packets come with their mark is not known by a qualifier that the judge does not know.
    assert told - {"unknown"} <= {"missing", "altered", "stale"}
    assert told & {"missing", "altered"}
    assert plan.steps
    paper.apply(plan)
    assert judge(wish(qualifier), paper.read()).steps == ()


@EACH
def test_plan_json_and_checksum_tell_it(qualifier: Qualifier) -> None:
    plan = judge(wish(qualifier), PaperFirewall().read())
    assert str(plan).count(str(qualifier)) == len(rules(qualifier))
    form = plan_form(plan)
    told = [rule[qualifier.key()] for step in form["steps"] for rule in step.get("rules", ())]
    value = list(qualifier.values) if qualifier.listed else qualifier.values[0]
    assert told == [value] * len(rules(qualifier))
    assert wish(qualifier).checksum != want(declare(80, PLAIN, accept=True)).checksum


@pytest.mark.parametrize(
    "made",
    [
        lambda each: each.intersect(packets("192.0.2.0/24", 6)),
        lambda each: packets("192.0.2.0/24", 6).intersect(each),
        lambda each: each.subtract(packets("192.0.2.10", 6, 81))[0],
        lambda each: each.subtract(packets("192.0.2.10", 6, 1))[0],
        lambda each: each.narrowed(MADE_UP),
        lambda each: each.without(InInterface),
    ],
)
def test_whatever_is_made_of_packets_keeps_it(made: Callable[[Packets], Packets]) -> None:
    for bare in (PLAIN, replace(PLAIN, ports=()), Packets(destination=ip_network("192.0.2.10/32"))):
        assert made(qualified(MADE_UP, replace(bare, protocol=6))).qualifiers == (MADE_UP,)


def test_a_foreign_rule_of_the_other_family_is_none_of_it() -> None:
    six = Packets(destination=IPv6Network("2001:db8::10/128"), qualifiers=(MADE_UP,))
    assert six.family is Family.INET6
    assert not six.overlaps(qualified(MADE_UP))


COMING = PacketClass(
    Family.INET, int(ip_address("192.0.2.10")), int(ip_address("192.0.2.10")), 6, 80, 80,
    frozenset({"eth0", "eth1"}),
)  # fmt: skip
CLIENT = Sender(int(ip_address("10.1.2.3")), mac="02:00:00:00:00:01")


def test_packets_are_parted_by_each_of_the_house() -> None:
    assert {*QUALIFIERS, From} == set(qualifiers.QUALIFIERS)


def test_what_the_judge_does_not_know_leaves_the_answer_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    narrow = Packets(qualifiers=(From.of("10.0.0.0/8"),))
    assert part_packets(narrow, COMING, CLIENT) == [(COMING, None)]

    def by_sender(
        qualifier: Qualifier, packet: PacketClass, sender: Sender
    ) -> list[tuple[PacketClass, bool | None]]:
        network = ip_network(qualifier.values[0])
        return [(packet, ip_address(sender.source) in network)]

    monkeypatch.setitem(QUALIFIERS, cast("type[Qualifier]", From), by_sender)
    assert part_packets(narrow, COMING, CLIENT) == [(COMING, True)]
    assert part_packets(narrow, COMING, Sender(1)) == [(COMING, False)]
