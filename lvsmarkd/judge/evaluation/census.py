"""What the rules on packets' way name, counted: a rule more or less is soon accounted for."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from lvsmarkd.judge.evaluation.changes import Changes
from lvsmarkd.judge.evaluation.conntrack import asks_conntrack
from lvsmarkd.judge.evaluation.fields import Span, span_of
from lvsmarkd.judge.evaluation.fillings import Filled, Filling, Fillings
from lvsmarkd.judge.evaluation.sender import SENDERS, SOURCE_PORTS, Sender, ordinary_sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.model.fields import Field
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule_spec import (
    FieldTest,
    Lookup,
    MapMark,
    RuleSpec,
    SetTest,
    VerdictMap,
    When,
)
from lvsmarkd.model.ruleset import Table, TableRule

_PORTS = frozenset({Field.SOURCE_PORT, Field.EITHER_PORT})
_NARROW = 64
"""A span of so many source ports, or more, names nobody."""


class Census:
    """The counts, for the packets of one family."""

    def __init__(self, terrain: Terrain) -> None:
        self._family = terrain.family
        self._addresses = sorted(SENDERS[terrain.family])
        self._count_all(terrain)

    def _count_all(self, terrain: Terrain) -> None:
        self._sources = Counter[int]()
        self._ports = Counter[int]()
        self._interfaces = Counter[str]()
        self._trackers = 0
        self._fillings = Fillings()
        self._on_path = terrain.path.tables
        for table in terrain.tables():
            for chain in table.chains.values():
                self._add(terrain, table, chain.rules, 1)

    def recount(self, before: Terrain, now: Terrain, different: Changes) -> None:
        """Account for what is different."""
        if different.sets or different.ipsets:
            self._count_all(now)
            return
        for change in different.chains:
            for terrain, rules, number in ((before, change.went, -1), (now, change.came, 1)):
                table = terrain.table(change.chain[0])
                if table is not None and self._family in table.key.families:
                    self._add(terrain, table, rules, number)

    def _add(self, terrain: Terrain, table: Table, rules: Iterable[TableRule], number: int) -> None:
        on_path = table.key in self._on_path
        for rule in rules:
            spec = rule.spec
            if asks_conntrack(spec):
                self._trackers += number
            if spec.effects:
                self._fillings.add(table.key, spec, number)
            if on_path:
                for each in within(spec):
                    self._count(terrain, table, each, number)

    @property
    def sender(self) -> Sender:
        """A client that no rule names, if there may be one."""
        return ordinary_sender(self._family, +self._sources, +self._ports)

    @property
    def interfaces(self) -> frozenset[str]:
        """The interfaces that rules name in whole."""
        return frozenset(+self._interfaces)

    @property
    def tracks_connections(self) -> bool:
        """Whether some rule has conntrack at work."""
        return self._trackers > 0

    @property
    def filled(self) -> Mapping[Filled, Filling]:
        """The sets that packets fill."""
        return self._fillings.found

    def _count(self, terrain: Terrain, table: Table, spec: RuleSpec, number: int) -> None:
        by = spec.packets.qualifier(InInterface) if spec.packets.qualifiers else None
        if by is not None:
            self._interfaces.update(dict.fromkeys(by.values, number))
        for each in (*spec.conditions, *spec.effects):
            match each:
                case FieldTest(Field.IN_INTERFACE, values):
                    names = (value for value in values if isinstance(value, str))
                    self._interfaces.update(dict.fromkeys(names, number))
                case FieldTest(field, values) if field is Field.SOURCE or field in _PORTS:
                    for value in values:
                        if (span := span_of(field, value, self._family)) is not None:
                            self._named(field, span, number)
                case SetTest() | MapMark() | VerdictMap():
                    for field, span in _looked_up(terrain, table, each.lookup):
                        self._named(field, span, number)
                case _:
                    continue

    def _named(self, field: Field, span: Span, number: int) -> None:
        first, last = span
        if field is Field.SOURCE:
            for place in range(bisect_left(self._addresses, first), len(self._addresses)):
                if self._addresses[place] > last:
                    break
                self._sources[self._addresses[place]] += number
        elif last - first < _NARROW:
            for port in SOURCE_PORTS:
                if first <= port <= last:
                    self._ports[port] += number


def within(spec: RuleSpec) -> Iterator[RuleSpec]:
    """A rule, and those within it."""
    yield spec
    for effect in spec.effects:
        if isinstance(effect, When):
            yield from within(effect.spec)


def _looked_up(terrain: Terrain, table: Table, lookup: Lookup) -> Iterator[tuple[Field, Span]]:
    values = terrain.conditions(table).values(lookup)
    for place, field in enumerate(values.key):
        if field in (Field.SOURCE, Field.SOURCE_PORT):
            for row in values.rows:
                part = row.parts[place]
                if isinstance(part, tuple):
                    yield Field(field), part
