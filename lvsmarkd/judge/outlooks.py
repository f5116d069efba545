"""Outlooks that were made before: what did not change is not followed anew."""

from msgspec import Struct, field

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlook import Outlook, outlook
from lvsmarkd.model.host import HostView
from lvsmarkd.model.ruleset import Ruleset, Table, TableChain
from lvsmarkd.model.unknown import Unknown

_KEPT = 2
"""What is there now, and what will be once a plan is carried out."""


class _Made(Struct):
    desired: Desired
    ruleset: Ruleset
    host: HostView
    outlook: Outlook


class Outlooks(Struct):
    """Makes outlooks, and remembers the last ones. For one thread at a time."""

    _made: list[_Made] = field(default_factory=list)

    def of(self, desired: Desired, ruleset: Ruleset, host: HostView) -> Outlook:
        """What becomes of all services' packets; the ruleset is whole."""
        for made in self._made:
            asked_alike = _same_wish(made.desired, desired) and made.host == host
            if asked_alike and _same_rules(made.ruleset, ruleset):
                return made.outlook
        found = outlook(desired, ruleset, host)
        self._made = [*self._made[-_KEPT + 1 :], _Made(desired, ruleset, host, found)]
        return found


def _same_wish(one: Desired, other: Desired) -> bool:
    return one is other or (
        one.services.keys() == other.services.keys()
        and one.flows == other.flows
        and one.instances == other.instances
    )


def _same_rules(one: Ruleset, other: Ruleset) -> bool:
    """Whether two rulesets say the same; their counters may differ."""
    return one is other or (
        one.tables.keys() == other.tables.keys()
        and one.unread == other.unread
        and one.ipsets == other.ipsets
        and all(_same_table(table, other.tables[key]) for key, table in one.tables.items())
    )


def _same_table(one: Table | Unknown, other: Table | Unknown) -> bool:
    if one is other:
        return True
    if isinstance(one, Unknown) or isinstance(other, Unknown):
        return one == other
    return (
        (one.hidden, one.handle, one.dormant) == (other.hidden, other.handle, other.dormant)
        and one.chains.keys() == other.chains.keys()
        and one.sets == other.sets
        and all(_same_chain(chain, other.chains[name]) for name, chain in one.chains.items())
    )


def _same_chain(one: TableChain, other: TableChain) -> bool:
    if one is other or (one.base, len(one.rules)) != (other.base, len(other.rules)):
        return one is other
    return all(
        mine.spec is theirs.spec or mine.spec == theirs.spec
        for mine, theirs in zip(one.rules, other.rules, strict=True)
    )
