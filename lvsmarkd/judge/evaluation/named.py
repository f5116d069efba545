"""What the rules on packets' way name: senders, and interfaces."""

from collections.abc import Iterator

from lvsmarkd.judge.evaluation.fields import Span, span_of
from lvsmarkd.judge.evaluation.sender import Sender, ordinary_sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule_spec import (
    Condition,
    Effect,
    Field,
    FieldTest,
    Lookup,
    MapMark,
    RuleSpec,
    SetTest,
    VerdictMap,
    When,
)
from lvsmarkd.model.ruleset import Table

_PORTS = frozenset({Field.SOURCE_PORT, Field.EITHER_PORT})


def ordinary(terrain: Terrain) -> Sender:
    """A client that no rule names, if there may be one."""
    sources: list[Span] = []
    ports: list[Span] = []
    for table, spec in _specs(terrain):
        for field, span in _spans(terrain, table, spec):
            (sources if field is Field.SOURCE else ports).append(span)
    return ordinary_sender(
        terrain.family,
        lambda address: any(first <= address <= last for first, last in sources),
        ports,
    )


def named_interfaces(terrain: Terrain) -> frozenset[str]:
    """The interfaces that rules name in whole."""
    found = set[str]()
    for _, spec in _specs(terrain):
        by = spec.packets.qualifier(InInterface)
        found |= set(by.values) if by is not None else set()
        for condition in spec.conditions:
            match condition:
                case FieldTest(Field.IN_INTERFACE, values):
                    found |= {each for each in values if isinstance(each, str)}
                case _:
                    continue
    return frozenset(found)


def _specs(terrain: Terrain) -> Iterator[tuple[Table, RuleSpec]]:
    """All rules of the tables on the way, those within others included."""
    tables = {each.table.key: each.table for stage in terrain.path.stages for each in stage.chains}
    for table in tables.values():
        for chain in table.chains.values():
            for rule in chain.rules:
                yield from ((table, spec) for spec in _within(rule.spec))


def _within(spec: RuleSpec) -> Iterator[RuleSpec]:
    yield spec
    for effect in spec.effects:
        if isinstance(effect, When):
            yield from _within(effect.spec)


def _spans(terrain: Terrain, table: Table, spec: RuleSpec) -> Iterator[tuple[Field, Span]]:
    for each in (*spec.conditions, *spec.effects):
        match each:
            case FieldTest(Field.SOURCE, values):
                for value in values:
                    if (span := span_of(Field.SOURCE, value, terrain.family)) is not None:
                        yield Field.SOURCE, span
            case FieldTest(field, values) if field in _PORTS:
                for value in values:
                    if (span := span_of(field, value, terrain.family)) is not None:
                        yield Field.SOURCE_PORT, span
            case _ if (lookup := _lookup(each)) is not None:
                yield from _looked_up(terrain, table, lookup)
            case _:
                continue


def _lookup(of: Condition | Effect) -> Lookup | None:
    match of:
        case SetTest(lookup) | MapMark(lookup) | VerdictMap(lookup):
            return lookup
        case _:
            return None


def _looked_up(terrain: Terrain, table: Table, lookup: Lookup) -> Iterator[tuple[Field, Span]]:
    values = terrain.conditions(table).values(lookup)
    for place, field in enumerate(values.key):
        if field in (Field.SOURCE, Field.SOURCE_PORT):
            for row in values.rows:
                part = row.parts[place]
                if isinstance(part, tuple):
                    yield Field(field), part
