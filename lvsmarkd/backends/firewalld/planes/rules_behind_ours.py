"""What somebody put into firewalld's own native table with nft: firewalld lists none of it.

It is met in the midst of firewalld's rules, so that it may have the last word over ours, or keep
packets from them.
"""

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from lvsmarkd.backends.firewalld.names import OUR_CHAIN
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.rule_spec import Jump, RuleSpec, SetsUnknownMark, Verdict
from lvsmarkd.model.ruleset import Table, TableKey, TableRule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import ForeignRule, Side
from lvsmarkd.netfilter.foreign import effects_of
from lvsmarkd.netfilter.passing import Passing
from lvsmarkd.netfilter.walk import MatchContext


class RuleBehindOurs(Struct, frozen=True):
    """A rule that sets a mark in our chain, or after it. In our chain it may be one of ours.

    ``by_all`` says that all packets pass its chain.
    """

    table: TableKey
    chain: str
    rule: TableRule
    effect: SetMark | SetsUnknownMark
    by_all: bool


def after_ours(table: Table) -> Iterator[RuleBehindOurs]:
    """The rules that set a mark where ours are set already, in the chains that packets reach."""
    for base in table.chains.values():
        if base.base is None or base.base.hook is not Hook.PREROUTING:
            continue
        ways = Passing(table, base.name)
        passed = ways.passed_by_all()
        for chain, rule in ways.behind(OUR_CHAIN):
            for effect in effects_of(rule.spec, Hook.PREROUTING):
                if isinstance(effect, SetMark | SetsUnknownMark):
                    by_all = chain.name in passed
                    yield RuleBehindOurs(table.key, chain.name, rule, effect, by_all)


def keeps_from(rules: Sequence[RuleSpec], rule: Rule) -> bool:
    """Whether somebody's verdict in our chain certainly takes all packets of a rule of ours before
    they get to it.
    """
    for each in rules:
        if each.family not in {rule.family, None} or each.conditions:
            continue
        if (each.packets, each.effects) == (rule.match, (rule.action,)):
            return False
        if any(map(_ends, each.effects)) and each.packets.covers(rule.match):
            return True
    return False


def _ends(effect: object) -> bool:
    return isinstance(effect, Verdict) or (isinstance(effect, Jump) and effect.goto)


def foreign(
    rules_behind_ours: Sequence[RuleBehindOurs], own: Collection[Rule]
) -> Iterator[ForeignRule]:
    """Those that are none of ours (``own``), as the judge sees them: behind, from the first rule
    of ours on.
    """
    ours = {(rule.family, rule.match, rule.action) for rule in own}
    begun = False
    for each in rules_behind_ours:
        spec = each.rule.spec
        way = MatchContext().through(spec, unsure=not each.by_all)
        families = tuple(Family) if spec.family is None else (spec.family,)
        if each.chain == OUR_CHAIN:
            mine = any((family, spec.packets, each.effect) in ours for family in families)
            begun = begun or mine
            if (mine and not spec.conditions) or not begun:
                continue
        said = f"{spec.packets.text(prefixes=True)} {each.effect}"
        line = each.rule.line
        where = each.table.rule(each.chain, line, said).where
        for family in families:
            yield ForeignRule(
                ChainKey(Plane.RUNTIME, family, Hook.PREROUTING),
                Side.AFTER,
                each.effect,
                way.path,
                where,
                said,
                way.is_narrowed,
                way.mark_tests,
                table=each.table,
                chain=each.chain,
                line=line,
            )
