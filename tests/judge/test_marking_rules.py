"""Which rules set marks, and for which packets: what orphans and hints are made from."""

import pytest

from lvsmarkd.judge import marking_rules as scanning
from lvsmarkd.judge.marking_rules import MarkingRule, marking_rules
from lvsmarkd.model.rule import Hook, SetMark
from lvsmarkd.model.rule_spec import Jump, RuleSpec, When
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
from lvsmarkd.netfilter.nft_json import table_of
from tests.harness.rulesets import saved
from tests.harness.values import packets

KEY = TableKey(Lister.NFT, "inet", "t")


def found(rules: str, family: str = "ip") -> list[MarkingRule]:
    return list(marking_rules(saved(rules, family=family), Family.INET))


def table(**chains: list[RuleSpec]) -> Ruleset:
    """A native table; ``c`` is its base chain."""
    made = {
        name: TableChain(
            name,
            tuple(TableRule(spec, line) for line, spec in enumerate(specs, 1)),
            BaseChain(Hook.PREROUTING, 0) if name == "c" else None,
        )
        for name, specs in chains.items()
    }
    return Ruleset({KEY: Table(KEY, made)})


def marks(ruleset: Ruleset, family: Family = Family.INET) -> list[int]:
    return [each.effect.value for each in marking_rules(ruleset, family)]


def test_a_rule_is_about_what_leads_to_it_too() -> None:
    deep, web = found(
        "mangle :WEB -\nmangle :DEEP -\n"
        "pre -d 192.0.2.0/24 -m mark --mark 0x0 -j WEB\n"
        "mangle WEB -p tcp --dport 80 -s 10.0.0.0/8 -j DEEP\n"
        "mangle WEB -p tcp --dport 443 MARK 8\n"
        "mangle DEEP -d 192.0.2.10 MARK 7"
    )[::-1]
    assert (deep.effect, str(deep.packets)) == (SetMark(7), "192.0.2.10 tcp 80")
    assert (web.effect, str(web.packets)) == (SetMark(8), "192.0.2.0/24 tcp 443")
    assert (web.rule.table, web.rule.chain, web.rule.line) == ("mangle", "WEB", 2)
    assert str(web.rule) == "-p tcp --dport 443 -j MARK --set-mark 8"


def test_what_no_packet_gets_to_sets_no_mark() -> None:
    assert found("mangle :A -\nmangle A MARK 9") == []
    assert found("mangle :A -\npre -d 192.0.2.1 -j A\nmangle A -d 192.0.2.2 MARK 9") == []


def test_a_rule_of_one_family_is_no_rule_of_the_other() -> None:
    only = RuleSpec(effects=(SetMark(6),), family=Family.INET6)
    to_four = RuleSpec(effects=(Jump("d"),), family=Family.INET)
    both = table(c=[only, to_four], d=[RuleSpec(effects=(SetMark(4),))])
    assert marks(both) == [4]
    assert marks(both, Family.INET6) == [6]


def test_maps_of_verdicts_and_further_conditions_are_followed() -> None:
    key = {"payload": {"protocol": "tcp", "field": "dport"}}
    data = {"set": [[80, {"jump": {"target": "d"}}], [81, {"drop": None}]]}
    mark = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 7}}
    objects: list[dict[str, object]] = [
        {"chain": {"family": "ip", "table": "t", "name": "c", "hook": "input", "prio": 0}},
        {"chain": {"family": "ip", "table": "t", "name": "d"}},
        {"rule": {"family": "ip", "table": "t", "chain": "c",
                  "expr": [{"vmap": {"key": key, "data": data}}]}},
        {"rule": {"family": "ip", "table": "t", "chain": "d", "expr": [mark]}},
    ]  # fmt: skip
    native = TableKey(Lister.NFT, "ip", "t")
    assert marks(Ruleset({native: table_of(native, objects)})) == [7]
    inner = RuleSpec(packets("192.0.2.1"), effects=(SetMark(5),))
    [within] = marking_rules(table(c=[RuleSpec(effects=(When(inner),))]), Family.INET)
    assert (within.effect, within.packets) == (SetMark(5), packets("192.0.2.1"))


def test_a_tree_of_chains_is_looked_at_once_and_without_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = (
        "mangle :A -\nmangle :B -\npre -j A\npre -j B\nmangle A -j B\nmangle B -j A\n"
        "mangle B MARK 7"
    )
    assert len(found(loop)) == 1
    monkeypatch.setattr(scanning, "MOST_WAYS", 3)
    assert found(loop) == []
