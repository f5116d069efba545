"""Our rules, as the elements of our table's maps say them.

Flows that differ in nothing but their ports are one rule, with ports that touch as one range: in
this form the judge wants them (``Limits``). A rule is in force where packets get to its map: the
base chain is where it should be, and leads by gate and qualifiers to the rule that asks the map.
What we cannot have written is told in words, and goes with the next write.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import cast

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.backends.nftables.flow_maps import MAP_NAMES
from lvsmarkd.backends.nftables.mark_table import (
    BASES,
    SAID,
    FlowGroup,
    group_of,
    mark_table,
)
from lvsmarkd.backends.nftables.met import is_met, strange_parts
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import MAX_PORT, PortRange, joined
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import InInterface, NotFromMac, Qualifier, kinds
from lvsmarkd.model.rule import Hook, Rule, SetMark
from lvsmarkd.model.service import Family, Network
from lvsmarkd.netfilter.nftables.datatypes import DataType, Value, key_values, value_of
from lvsmarkd.netfilter.nftables.objects import (
    NftElement,
    NftSet,
    TableContents,
    TableFlag,
)
from lvsmarkd.netfilter.nftables.transaction import named_element

OWN_HOOKS = tuple(BASES)
"""Where the table has rules of ours."""
_TRANSPORTS = frozenset(map(int, Transport))


def table_limits() -> Limits:
    """What the table can say of packets: one rule has all ports of its flows, and nothing is
    accepted. A kind of qualifier that it is not told of cannot be said there.
    """
    return Limits(
        max_ports_per_rule=2 * MAX_PORT,
        max_values={kind: 0 for kind in kinds() if kind not in SAID},
        accepts=False,
        joins_ports=True,
    )


class TableRules(Struct, frozen=True):
    """What the table holds of ours. ``packets`` are those that each rule in force has marked;
    ``incomplete`` are rules whose elements are there and are not met; ``unknown`` names what we
    cannot have written. ``hooks`` are those whose base chain is as it should be. ``fault`` says why
    no packet meets any of it.
    """

    packets: Mapping[Rule, int]
    incomplete: frozenset[Rule] = frozenset()
    unknown: tuple[str, ...] = ()
    hooks: frozenset[Hook] = frozenset()
    fault: str = ""

    @property
    def rules(self) -> frozenset[Rule]:
        """All of them."""
        return self.incomplete.union(self.packets)


NOTHING = TableRules({}, fault="is not there")


class _Piece(Struct, frozen=True):
    """What one element says: the rule that it is a part of, without ports, and its ports."""

    bare: Rule
    ports: PortRange | None
    packets: int

    @property
    def part(self) -> tuple[Rule, bool]:
        """What tells parts of one rule from those of others: the same with ports, or without."""
        return self.bare, self.ports is not None


class RuleReader(Struct):
    """Finds our rules in the table. Of one in which nothing changed since the last time but what
    its elements count, only that is looked at. For one thread at a time.
    """

    _last: TableContents | None = None
    _rules: TableRules = NOTHING
    _owners: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    """The rule of each element of a map, in their order."""

    def rules(self, found: TableContents) -> TableRules:
        """Those that it holds."""
        if self._last is None or not _is_as_before(found, self._last):
            self._rules, self._owners = _read(found)
            self._last = None if self._rules.unknown else found
            return self._rules
        packets = dict.fromkeys(self._rules.packets, 0)
        for name, owners in self._owners.items():
            for rule, element in zip(owners, found.elements[name], strict=True):
                if element.counts is not None and rule in packets:
                    packets[rule] += element.counts.packets
        return replace(self._rules, packets=packets)


def own_rules(found: TableContents) -> TableRules:
    """Find our rules in the table."""
    return _read(found)[0]


def _is_as_before(found: TableContents, before: TableContents) -> bool:
    """But for the generation and what was counted."""
    return replace(found, generation=0) == replace(before, generation=0)


def _read(found: TableContents) -> tuple[TableRules, Mapping[str, tuple[Rule, ...]]]:
    """Our rules, and which one each element is a part of."""
    if found.table is None:
        return NOTHING, {}
    pieces: dict[str, list[_Piece]] = {}
    strange: list[str] = []
    groups = tuple(_groups(found))
    for group in groups:
        for of in _maps(found, group):
            here = pieces.setdefault(of.name, [])
            for element in found.elements.get(of.name, ()):
                piece = _piece(of, element, group)
                if piece is None:
                    strange.append(f"element {named_element(of, element)} of map {of.name}")
                else:
                    here.append(piece)
    whole = _joined(each for those in pieces.values() for each in those)
    owners = {name: tuple(whole[each.part] for each in those) for name, those in pieces.items()}
    packets: dict[Rule, int] = {}
    for those in pieces.values():
        for each in those:
            rule = whole[each.part]
            packets[rule] = packets.get(rule, 0) + each.packets
    return _judged(found, groups, packets, strange), owners


def _judged(
    found: TableContents,
    groups: Sequence[FlowGroup],
    packets: Mapping[Rule, int],
    strange: list[str],
) -> TableRules:
    """Which of the rules packets get to, and what is there besides."""
    assert found.table is not None  # noqa: S101 - it has rules
    fault = "is dormant" if found.table.flags & TableFlag.DORMANT else ""
    wanted = mark_table(found.table, packets, only_unmarked=False, hooks=OWN_HOOKS)
    hooks = frozenset(
        hook
        for hook, (name, _) in BASES.items()
        if any(chain.name == name and chain in found.chains for chain in wanted.chains)
    )
    if not strange and not fault and _is_same(wanted, found):
        return TableRules(packets, hooks=hooks)
    by_group: dict[FlowGroup, list[Rule]] = {}
    for rule in packets:
        by_group.setdefault(group_of(rule), []).append(rule)
    unmet = frozenset(
        rule
        for rules in by_group.values()
        if fault
        or not is_met(mark_table(found.table, rules, only_unmarked=False, hooks=OWN_HOOKS), found)
        for rule in rules
    )
    strange += strange_parts(groups, wanted, found)
    met = {rule: count for rule, count in packets.items() if rule not in unmet}
    return TableRules(met, unmet, tuple(strange), hooks, fault)


def _is_same(wanted: TableContents, found: TableContents) -> bool:
    return (
        set(wanted.chains) == set(found.chains)
        and set(wanted.sets) == set(found.sets)
        and all(found.rules.get(name, ()) == rules for name, rules in wanted.rules.items())
        and all(
            set(found.elements.get(name, ())) == set(those)
            for name, those in wanted.elements.items()
        )
    )


def _groups(found: TableContents) -> Iterator[FlowGroup]:
    """All that there may be, by the interfaces and the senders that its sets name."""
    names: list[str] = [""]
    senders: list[tuple[str, ...]] = [()]
    for of in found.sets:
        if not isinstance(of, NftSet) or of.key[0] not in {DataType.IFNAME, DataType.ETHER_ADDR}:
            continue
        there = found.elements.get(of.name, ())
        values = sorted(str(value_of(of.key[0], each.start)) for each in there)
        if of.key == (DataType.IFNAME,):
            names += values
        elif of.key == (DataType.ETHER_ADDR,) and values:
            senders.append(tuple(values))
    for family in Family:
        for interface in dict.fromkeys(names):
            for macs in dict.fromkeys(senders):
                yield FlowGroup(interface, macs, family)
        yield FlowGroup("", (), family, local=True)


def _maps(found: TableContents, group: FlowGroup) -> Iterator[NftSet]:
    """The maps of a group that are there."""
    names = {f"{name}{group.suffix}" for name in MAP_NAMES}
    for of in found.sets:
        if isinstance(of, NftSet) and of.name in names and of.data is DataType.MARK:
            yield of


def _piece(of: NftSet, element: NftElement, group: FlowGroup) -> _Piece | None:
    """None for an element that we cannot have written."""
    first, last = key_values(of.key, element.start), key_values(of.key, element.end)
    network = _network(first[0], last[0])
    mark = element.data
    if network is None or Family.of(network) is not group.family or not isinstance(mark, bytes):
        return None
    protocol, ports = None, None
    if len(first) == 3:
        protocol = first[1]
        if protocol != last[1] or protocol not in _TRANSPORTS:
            return None
        low, high = first[2], last[2]
        if (low, high) != (0, MAX_PORT):
            try:
                ports = PortRange(cast("int", low), cast("int", high))
            except ValueError:
                return None
    value = int(value_of(DataType.MARK, mark))
    if not value:
        return None
    qualifiers: list[Qualifier] = [InInterface.of(group.interface)] if group.interface else []
    if group.macs:
        qualifiers.append(NotFromMac.of(*group.macs))
    match = Packets(
        destination=network if network.prefixlen else None,
        protocol=None if protocol is None else cast("int", protocol),
        qualifiers=tuple(qualifiers),
    )
    hook = Hook.OUTPUT if group.local else Hook.PREROUTING
    rule = Rule(group.family, hook, match, SetMark(value), value)
    return _Piece(rule, ports, element.counts.packets if element.counts else 0)


def _network(first: Value, last: Value) -> Network | None:
    """The one network that the addresses from one to another are."""
    if not isinstance(first, IPv4Address | IPv6Address) or not isinstance(last, type(first)):
        return None
    length = first.max_prefixlen - (int(first) ^ int(last)).bit_length()
    network = ip_network((first, length), strict=False)
    whole = (network.network_address, network.broadcast_address) == (first, last)
    return network if whole else None


def _joined(pieces: Iterable[_Piece]) -> dict[tuple[Rule, bool], Rule]:
    """The rule that each part belongs to: of those with ports, with all of these."""
    ranges: dict[Rule, list[PortRange]] = {}
    whole: dict[tuple[Rule, bool], Rule] = {}
    for each in pieces:
        if each.ports is None:
            whole[each.part] = each.bare
        else:
            ranges.setdefault(each.bare, []).append(each.ports)
    for bare, ports in ranges.items():
        match = replace(bare.match, ports=joined(ports))
        whole[bare, True] = replace(bare, match=match)
    return whole
