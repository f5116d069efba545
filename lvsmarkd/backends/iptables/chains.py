"""Where our rules live in iptables, and what a listed rule of ours says."""

import re

from msgspec import Struct

from lvsmarkd.backends.iptables.toolset import Variant
from lvsmarkd.model.rule import Accept, Action, ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.rule_spec import Jump, RuleSpec, Verdict
from lvsmarkd.model.ruleset import Lister, TableKey
from lvsmarkd.model.service import MAX_MARK, Family
from lvsmarkd.model.snapshot import OwnPlace
from lvsmarkd.netfilter.iptables_save import FAMILY_NAMES, MANGLE_PRIORITY

_NAME = re.compile(r"lvsmarkd (?:vrrp|fwmark ([1-9][0-9]{0,9}))")


class ChainLocation(Struct, frozen=True):
    """The table and chain of our rules at a hook, and the built-in chain whose jump leads there."""

    table: str
    chain: str
    base_chain: str


LOCATIONS = {
    Hook.PREROUTING: ChainLocation("mangle", "LVSMARKD", "PREROUTING"),
    Hook.OUTPUT: ChainLocation("mangle", "LVSMARKD-LOCAL", "OUTPUT"),
    Hook.INPUT: ChainLocation("filter", "LVSMARKD", "INPUT"),
}
"""OUTPUT needs a chain of its own: a match on the sender's MAC is not valid there."""

TABLES = ("mangle", "filter")
_SOURCES = {Variant.NFT: Lister.IPTABLES_NFT, Variant.LEGACY: Lister.IPTABLES_LEGACY}


def source_of(variant: Variant) -> Lister:
    """Whose words a variant's listing is in."""
    return _SOURCES[variant]


def table_key(source: Lister, family: Family, table: str) -> TableKey:
    """The name of a table of iptables or ip6tables in the ruleset."""
    return TableKey(source, FAMILY_NAMES[family], table)


def own_places(source: Lister) -> dict[ChainKey, OwnPlace]:
    """Where our rules are in the ruleset."""
    return {
        ChainKey(Plane.RUNTIME, family, hook): OwnPlace(
            table_key(source, family, location.table),
            location.chain,
            location.base_chain,
            hook,
            MANGLE_PRIORITY if location.table == "mangle" else 0,
        )
        for family in Family
        for hook, location in LOCATIONS.items()
    }


def own_rule(spec: RuleSpec, family: Family, hook: Hook) -> Rule | None:
    """The rule of ours that a listed rule in our chain is; None if we cannot have written it."""
    name = _NAME.fullmatch(spec.comment or "")
    if name is None or spec.conditions:
        return None
    action = _action(spec, hook)
    if action is None:
        return None
    return Rule(family, hook, spec.packets, action, int(name[1]) if name[1] else None)


def _action(spec: RuleSpec, hook: Hook) -> Action | None:
    match spec.only_effect:
        case Verdict.ACCEPT if hook is Hook.INPUT:
            return Accept()
        case SetMark(_, mask) as action if hook is not Hook.INPUT and mask == MAX_MARK:
            return action
        case _:
            return None


def is_plain_jump(spec: RuleSpec, chain: str) -> bool:
    """Whether a rule is the jump that we write: every packet, to our chain, no more."""
    return isinstance(spec.only_effect, Jump) and spec == RuleSpec(effects=(Jump(chain),))
