"""What the rules on packets' way name: senders, and interfaces."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from lvsmarkd.judge.evaluation.fields import Span, span_of
from lvsmarkd.judge.evaluation.sender import Sender, ordinary_sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.model.fields import Field
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule_spec import (
    Condition,
    Effect,
    FieldTest,
    Lookup,
    MapMark,
    RuleSpec,
    SetTest,
    VerdictMap,
    When,
)
from lvsmarkd.model.ruleset import Table
from lvsmarkd.model.service import Family, Network

MOST_NAMED = 5_000
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


def named_destinations(terrain: Terrain, most: int = MOST_NAMED) -> tuple[Network, ...]:
    """The addresses and networks that rules name as destinations, ``most`` at most; not the
    widest ones, which name nobody.
    """
    found: dict[Network, None] = {}
    for table, spec in _specs(terrain):
        for network in _destinations(terrain, table, spec):
            if network.prefixlen >= network.max_prefixlen // 4:
                found[network] = None
        if len(found) > most:
            break
    return tuple(found)[:most]


def _destinations(terrain: Terrain, table: Table, spec: RuleSpec) -> Iterator[Network]:
    if spec.packets.destination is not None:
        yield spec.packets.destination
    for each in (*spec.conditions, *spec.effects):
        match each:
            case FieldTest(Field.DESTINATION, values):
                for value in values:
                    span = span_of(Field.DESTINATION, value, terrain.family)
                    yield from _networks(span, terrain.family) if span is not None else ()
            case _ if (lookup := _lookup(each)) is not None:
                held = terrain.conditions(table).values(lookup)
                for place, field in enumerate(held.key):
                    if field is Field.DESTINATION:
                        for row in held.rows:
                            part = row.parts[place]
                            if isinstance(part, tuple):
                                yield from _networks(part, terrain.family)
            case _:
                continue


def _networks(span: Span, family: Family) -> Iterator[Network]:
    first, last = span
    if family is Family.INET:
        yield from summarize_address_range(IPv4Address(first), IPv4Address(last))
    else:
        yield from summarize_address_range(IPv6Address(first), IPv6Address(last))


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
