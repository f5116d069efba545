"""From a plan's steps to what each holder has to gain and to lose: values in, values out."""

from collections import Counter
from collections.abc import Iterable, Mapping

from lvsmarkd.firewall.firewalld.holdings import (
    OUR_POLICY,
    Change,
    Held,
    Holder,
    Holdings,
    chain_of,
)
from lvsmarkd.firewall.firewalld.own import rich_text
from lvsmarkd.model.plan import AddRule, Anchor, Dissolve, RemoveRule, Rewrite, Step
from lvsmarkd.model.rule import Rule, Spot


def wanted_at(spot: Spot, steps: Iterable[Step], found: Holdings) -> frozenset[Rule]:
    """The rules that shall be at a spot once the steps are done."""
    chain = chain_of(spot, found)
    count = Counter((*chain.rules, *chain.partial))
    for step in steps:
        match step:
            case Rewrite(_, rules):
                count = Counter(rules)
            case Dissolve():
                count = Counter()
            case AddRule(_, rule):
                count[rule] += 1
            case RemoveRule(_, rule):
                count[rule] -= 1
            case Anchor():
                pass
    return frozenset(rule for rule, number in count.items() if number > 0)


def change_of(by_spot: Mapping[Spot, tuple[Step, ...]], found: Holdings) -> Change:
    """What carries out the steps of one plane; spots without a step stay as they are.

    Rules that differ from what is listed in nothing that shows are left as they are listed.
    """
    add: dict[Holder, list[Rule]] = {}
    remove: dict[Holder, list[str]] = {}
    frame = False
    for spot, steps in by_spot.items():
        wanted = wanted_at(spot, steps, found)
        frame = frame or any(isinstance(step, Anchor) or _makes(step) for step in steps)
        listed = found.of(spot)
        texts = {rich_text(rule): rule for rule in wanted}
        for target in found.targets:
            there = {_shown(held) for held in listed if held.holder == target}
            lacking = [rule for shown, rule in texts.items() if shown not in there]
            if lacking:
                add.setdefault(target, []).extend(sorted(lacking, key=str))
        for held in _surplus(listed, texts.keys(), found.targets):
            remove.setdefault(held.holder, []).append(held.text)
        if any(isinstance(step, Rewrite | Dissolve) for step in steps):
            for at, text in found.aliens:
                if at == spot:
                    remove.setdefault(OUR_POLICY, []).append(text)
    change = Change(
        {holder: tuple(rules) for holder, rules in add.items()},
        {holder: tuple(texts) for holder, texts in remove.items()},
        frame and found.targets == (OUR_POLICY,),
    )
    gone = set(change.remove.get(OUR_POLICY, ()))
    left = [h for h in found.held if h.holder == OUR_POLICY and h.text not in gone]
    aliens = [text for _, text in found.aliens if text not in gone]
    empty = bool(gone) and not left and not aliens and OUR_POLICY not in change.add
    return Change(change.add, change.remove, change.frame and not empty, dissolve=empty)


def _makes(step: Step) -> bool:
    return isinstance(step, Rewrite) and step.fresh


def _shown(held: Held) -> str:
    """How the rule would be written: two that are written alike are one."""
    return rich_text(held.rule)


def _surplus(
    listed: Iterable[Held], wanted: Iterable[str], targets: tuple[Holder, ...]
) -> Iterable[Held]:
    """What is listed too much: what is not wanted, is elsewhere, or is there already."""
    left = {(target, text) for target in targets for text in wanted}
    # Of several spellings, that which we write ourselves stays.
    for held in sorted(listed, key=lambda held: held.text != _shown(held)):
        key = (held.holder, _shown(held))
        if key in left:
            left.discard(key)
        else:
            yield held
