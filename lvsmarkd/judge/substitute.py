"""Rules of others that do what a rule of ours is to do, while ours is not there."""

from collections.abc import Iterable

from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import ChainKey, Rule, SetMark, flows_of
from lvsmarkd.model.rule_spec import SetsUnknownMark
from lvsmarkd.model.service import MAX_MARK
from lvsmarkd.model.snapshot import Drop, ForeignRule, LeavesTable


def substitute(
    rule: Rule, chain_key: ChainKey, foreign: Iterable[ForeignRule], own: Iterable[Rule]
) -> ForeignRule | None:
    """The foreign rule that certainly gives the packets of ours our mark, one of them where it
    takes several; None where some packet may go without, or somebody certainly changes the mark
    after. ``own`` are the rules of ours that are at the chain.
    """
    if not isinstance(rule.action, SetMark) or any(other.contradicts(rule) for other in own):
        return None
    there = [each for each in foreign if each.chain_key == chain_key]
    givers = [_giver(flow, rule.action.value, there) for flow in flows_of(rule)]
    return None if None in givers else givers[0]


def _giver(flow: Packets, mark: int, foreign: Iterable[ForeignRule]) -> ForeignRule | None:
    """The rule that has the last certain word on the mark of a flow, if it gives this one."""
    giver = None
    bears: int | None = 0
    """What all packets of the flow bear; None where that is not known."""
    for rule in foreign:
        certain = rule.matches_all_of(flow, bears)
        match rule.effect:
            case LeavesTable() | Drop() if certain and not rule.later:
                break
            case SetMark(value, mask) if certain and (value, mask) == (mark, MAX_MARK):
                giver, bears = rule, mark
            case SetMark(value, mask) if bears is not None and (bears & ~mask) ^ value == bears:
                continue
            case SetMark() | SetsUnknownMark() if rule.may_match(flow, bears):
                giver, bears = (None, None) if certain else (giver, bears if giver else None)
            case _:
                continue
    return giver
