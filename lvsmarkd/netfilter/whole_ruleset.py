"""The ruleset made whole: native tables and sets that no backend had to read for its own rules.

iptables' own tables are listed by iptables alone, since nft tells no more of their rules than names
(measured); where iptables says that a table, or a chain in it, was made by nft, nft is asked.
"""

from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.kernel.nf_tables import NamedTable, NamedTables, named_tables
from lvsmarkd.model.rule_spec import Lookup, MapMark, RuleSpec, SetTest, VerdictMap, When
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableKey, TableSet
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.iptables_save import is_iptables

_MET = frozenset({"ip", "ip6", "inet", "netdev"})
"""Families whose chains packets for IPVS meet."""


class _Read(NamedTuple):
    """What was read at one generation."""

    names: NamedTables
    tables: Mapping[TableKey, Table]
    """What could not be read is not among them: it is tried again."""
    until: Mapping[TableKey, float]
    """When the first element of a table's sets ends, of which no generation tells."""


def _native_table(family: str, name: str, *, elements: bool = False) -> Table | Unknown | None:
    from lvsmarkd.netfilter.nft_json import read_table  # noqa: PLC0415 - not where none is native

    return read_table(family, name, elements=elements)


def _all_ipsets() -> Mapping[str, TableSet] | Unknown:
    from lvsmarkd.netfilter.ipset_save import read_ipsets  # noqa: PLC0415 - not where no rule asks

    return read_ipsets()


class WholeRuleset(Struct):
    """Completes what backends read. Native tables are read anew when nf_tables' generation is
    another one. For one thread at a time.
    """

    names: Callable[[], NamedTables | Unknown] = named_tables
    read: Callable[..., Table | Unknown | None] = _native_table
    ipsets: Callable[[], Mapping[str, TableSet] | Unknown] = _all_ipsets
    own: Callable[[], Mapping[TableKey, Table]] = lambda: MappingProxyType({})
    """Native tables that need not be read, since they are ours alone."""
    clock: Callable[[], float] = monotonic
    _known: _Read | None = None

    def complete(self, ruleset: Ruleset) -> Ruleset:
        """The same with all that packets meet besides. What cannot be read is Unknown in it."""
        names = self.names()
        if isinstance(names, Unknown):
            whole = ruleset | Ruleset(unread={Lister.NFT: names})
        else:
            whole = self._with_natives(ruleset, names)
        if whole.ipsets is None and any(_asks_ipsets(table) for table in whole.readable()):
            whole = replace(whole, ipsets=self.ipsets())
        return whole

    def _with_natives(self, ruleset: Ruleset, names: NamedTables) -> Ruleset:
        known, until = self._still_so(names)
        natives: dict[TableKey, Table] = {}
        tables, own = dict(ruleset.tables), self.own()
        for named in names.tables:
            if named.family not in _MET:
                continue
            saved = TableKey(Lister.IPTABLES_NFT, named.family, named.name)
            listed = ruleset.tables.get(saved)
            if is_iptables(named.family, named.name) and _is_whole(listed):
                continue
            key = TableKey(Lister.NFT, named.family, named.name)
            if key in own:
                tables[key] = own[key]
                continue
            seen = ruleset.tables.get(key)
            if isinstance(seen, Table) and not _lacks_elements(seen):
                continue
            asked_at = self.clock()
            found = known.get(key) or self._native(named)
            if found is None:
                continue
            tables[key] = found
            if isinstance(found, Table):
                natives[key] = found
                if key not in known and found.settled_for is not None:
                    until[key] = asked_at + found.settled_for
                if saved in tables:
                    tables[key] = _joined(found, tables.pop(saved))
        self._known = _Read(names, natives, until)
        return replace(ruleset, tables=tables)

    def _still_so(
        self, names: NamedTables
    ) -> tuple[Mapping[TableKey, Table], dict[TableKey, float]]:
        """The tables that are as they were read, and until when those with elements that end."""
        if self._known is None or self._known.names != names:
            return {}, {}
        now, until = self.clock(), self._known.until
        fresh = {k: t for k, t in self._known.tables.items() if k not in until or now < until[k]}
        return fresh, {key: at for key, at in until.items() if key in fresh}

    def _native(self, named: NamedTable) -> Table | Unknown | None:
        """A table, with the elements of its sets where some rule looks there; dormant or not as
        netlink tells, since nft 1.0.6 prints whatever is in memory for that (measured).
        """
        found = self.read(named.family, named.name)
        if isinstance(found, Table) and _lacks_elements(found):
            found = self.read(named.family, named.name, elements=True)
        return replace(found, dormant=named.dormant) if isinstance(found, Table) else found


def _is_whole(listed: Table | Unknown | None) -> bool:
    return isinstance(listed, Table) and not listed.hidden


def _joined(native: Table, listed: Table | Unknown) -> Table:
    """The chains that iptables shows as it shows them, the others as nft does."""
    if isinstance(listed, Unknown):
        return native
    return replace(native, chains={**native.chains, **listed.chains})


def _lookups(spec: RuleSpec) -> Iterator[Lookup]:
    yield from (each.lookup for each in spec.conditions if isinstance(each, SetTest))
    for effect in spec.effects:
        match effect:
            case MapMark(lookup) | VerdictMap(lookup):
                yield lookup
            case When(inner):
                yield from _lookups(inner)
            case _:
                continue


def _all_lookups(table: Table) -> Iterator[Lookup]:
    for chain in table.chains.values():
        for rule in chain.rules:
            if rule.spec.conditions or rule.spec.effects:
                yield from _lookups(rule.spec)


def _lacks_elements(table: Table) -> bool:
    """Whether some rule looks into a set of which the elements were not asked for."""
    unasked = {name for name, each in table.sets.items() if each.elements is None}
    return bool(unasked) and any(lookup.name in unasked for lookup in _all_lookups(table))


def _asks_ipsets(table: Table) -> bool:
    return table.key.source is not Lister.NFT and any(
        lookup.directions for lookup in _all_lookups(table)
    )
