"""A ruleset made ready for packets of one family."""

from functools import cached_property

from lvsmarkd.judge.evaluation.address_types import AddressTypes
from lvsmarkd.judge.evaluation.conditions import Conditions
from lvsmarkd.judge.evaluation.conntrack import asks_conntrack
from lvsmarkd.judge.evaluation.hook_path import HookPath
from lvsmarkd.judge.evaluation.rule_index import RuleIndex
from lvsmarkd.model.host import HostView
from lvsmarkd.model.ruleset import Ruleset, Table, TableKey, TableSet
from lvsmarkd.model.unknown import Unknown


class Terrain:
    """A ruleset made ready for one family: the path, an index of each chain. Nothing of it
    changes but what is made ready on the way.
    """

    def __init__(self, ruleset: Ruleset, path: HookPath, host: HostView) -> None:
        self.path = path
        self.host = host
        self.family = path.family
        self._ruleset = ruleset
        self._indexes: dict[tuple[TableKey, str], RuleIndex | None] = {}
        self._conditions: dict[TableKey, Conditions] = {}

    def index(self, table: Table, chain: str) -> RuleIndex | None:
        """The rules of a chain; None where there is no such chain."""
        key = (table.key, chain)
        if key not in self._indexes:
            found = table.chains.get(chain)
            self._indexes[key] = None if found is None else RuleIndex(found, self.family)
        return self._indexes[key]

    def conditions(self, table: Table) -> Conditions:
        """The conditions of a table's rules."""
        found = self._conditions.get(table.key)
        if found is None:
            types = AddressTypes(table.key.source, self.host)
            found = Conditions(self.family, table.sets.get, self._ipset, types)
            self._conditions[table.key] = found
        return found

    @cached_property
    def tracks_connections(self) -> bool:
        """Whether some rule has conntrack at work for packets of the family: nat chains are met by
        none without it. Where no rule has, something else of the host may.
        """
        return any(
            asks_conntrack(rule.spec)
            for table in self._ruleset.readable()
            if self.family in table.key.families
            for chain in table.chains.values()
            for rule in chain.rules
        )

    def _ipset(self, name: str) -> TableSet | Unknown | None:
        sets = self._ruleset.ipsets
        if sets is None or isinstance(sets, Unknown):
            return sets
        return sets.get(name)
