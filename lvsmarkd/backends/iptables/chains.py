"""Where our rules live in iptables, and what a listed rule of ours says."""

import re
from dataclasses import dataclass

from lvsmarkd.backends.iptables.syntax import Syntax, set_mark_of
from lvsmarkd.model.rule import Accept, Action, Hook, Rule, SetMark
from lvsmarkd.model.service import MAX_MARK, Family

_NAME = re.compile(r"lvsmarkd (?:vrrp|fwmark ([1-9][0-9]{0,9}))")


@dataclass(frozen=True, slots=True)
class ChainLocation:
    """The table and chain of a place, and the built-in chain whose jump leads there."""

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


def own_rule(syntax: Syntax, family: Family, hook: Hook) -> Rule | None:
    """The rule of ours that a listed rule in our chain is; None if we cannot have written it."""
    name = _NAME.fullmatch(syntax.comment or "")
    if name is None or syntax.partial or syntax.guards or syntax.stale_only or syntax.limited:
        return None
    action = _action(syntax, hook)
    if action is None:
        return None
    return Rule(family, hook, syntax.match, action, int(name[1]) if name[1] else None)


def _action(syntax: Syntax, hook: Hook) -> Action | None:
    if hook is Hook.INPUT:
        return Accept() if syntax.target == "ACCEPT" and not syntax.options else None
    mark = set_mark_of(syntax)
    return SetMark(mark[0]) if mark is not None and mark[1] == MAX_MARK else None


def is_plain_jump(syntax: Syntax, text: str, chain: str) -> bool:
    """Whether a rule is the jump that we write: every packet, to our chain, no more."""
    return text == f"-j {chain}" and syntax.target == chain
