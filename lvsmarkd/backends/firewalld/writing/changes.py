"""From a plan's steps to what each container has to gain and to lose, and that in firewall-cmd's
words: values in, values out.
"""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from lvsmarkd.backends.firewalld.names import POLICY
from lvsmarkd.backends.firewalld.planes.frame import FRAME, POLICY_PRIORITY
from lvsmarkd.backends.firewalld.planes.own_rules import (
    OUR_POLICY,
    Change,
    Container,
    ListedRule,
    OwnRules,
    chain_of,
)
from lvsmarkd.backends.firewalld.rich.own_rule import rich_text
from lvsmarkd.model.plan import AddRule, EnsureJump, RemoveChain, RemoveRule, ReplaceChain, Step
from lvsmarkd.model.rule import ChainKey, Plane, Rule


def wanted_at(chain_key: ChainKey, steps: Iterable[Step], found: OwnRules) -> frozenset[Rule]:
    """The rules that shall be at a chain once the steps are done."""
    chain = chain_of(chain_key, found)
    count = Counter((*chain.rules, *chain.incomplete))
    for step in steps:
        match step:
            case ReplaceChain(_, rules):
                count = Counter(rules)
            case RemoveChain():
                count = Counter()
            case AddRule(_, rule):
                count[rule] += 1
            case RemoveRule(_, rule):
                count[rule] -= 1
            case EnsureJump():
                pass
    return frozenset(rule for rule, number in count.items() if number > 0)


def change_of(by_chain: Mapping[ChainKey, tuple[Step, ...]], found: OwnRules) -> Change:
    """What carries out the steps of one plane; chains without a step stay as they are.

    Rules that differ from what is listed in nothing that shows are left as they are listed.
    """
    add: dict[Container, list[Rule]] = {}
    remove: dict[Container, list[str]] = {}
    frame = False
    for chain_key, steps in by_chain.items():
        wanted = wanted_at(chain_key, steps, found)
        frame = frame or any(isinstance(step, EnsureJump) or _makes(step) for step in steps)
        there_now = found.of(chain_key)
        texts = {rich_text(rule): rule for rule in wanted}
        for target in found.targets:
            there = {_shown(each) for each in there_now if each.container == target}
            lacking = [rule for shown, rule in texts.items() if shown not in there]
            if lacking:
                add.setdefault(target, []).extend(sorted(lacking, key=str))
        for each in _surplus(there_now, texts.keys(), found.targets):
            remove.setdefault(each.container, []).append(each.text)
        if any(isinstance(step, ReplaceChain | RemoveChain) for step in steps):
            for at, text in found.unknown_rules:
                if at == chain_key:
                    remove.setdefault(OUR_POLICY, []).append(text)
    change = Change(
        {container: tuple(rules) for container, rules in add.items()},
        {container: tuple(texts) for container, texts in remove.items()},
        frame and found.targets == (OUR_POLICY,),
    )
    gone = set(change.remove.get(OUR_POLICY, ()))
    left = [h for h in found.listed if h.container == OUR_POLICY and h.text not in gone]
    unknown_rules = [text for _, text in found.unknown_rules if text not in gone]
    empty = bool(gone) and not left and not unknown_rules and OUR_POLICY not in change.add
    return Change(change.add, change.remove, change.frame and not empty, dissolve=empty)


def _makes(step: Step) -> bool:
    return isinstance(step, ReplaceChain) and step.fresh


def _shown(listed: ListedRule) -> str:
    """How the rule would be written: two that are written alike are one."""
    return rich_text(listed.rule)


def _surplus(
    listed: Iterable[ListedRule], wanted: Iterable[str], targets: tuple[Container, ...]
) -> Iterable[ListedRule]:
    """What is listed too much: what is not wanted, is elsewhere, or is there already."""
    left = {(target, text) for target in targets for text in wanted}
    # Of several spellings, that which we write ourselves stays.
    for each in sorted(listed, key=lambda each: each.text != _shown(each)):
        key = (each.container, _shown(each))
        if key in left:
            left.discard(key)
        else:
            yield each


def commands(plane: Plane, change: Change) -> Iterator[str]:
    """The commands, in the order in which the change is made. They are shown, never run."""
    start = "firewall-cmd --permanent" if plane is Plane.PERMANENT else "firewall-cmd"
    dissolve = change.dissolve and plane is Plane.PERMANENT
    if change.frame and plane is Plane.PERMANENT:
        yield f"{start} --new-policy={POLICY}"
        yield f"{start} --policy={POLICY} --set-target={FRAME['target']}"
        yield f"{start} --policy={POLICY} --set-priority={POLICY_PRIORITY}"
        yield f"{start} --policy={POLICY} --add-ingress-zone=ANY"
        yield f"{start} --policy={POLICY} --add-egress-zone=HOST"
    for container, rules in change.add.items():
        for rule in rules:
            option = f"--{container.kind}={shlex.quote(container.name)}"
            yield f"{start} {option} --add-rich-rule={shlex.quote(rich_text(rule))}"
    for container, texts in change.remove.items():
        for text in () if dissolve and container == OUR_POLICY else texts:
            option = f"--{container.kind}={shlex.quote(container.name)}"
            yield f"{start} {option} --remove-rich-rule={shlex.quote(text)}"
    if dissolve:
        yield f"{start} --delete-policy={POLICY}"
