"""Rules of others that do what a rule of ours is to do, while ours is not there."""

from itertools import takewhile

from msgspec import Struct

from lvsmarkd.judge.outlook import FlowFate, Outlook
from lvsmarkd.judge.prospects import Prospects
from lvsmarkd.model.fate import Fate, FateStep
from lvsmarkd.model.guard import GUARD_IN_RULES
from lvsmarkd.model.rule import Hook, Plane, Rule, SetMark
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.snapshot import Snapshot


class Substitute(Struct, frozen=True):
    """A rule that gives packets of a rule of ours their mark meanwhile; ``can_go``: with ours in
    force it does nothing to them any more. ``is_guard``: it is the guard's.
    """

    rule: RuleRef
    can_go: bool
    is_guard: bool = False


def substitute(rule: Rule, plane: Plane, prospects: Prospects) -> Substitute | None:
    """What certainly gives all packets of a rule of ours its mark now, of several rules one; None
    where some packet may go without, and where it is another one of ours in the firewall.
    """
    if (plane, rule.hook) != (Plane.RUNTIME, Hook.PREROUTING) or not isinstance(
        rule.action, SetMark
    ):
        return None
    seen = prospects.seen
    if seen.unread(rule.family) is not None:
        return None
    parts = _parts_of(rule, prospects.now)
    if not parts or any(part.fate.fate is not Fate.RIGHT for part in parts):
        return None
    setters = [_setter(part.fate.steps) for part in parts]
    guards = [each for each in setters if each is not None and each.table == GUARD_IN_RULES]
    others = [each for each in setters if each is not None and not seen.is_own(each)]
    if len(others) + len(guards) < len(setters):
        return None
    if guards:
        return Substitute(guards[0], can_go=False, is_guard=True)
    ahead = (part.fate.steps for part in _parts_of(rule, prospects.ahead))
    return Substitute(others[0], not any(_needs(others[0], steps, seen) for steps in ahead))


def _parts_of(rule: Rule, outlook: Outlook) -> list[FlowFate]:
    looked = None if rule.service is None else outlook.services.get(rule.service)
    if looked is None or outlook.unread.get(rule.family):
        return []
    return [part for part in looked.parts if part.fate.packets.overlaps(rule.match)]


def _setter(steps: tuple[FateStep, ...]) -> RuleRef | None:
    """The rule that has the last word on the mark."""
    changing = [step.rule for step in steps if step.before != step.after]
    return changing[-1] if changing else None


def _needs(rule: RuleRef, steps: tuple[FateStep, ...], seen: Snapshot) -> bool:
    """Whether packets have their mark by a rule still, and no rule of ours gives it after."""
    if _setter(steps) != rule:
        return False
    after = reversed(steps)
    later = takewhile(lambda step: step.rule != rule or step.before == step.after, after)
    return not any(seen.is_own(step.rule) and not step.leads for step in later)
