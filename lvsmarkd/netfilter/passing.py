"""Which chains of a table packets pass on their way, and what they meet after one of them.

Each chain counts once here, whatever ways lead there: a table with a chain for each zone of
firewalld's has as many ways through a policy as packets may come by.
"""

from collections.abc import Iterator

from msgspec import Struct, field

from lvsmarkd.model.packets import EVERY_PACKET
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.rule_spec import Jump, RuleSpec, Verdict, VerdictMap, When
from lvsmarkd.model.ruleset import Table, TableChain, TableRule

_LOST = frozenset({Verdict.DROP, Verdict.STOLEN})
"""Of packets that end so nothing is to be said."""


def reached_from(table: Table, hook: Hook) -> dict[str, TableChain]:
    """The chains that a packet can get to from the table's base chains at a hook."""
    found: dict[str, TableChain] = {}
    for chain in table.chains.values():
        if chain.base is not None and chain.base.hook is hook:
            found |= table.reached(chain.name)
    return found


class Passing(Struct):
    """The ways from one base chain of a table."""

    table: Table
    base: str
    _passed: dict[str, frozenset[str]] = field(default_factory=dict)

    def passed_by_all(self) -> frozenset[str]:
        """The chains that every packet passes that gets to the end of the base chain."""
        return self._passed_from(self.base)

    def behind(self, own: str) -> Iterator[tuple[TableChain, TableRule]]:
        """The rules in the chain ``own``, and those that packets may meet after it."""
        reached = self.table.reached(self.base)
        if own not in reached:
            return
        leading = self._leading_to(own, reached)
        first = {own: 0}
        for name in leading - {own}:
            after = self._first_after(reached[name], leading)
            if after is not None:
                first[name] = after
        for name, start in list(first.items()):
            if name == own:
                continue
            for rule in reached[name].rules[start:]:
                for jump in rule.spec.jumps():
                    if jump.chain not in leading:
                        first |= dict.fromkeys(self.table.reached(jump.chain), 0)
        for name, start in first.items():
            chain = reached[name]
            yield from ((chain, rule) for rule in chain.rules[start:])

    @staticmethod
    def _first_after(chain: TableChain, leading: set[str]) -> int | None:
        """From which rule on a packet may have come back from there; None: from none."""
        for place, rule in enumerate(chain.rules):
            if any(jump.chain in leading and not jump.goto for jump in rule.spec.jumps()):
                return place + 1
        return None

    @staticmethod
    def _leading_to(own: str, reached: dict[str, TableChain] | object) -> set[str]:
        chains = reached if isinstance(reached, dict) else {}
        callers: dict[str, set[str]] = {}
        for name, chain in chains.items():
            for rule in chain.rules:
                for jump in rule.spec.jumps():
                    callers.setdefault(jump.chain, set()).add(name)
        leading, waiting = {own}, [own]
        while waiting:
            for caller in callers.get(waiting.pop(), ()):
                if caller not in leading:
                    leading.add(caller)
                    waiting.append(caller)
        return leading

    def _passed_from(self, name: str) -> frozenset[str]:
        if name not in self._passed:
            self._passed[name] = frozenset({name})
            chain = self.table.chains.get(name)
            after = frozenset[str]()
            for rule in reversed(chain.rules if chain is not None else ()):
                after = self._before(rule.spec, after)
            self._passed[name] = frozenset({name}) | after
        return self._passed[name]

    def _before(self, spec: RuleSpec, after: frozenset[str]) -> frozenset[str]:
        """What is passed from a rule on, given what is passed from the next one on."""
        every = spec.packets is EVERY_PACKET and not spec.conditions and spec.family is None
        for effect in reversed(spec.effects):
            match effect:
                case Jump(name, True):
                    way = self._passed_from(name)
                    after = way if every else way & after
                case Jump(name):
                    after = frozenset() if self._may_end(name) else after
                    after = after | self._passed_from(name) if every else after
                case Verdict() if effect in _LOST:
                    continue
                case Verdict() | VerdictMap():
                    after = frozenset()
                case When(inner):
                    after = after & self._before(inner, after)
                case _:
                    continue
        return after

    def _may_end(self, name: str) -> bool:
        """Whether the way of some packets through the base chain ends in a chain, or beyond."""
        return any(
            isinstance(effect, VerdictMap | When)
            or (isinstance(effect, Verdict) and effect not in {*_LOST, Verdict.RETURN})
            for chain in self.table.reached(name).values()
            for rule in chain.rules
            for effect in rule.spec.effects
        )
