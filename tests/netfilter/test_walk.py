"""The way of a packet: order of the hooks, jumps, what leads to a rule, and bounds."""

import pytest

from lvsmarkd.judge.evaluation.hook_path import HookedChain, base_chains
from lvsmarkd.model.rule import Accept, ChainKey, Hook, Plane, SetMark
from lvsmarkd.model.rule_spec import Jump, RuleSpec, SetsUnknownMark, Verdict, VerdictMap, When
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
from lvsmarkd.model.snapshot import Drop, ForeignRule, LeavesTable, Side
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter import walk as walking
from lvsmarkd.netfilter.foreign import foreign_rules
from lvsmarkd.netfilter.iptables_save import read_saved
from lvsmarkd.netfilter.nft_json import table_of
from lvsmarkd.netfilter.walk import OwnChain, Walk, walk

MARKS = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
INPUT = ChainKey(Plane.RUNTIME, Family.INET, Hook.INPUT)
MANGLE = TableKey(Lister.IPTABLES_NFT, "ip", "mangle")
FILTER = TableKey(Lister.IPTABLES_NFT, "ip", "filter")
OWN = OwnChain("LVSMARKD", frozenset({MANGLE, FILTER}), -150)
OWN_ACCEPTS = OwnChain("LVSMARKD", frozenset({MANGLE, FILTER}), 0, marks=False)
BOTH = (Hook.PREROUTING, Hook.INPUT)
CHAINS = "LVSMARKD WEB DEEP"


def saved(*rules: str, table: str = "mangle", policy: str = "ACCEPT") -> Ruleset:
    """A table of iptables with these rules."""
    built_in = "".join(f":{name} {policy} [0:0]\n" for name in ("PREROUTING", "INPUT"))
    own = "".join(f":{name} - [0:0]\n" for name in CHAINS.split())
    lines = "".join(f"-A {rule}\n" for rule in rules)
    read = read_saved(f"*{table}\n{built_in}{own}{lines}COMMIT\n", Lister.IPTABLES_NFT, "ip")
    return Ruleset({TableKey(Lister.IPTABLES_NFT, "ip", name): t for name, t in read.items()})


def native(name: str, *chains: TableChain, handle: int = 1, family: str = "inet") -> Ruleset:
    key = TableKey(Lister.NFT, family, name)
    return Ruleset({key: Table(key, {c.name: c for c in chains}, handle=handle)})


def base(
    name: str, priority: int, *specs: RuleSpec, hook: Hook = BOTH[0], handle: int = 1
) -> TableChain:
    return TableChain(name, ruled(*specs), BaseChain(hook, priority), handle)


def ruled(*specs: RuleSpec) -> tuple[TableRule, ...]:
    return tuple(TableRule(spec, line) for line, spec in enumerate(specs, 1))


def met(ruleset: Ruleset, own: OwnChain = OWN, key: ChainKey = MARKS) -> list[ForeignRule]:
    hooks = BOTH if key == MARKS else BOTH[1:]
    return list(foreign_rules(walk(ruleset, Family.INET, hooks, own), key))


def marks(ruleset: Ruleset) -> list[int]:
    return [r.effect.value for r in met(ruleset) if isinstance(r.effect, SetMark)]


MARK = RuleSpec(effects=(SetMark(7),))


def mark(value: int) -> RuleSpec:
    return RuleSpec(effects=(SetMark(value),))


def test_base_chains_are_met_by_hook_and_priority_whoever_made_them() -> None:
    ruleset = (
        saved("PREROUTING -j MARK --set-mark 3", "INPUT -j MARK --set-mark 6")
        | native("late", base("c", -100, mark(5)))
        | native("early", base("c", -300, mark(1)), handle=2)
        | native("at -149", base("c", -149, mark(4)), handle=3)
        | saved("PREROUTING -j MARK --set-mark 2", table="raw")
        | native("six", base("c", -100, mark(66)), family="ip6")
        | native("in", base("c", 0, mark(8), hook=Hook.INPUT))
        | native("out", base("c", 0, mark(99), hook=Hook.OUTPUT))
    )
    assert marks(ruleset) == [1, 2, 3, 4, 5, 6, 8]


def test_of_equal_priority_what_has_the_later_handle_is_taken_to_run_first() -> None:
    ruleset = native(
        "a", base("older", -5, mark(4), handle=1), base("newer", -5, mark(3), handle=9), handle=1
    ) | native("b", base("c", -5, mark(2), handle=1), handle=2)
    assert marks(ruleset) == [2, 3, 4]


def test_a_dormant_table_and_one_that_could_not_be_read_are_not_walked() -> None:
    key = TableKey(Lister.NFT, "inet", "t")
    unread = Ruleset({key: Unknown("nft failed: -11")})
    asleep = Ruleset({key: Table(key, {"c": base("c", 0, MARK)}, dormant=True)})
    assert marks(unread) == marks(asleep) == []


def test_what_is_before_and_behind_is_told_by_our_jump() -> None:
    ruleset = (
        saved(
            "PREROUTING -j MARK --set-mark 2",
            "PREROUTING -d 192.0.2.1/32 -j LVSMARKD",
            "PREROUTING -j MARK --set-mark 3",
            "PREROUTING -j LVSMARKD",
            "PREROUTING -j MARK --set-mark 4",
            "LVSMARKD -j MARK --set-mark 80",
            "INPUT -j MARK --set-mark 6",
        )
        | saved("PREROUTING -j MARK --set-mark 1", table="raw")
        | native("n", base("c", -100, mark(5)))
        | native("tied", base("c", -150, mark(9)))
    )
    found = {r.effect.value: r for r in met(ruleset) if isinstance(r.effect, SetMark)}
    assert [v for v, r in found.items() if r.side is Side.BEFORE] == [1, 2, 3]
    assert {v for v, r in found.items() if r.side is Side.AFTER} == {4, 5, 6, 9}
    assert [v for v, r in found.items() if r.later] == [6]


def test_a_rule_keeps_what_leads_to_it() -> None:
    ruleset = saved(
        "PREROUTING -d 192.0.2.0/24 -m mark --mark 0x0 -j WEB",
        "WEB -p tcp -m tcp --dport 80 -s 10.0.0.0/8 -j DEEP",
        "WEB -p tcp -m tcp --dport 443 -j MARK --set-mark 8",
        "DEEP -j MARK --set-mark 7",
    )
    deep, web = met(ruleset)
    assert [*map(str, deep.path)] == ["192.0.2.0/24", "any tcp 80"]
    assert [*map(str, web.path)] == ["192.0.2.0/24", "any tcp 443"]
    assert (deep.narrowed, web.narrowed) == (True, False)
    assert len(deep.guards) == len(web.guards) == 1
    assert (web.where, web.text) == (
        "table mangle, chain WEB",
        "-A WEB -p tcp -m tcp --dport 443 -j MARK --set-mark 8",
    )
    assert (web.ref.table, web.ref.chain, web.ref.line) == ("mangle", "WEB", 2)


def test_what_comes_after_a_return_or_a_goto_is_met_by_some_only() -> None:
    ruleset = saved(
        "PREROUTING -j WEB",
        "PREROUTING -d 192.0.2.1/32 -g DEEP",
        "PREROUTING -j MARK --set-mark 3",
        "WEB -j MARK --set-mark 1",
        "WEB -d 192.0.2.9/32 -j RETURN",
        "WEB -j MARK --set-mark 2",
        "DEEP -j MARK --set-mark 4",
    )
    found = [(r.effect, r.narrowed) for r in met(ruleset)]
    assert found == [
        (SetMark(1), False),
        (SetMark(2), True),
        (SetMark(4), False),
        (LeavesTable(), False),  # at its end, the way through the base chain is over
        (SetMark(3), True),
    ]


@pytest.mark.parametrize(
    ("rule", "marks_effects", "input_effects"),
    [
        ("-j ACCEPT", [LeavesTable()], [Accept()]),
        ("-j RETURN", [LeavesTable()], [LeavesTable()]),
        ("-j NFQUEUE", [LeavesTable()], [LeavesTable()]),
        ("-j DROP", [Drop()], [Drop()]),
        ("-j REJECT", [Drop()], [Drop()]),
        ("-j SYNPROXY", [Drop()], [Drop()]),
        ("-j TPROXY --on-port 1", [LeavesTable()], [LeavesTable()]),
        ("-j CONNMARK --restore-mark", [SetsUnknownMark("CONNMARK --restore-mark", restores=True)],
         [SetsUnknownMark("CONNMARK --restore-mark", restores=True)]),
        ("-j SET --map-set v dst --map-mark", [SetsUnknownMark("SET --map-mark")],
         [SetsUnknownMark("SET --map-mark")]),
        ("-j LOG", [], []),
        ("-j CONNMARK --save-mark", [], []),
        ("", [], []),
    ],
)  # fmt: skip
def test_what_matters_of_an_effect_depends_on_the_hook(
    rule: str, marks_effects: list[object], input_effects: list[object]
) -> None:
    assert [r.effect for r in met(saved(f"PREROUTING {rule}"))] == marks_effects
    at_input = saved(f"INPUT {rule}", table="filter")
    assert [r.effect for r in met(at_input, OWN_ACCEPTS, INPUT)] == input_effects


@pytest.mark.parametrize(
    ("rule", "at_marks", "at_input"),
    [
        ("-m conntrack --ctstate ESTABLISHED -j DROP", 0, 0),
        ("-m conntrack --ctstate RELATED,ESTABLISHED -j DROP", 1, 0),
        ("-m conntrack --ctstate NEW -j DROP", 1, 1),
        ("-m conntrack ! --ctstate ESTABLISHED -j DROP", 1, 1),
        ("-i lo -j DROP", 0, 0),
        ("! -i lo -j DROP", 1, 1),
    ],
)
def test_what_first_packets_of_clients_do_not_meet_is_passed_over(
    rule: str, at_marks: int, at_input: int
) -> None:
    assert len(met(saved(f"PREROUTING {rule}"))) == at_marks
    ruleset = saved(f"INPUT {rule}", table="filter")
    assert len(met(ruleset, OWN_ACCEPTS, INPUT)) == at_input


def test_a_rule_of_one_family_is_no_rule_of_the_other() -> None:
    only = RuleSpec(effects=(SetMark(6),), family=Family.INET6)
    to_four = RuleSpec(effects=(Jump("d"),), family=Family.INET)
    chains = (base("c", 0, only, to_four), TableChain("d", ruled(mark(4))))
    ruleset = native("t", *chains)
    assert marks(ruleset) == [4]
    six = walk(ruleset, Family.INET6, BOTH, OWN)
    assert [m.spec.effects for m in six if m.spec.only_effect == SetMark(6)] == [(SetMark(6),)]


def test_maps_of_verdicts_are_followed_and_make_unsure_what_follows() -> None:
    daddr = {"payload": {"protocol": "tcp", "field": "dport"}}
    data = {"set": [[80, {"jump": {"target": "d"}}], [81, {"drop": None}]]}
    objects = [
        {"chain": {"family": "ip", "table": "t", "name": "c", "hook": "input", "prio": 0}},
        {"chain": {"family": "ip", "table": "t", "name": "d"}},
        {"rule": {"family": "ip", "table": "t", "chain": "c",
                  "expr": [{"vmap": {"key": daddr, "data": data}}]}},
        {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"accept": None}]}},
        {"rule": {"family": "ip", "table": "t", "chain": "d",
                  "expr": [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 7}}]}},
    ]  # fmt: skip
    key = TableKey(Lister.NFT, "ip", "t")
    inside, after = met(Ruleset({key: table_of(key, objects)}))
    assert (inside.effect, inside.narrowed, str(inside.path[0])) == (SetMark(7), True, "any tcp")
    assert (after.effect, after.narrowed) == (LeavesTable(), True)
    assert isinstance(table_of(key, objects).chains["c"].rules[0].spec.only_effect, VerdictMap)


def test_an_effect_behind_a_further_condition_keeps_both() -> None:
    inner = RuleSpec(effects=(Verdict.DROP,), family=Family.INET)
    rule = RuleSpec(effects=(SetMark(1), When(inner)))
    first, second = met(native("t", base("c", 0, rule)))
    assert (first.effect, second.effect) == (SetMark(1), Drop())


def test_only_marks_are_told_and_what_else_there_is_makes_them_unsure() -> None:
    drop = RuleSpec(effects=(Verdict.DROP,))
    way = walk(native("t", base("c", 0, mark(1), drop, mark(2))), Family.INET, BOTH, OWN)
    found = list(foreign_rules(way, MARKS, only_marks=True))
    assert [(r.effect, r.narrowed) for r in found] == [(SetMark(1), False), (SetMark(2), True)]


def test_a_walk_is_bounded_and_says_where_it_gave_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def walked(ruleset: Ruleset) -> Walk:
        (hooked, *_) = base_chains(ruleset, Family.INET, BOTH[0])
        found = Walk(hooked, OWN)
        list(found.meetings())
        return found

    loop = saved("PREROUTING -j WEB", "WEB -j DEEP", "WEB -j DEEP", "DEEP -j WEB")
    monkeypatch.setattr(walking, "LENGTH", 1000)
    assert not walked(loop).is_complete
    monkeypatch.setattr(walking, "DEPTH", 2)
    deep = saved("PREROUTING -j WEB", "WEB -j DEEP", "DEEP -j ACCEPT")
    assert not walked(deep).is_complete
    assert walked(saved("PREROUTING -j WEB", "WEB -j ACCEPT")).is_complete


def test_a_base_chain_can_be_left_out() -> None:
    def chosen(hooked: HookedChain) -> bool:
        return hooked.table.key.name != "t"

    way = walk(native("t", base("c", 0, MARK)), Family.INET, BOTH, OWN, chosen)
    assert list(way) == []


def test_of_several_marks_in_one_rule_the_last_one_counts() -> None:
    spec = RuleSpec(effects=(SetMark(80), SetMark(81), SetsUnknownMark("jhash"), SetMark(80)))
    assert [rule.effect for rule in met(native("some", base("pre", -140, spec)))] == [SetMark(80)]
    bits = RuleSpec(effects=(SetMark(80), SetMark(1, 1)))
    found = met(native("some", base("pre", -140, bits)))
    assert [rule.effect for rule in found] == [SetMark(80), SetMark(1, 1)]
