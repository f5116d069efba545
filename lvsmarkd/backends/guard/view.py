"""The guard's table in the form that all firewalls' rules have, made of what it was given.

nft need not be asked for what nobody else can change.
"""

from collections.abc import Iterable

from lvsmarkd.model.guard import GUARD_KEY
from lvsmarkd.model.rule import Hook, Rule, SetMark
from lvsmarkd.model.rule_spec import MarkTest, RuleSpec
from lvsmarkd.model.ruleset import (
    BaseChain,
    Table,
    TableChain,
    TableRule,
)


def guard_view(rules: Iterable[Rule], priority: int) -> Table:
    """What it does with packets: those of each rule that bear no mark get the rule's."""
    made = []
    for line, rule in enumerate(sorted(rules, key=str), 1):
        mark = SetMark(rule.mark or 0)
        spec = RuleSpec(rule.packets, (MarkTest(0),), (mark,), family=rule.family)
        made.append(TableRule(spec, line))
    base = BaseChain(Hook.PREROUTING, priority)
    return Table(GUARD_KEY, {"prerouting": TableChain("prerouting", tuple(made), base)})
