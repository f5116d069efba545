"""The lines of rules, where others came or went before them: a rule stays the same one."""

from collections.abc import Mapping
from operator import is_

from msgspec.structs import replace

from lvsmarkd.judge.evaluation.changes import Changes
from lvsmarkd.model.fate import FateStep, PacketFate
from lvsmarkd.model.rule_ref import Keeper, RuleRef

Lines = Mapping[tuple[bool, str, str], Mapping[int, int]]
"""For a chain, as rules name it (whether nft lists it, table, chain), the lines of its rules
before, and now."""


def lines_of(different: Changes) -> Lines:
    """The lines that changes made others."""
    found = {}
    for change in different.chains:
        if change.moved:
            table, chain = change.chain
            named = table.rule(chain, 0, "")
            found[named.keeper is Keeper.NFTABLES, named.table, named.chain] = change.moved
    return found


def relined(fate: PacketFate, lines: Lines) -> PacketFate:
    """The same with the lines as they are now."""
    steps = tuple([_relined_step(step, lines) for step in fate.steps])
    hides = fate.hidden_by
    if hides is not None and (rule := _relined(hides, lines)) is not hides:
        return replace(fate, steps=steps, hidden_by=rule)
    return fate if all(map(is_, steps, fate.steps)) else replace(fate, steps=steps)


def _relined_step(step: FateStep, lines: Lines) -> FateStep:
    rule = _relined(step.rule, lines)
    return step if rule is step.rule else replace(step, rule=rule)


def _relined(rule: RuleRef, lines: Lines) -> RuleRef:
    moved = lines.get((rule.keeper is Keeper.NFTABLES, rule.table, rule.chain))
    line = None if moved is None else moved.get(rule.line)
    return rule if line is None else replace(rule, line=line)
