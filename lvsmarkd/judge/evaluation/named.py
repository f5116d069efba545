"""The addresses that the rules on packets' way name as destinations."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from lvsmarkd.judge.evaluation.census import within
from lvsmarkd.judge.evaluation.fields import Span, span_of
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.model.fields import Field
from lvsmarkd.model.rule_spec import FieldTest, MapMark, RuleSpec, SetTest, VerdictMap
from lvsmarkd.model.ruleset import Table
from lvsmarkd.model.service import Family, Network

MOST_NAMED = 5_000


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
            case SetTest() | MapMark() | VerdictMap():
                held = terrain.conditions(table).values(each.lookup)
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


def _specs(terrain: Terrain) -> Iterator[tuple[Table, RuleSpec]]:
    """All rules of the tables on the way, those within others included."""
    on_path = terrain.path.tables
    for table in terrain.tables():
        if table.key in on_path:
            for chain in table.chains.values():
                for rule in chain.rules:
                    yield from ((table, spec) for spec in within(rule.spec))
