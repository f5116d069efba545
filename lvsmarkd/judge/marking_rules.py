"""The rules that set marks where packets may meet them, each with the packets that it is about."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from lvsmarkd.judge.evaluation.hook_path import base_chains
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule import Hook, SetMark
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.rule_spec import Jump, RuleSpec, StateTest, VerdictMap, When
from lvsmarkd.model.ruleset import Ruleset, Table, TableKey, TableRule
from lvsmarkd.model.service import Family

MOST_WAYS = 50_000
"""Rules that are looked at in one table: a tree of jumps can grow without bound."""
_MARKING = (Hook.PREROUTING, Hook.INPUT)
_LOOPBACK = InInterface.of("lo")
_HELD = frozenset({"ESTABLISHED"})


class MarkingRule(Struct, frozen=True):
    """A rule that sets a mark, and where it stands. ``packets`` are those that it may be about, by
    what leads to it and its own words; ``spec`` is what it says.
    """

    table: TableKey
    chain: str
    listed: TableRule
    spec: RuleSpec
    effect: SetMark
    packets: Packets

    def sets(self, mark: int) -> bool:
        """Whether it gives packets just this mark."""
        return self.effect == SetMark(mark)

    @property
    def rule(self) -> RuleRef:
        """Its name."""
        text = self.listed.text or str(self.listed.spec)
        return self.table.rule(self.chain, self.listed.line, text)


def marking_rules(
    ruleset: Ruleset, family: Family, hooks: Iterable[Hook] = _MARKING
) -> Iterator[MarkingRule]:
    """All that first packets of clients may meet, hook by hook, of one family. What is only for the
    loopback, or for connections that are known already, marks no such packet.
    """
    for hook in hooks:
        for hooked in base_chains(ruleset, family, hook):
            if hooked.table.marks:
                yield from _Scan(hooked.table, family).rules(hooked.chain.name, EVERY_PACKET)


class _Scan:
    """One look through a table. The same packets come to a chain once."""

    def __init__(self, table: Table, family: Family) -> None:
        self._table = table
        self._family = family
        self._seen = set[tuple[str, Packets]]()
        self._left = MOST_WAYS

    def rules(self, chain: str, packets: Packets) -> Iterator[MarkingRule]:
        waiting = [(chain, packets)]
        while waiting:
            name, about = waiting.pop()
            found = self._table.chains.get(name)
            if found is None or (name, about) in self._seen:
                continue
            self._seen.add((name, about))
            led: list[tuple[str, Packets]] = []
            for each in found.rules:
                self._left -= 1
                if self._left < 0:
                    return
                for spec, both in self._met(each.spec, about):
                    for effect in spec.effects:
                        match effect:
                            case SetMark():
                                yield MarkingRule(self._table.key, name, each, spec, effect, both)
                            case Jump(to):
                                led.append((to, both))
                            case VerdictMap(lookup):
                                data = (element.data for element in lookup.elements or ())
                                led += [(to.chain, both) for to in data if isinstance(to, Jump)]
                            case _:
                                continue
            waiting += reversed(led)

    def _met(self, spec: RuleSpec, about: Packets) -> Iterator[tuple[RuleSpec, Packets]]:
        """A rule, and what is in it on further conditions, with the packets they may be about."""
        if spec.family not in {None, self._family} or _is_passed_over(spec):
            return
        both = spec.packets if about is EVERY_PACKET else about.intersect(spec.packets)
        if both is None:
            return
        yield spec, both
        for effect in spec.effects:
            if isinstance(effect, When):
                yield from self._met(effect.spec, both)


def _is_passed_over(spec: RuleSpec) -> bool:
    if spec.packets.qualifier(InInterface) == _LOOPBACK:
        return True
    return any(
        isinstance(each, StateTest) and not each.negated and each.states <= _HELD
        for each in spec.conditions
    )
