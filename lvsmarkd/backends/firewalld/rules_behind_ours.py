"""What somebody put into firewalld's own native table with nft: firewalld lists none of it.

It is met in the midst of firewalld's rules, so that it may have the last word over ours, or keep
packets from them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lvsmarkd.backends.firewalld.expression import Expression
from lvsmarkd.backends.firewalld.own import POLICY
from lvsmarkd.model.packets import EVERY_PACKET
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import ForeignRule, SetsUnknownMark, Side

BASE = "mangle_PREROUTING"
OUR_CHAIN = f"mangle_PRE_policy_{POLICY}_post"
_BY_ALL = frozenset({BASE, f"{BASE}_POLICIES_post", f"mangle_PRE_policy_{POLICY}", OUR_CHAIN})
"""The chains that packets of all zones pass."""
_TO_OURS = (_BY_ALL - {BASE}) | {f"{BASE}_ZONES"}
"""Where the chains lead to ours; what stands behind is met after."""


@dataclass(frozen=True, slots=True)
class RuleBehindOurs:
    """A rule that sets a mark in our chain, or after it. In our chain it may be one of ours."""

    chain: str
    rule: Expression


def after_ours(chains: Mapping[str, Sequence[Expression]]) -> Iterator[RuleBehindOurs]:
    """The rules that set a mark where ours are set already, in the chains that packets reach."""
    for name, rules in chains.items():
        behind = name == OUR_CHAIN
        for rule in rules:
            if behind and (rule.mark is not None or rule.obscure):
                yield RuleBehindOurs(name, rule)
            behind = behind or rule.target in _TO_OURS


def keeps_from(rules: Sequence[Expression], rule: Rule) -> bool:
    """Whether somebody's verdict in our chain certainly takes all packets of a rule of ours before
    they get to it.
    """
    for each in rules:
        if each.family not in {rule.family, None} or each.partial:
            continue
        if each.mark is not None and (each.match, SetMark(each.mark)) == (rule.match, rule.action):
            return False
        if (each.verdict or each.goto) and each.match.covers(rule.match):
            return True
    return False


def foreign(
    rules_behind_ours: Sequence[RuleBehindOurs], own: Collection[Rule]
) -> Iterator[ForeignRule]:
    """Those that are none of ours (``own``), as the judge sees them: behind, from the first rule
    of ours on.
    """
    ours = {(rule.family, rule.match, rule.action) for rule in own}
    begun = False
    for each in rules_behind_ours:
        rule = each.rule
        effect = SetsUnknownMark("meta mark set") if rule.mark is None else SetMark(rule.mark)
        families = tuple(Family) if rule.family is None else (rule.family,)
        if each.chain == OUR_CHAIN:
            mine = any((family, rule.match, effect) in ours for family in families)
            begun = begun or mine
            if (mine and not rule.partial) or not begun:
                continue
        for family in families:
            yield ForeignRule(
                ChainKey(Plane.RUNTIME, family, Hook.PREROUTING),
                Side.AFTER,
                effect,
                (rule.match,) if rule.match != EVERY_PACKET else (),
                f"nft table inet firewalld, chain {each.chain}",
                f"{rule.match.text(prefixes=True)} {effect}",
                rule.partial or each.chain not in _BY_ALL,
            )
