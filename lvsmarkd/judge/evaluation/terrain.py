"""A ruleset made ready for packets of one family."""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from lvsmarkd.judge.evaluation.address_types import AddressTypes
from lvsmarkd.judge.evaluation.changes import ChainName, Changes
from lvsmarkd.judge.evaluation.conditions import Conditions
from lvsmarkd.judge.evaluation.conntrack import asks_conntrack
from lvsmarkd.judge.evaluation.fillings import Filled, Filling, Fillings, filled_by
from lvsmarkd.judge.evaluation.fork import Likelihood
from lvsmarkd.judge.evaluation.hook_path import HookPath
from lvsmarkd.judge.evaluation.needs import Needs
from lvsmarkd.judge.evaluation.rule_index import RuleIndex
from lvsmarkd.model.host import HostView
from lvsmarkd.model.rule_spec import Lookup
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableChain, TableKey, TableSet
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
        self._indexes: dict[ChainName, RuleIndex] = {}
        self._conditions: dict[TableKey, Conditions] = {}
        self.tracks: bool | None = None
        """Whether some rule has conntrack at work, once that is known."""
        self._filled: Mapping[Filled, Filling] | None = None
        self.needs: Needs | None = None
        """What is noted of the rules and sets that packets are compared with, if anything is."""

    def changed(self, ruleset: Ruleset, path: HookPath, different: Changes) -> "Terrain":
        """The same for a ruleset of which only rules and sets differ. What was made ready for this
        one is the new one's then: this one may be asked for conditions only.
        """
        new = Terrain(ruleset, path, self.host)
        changed = {each.chain: each for each in different.chains}
        for name, index in self._indexes.items():
            change = changed.get(name)
            if change is None:
                new._indexes[name] = index
            else:
                new._indexes[name] = index.changed(new.chain(*name), change)
        for key, conditions in self._conditions.items():
            asks_ipset = different.ipsets and key.source is not Lister.NFT
            if key not in different.sets and not asks_ipset:
                new._conditions[key] = conditions
        return new

    def noting(self) -> Needs:
        """Note from now on what packets are compared with."""
        self.needs = Needs()
        return self.needs

    def tables(self) -> Iterator[Table]:
        """The tables of the family that were read."""
        return (table for table in self._ruleset.readable() if self.family in table.key.families)

    def table(self, key: TableKey) -> Table | None:
        """A table that was read."""
        return self._ruleset.table(key)

    def chain(self, key: TableKey, name: str) -> TableChain:
        """A chain of a table; one that is not there has no rule."""
        table = self.table(key)
        chains = {} if table is None else table.chains
        return chains.get(name, TableChain(name))

    def index(self, table: Table, chain: str) -> RuleIndex:
        """The rules of a chain; of one that is not there, none."""
        found = self._indexes.get((table.key, chain))
        if found is None:
            there = table.chains.get(chain, TableChain(chain))
            found = self._indexes[table.key, chain] = RuleIndex(there, self.family)
        return found

    def conditions(self, table: Table) -> Conditions:
        """The conditions of a table's rules."""
        found = self._conditions.get(table.key)
        if found is None:
            types = AddressTypes(table.key.source, self.host)
            key = table.key
            found = Conditions(
                self.family,
                table.sets.get,
                self._ipset,
                types,
                lambda lookup: self._filling(key, lookup),
            )
            self._conditions[table.key] = found
        return found

    @property
    def tracks_connections(self) -> bool:
        """Whether some rule has conntrack at work for packets of the family: nat chains are met by
        none without it. Where no rule has, something else of the host may.
        """
        if self.tracks is None:
            self.tracks = any(
                asks_conntrack(rule.spec)
                for table in self.tables()
                for chain in table.chains.values()
                for rule in chain.rules
            )
        return self.tracks

    @property
    def filled(self) -> Mapping[Filled, Filling]:
        """The sets that packets fill, and what is known of a look into each."""
        if self._filled is None:
            found = Fillings()
            for table in self.tables():
                for chain in table.chains.values():
                    for rule in chain.rules:
                        found.add(table.key, rule.spec, 1)
            self._filled = found.found
        return self._filled

    def told(self, *, tracks: bool, filled: Mapping[Filled, Filling]) -> None:
        """Take what is known of all rules, so that nobody need look through them."""
        self.tracks, self._filled = tracks, filled

    def _filling(self, table: TableKey, lookup: Lookup) -> Likelihood | None:
        """What is known of a look into a set that packets fill; of a list of sets, into any."""
        if not self.filled:
            return None
        names = [lookup.name]
        there = self._ipset(lookup.name) if lookup.directions else None
        if isinstance(there, TableSet) and there.types == ("set",):
            names += [str(element.key) for element in there.elements or ()]
        asked = (self.filled.get(filled_by(replace(lookup, name=n), table)) for n in names)
        found = {each.likelihood for each in asked if each is not None}
        return max(found, key=lambda each: each is Likelihood.UNKNOWN, default=None)

    def _ipset(self, name: str) -> TableSet | Unknown | None:
        sets = self._ruleset.ipsets
        if sets is None or isinstance(sets, Unknown):
            return sets
        return sets.get(name)
