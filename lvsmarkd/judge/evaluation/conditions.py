"""Which packets of a class a condition holds for."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network

from lvsmarkd.judge.evaluation.address_types import AddressTypes
from lvsmarkd.judge.evaluation.fields import Absence, reading_of, states_of
from lvsmarkd.judge.evaluation.fork import Likelihood, likelihood
from lvsmarkd.judge.evaluation.lookups import (
    Found,
    Named,
    Unsure,
    Values,
    ipset_values,
    lookup_values,
    values_of,
)
from lvsmarkd.judge.evaluation.packet_class import Moment, PacketClass, Part, Parts, Tracking
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.model.fields import Field
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import InInterface, NotFromMac, Qualifier
from lvsmarkd.model.rule_spec import (
    Condition,
    ConnmarkTest,
    FieldTest,
    Lookup,
    MarkTest,
    Opaque,
    SetTest,
    StateTest,
)
from lvsmarkd.model.service import Family

_FLAGS = {
    Moment.FIRST: frozenset({"SYN"}),
    Moment.NEXT: frozenset({"ACK"}),
    Moment.ANSWER: frozenset({"SYN", "ACK"}),
}
_TYPES = frozenset({Field.DESTINATION_TYPE, Field.SOURCE_TYPE})


Look = tuple[PacketClass, Found]
"""Some packets, and what is found for them."""


class Conditions:
    """Conditions of the rules of one table, for one family. What they look up is made ready once.

    ``sets`` gives a set of the table by its name, ``ipsets`` one of ipset's; ``filled`` says of one
    that packets fill what is known of a look into it.
    """

    def __init__(
        self,
        family: Family,
        sets: Named,
        ipsets: Named,
        types: AddressTypes,
        filled: Callable[[Lookup], Likelihood | None],
    ) -> None:
        self.family = family
        self._types = types
        self._sets = sets
        self._ipsets = ipsets
        self._filled = filled
        self._ready: dict[FieldTest | Lookup, Values] = {}

    def part(self, condition: Condition, packet: PacketClass, sender: Sender) -> Parts:
        """The parts of a class, each with the answer for it."""
        match condition:
            case MarkTest():
                return [(packet, None if packet.mark is None else condition.admits(packet.mark))]
            case ConnmarkTest(value, mask, negated):
                if packet.tracking is Tracking.ASSIGNED:
                    return [(packet, None)]
                if not packet.is_connected:
                    return [(packet, False)]
                if packet.connmark is None:
                    return [(packet, None)]
                return [(packet, ((packet.connmark & mask) == value) is not negated)]
            case StateTest(states, negated):
                return [(packet, _is_in_state(states, packet, negated=negated))]
            case FieldTest(Field.TCP_FLAGS, values, negated):
                return [(packet, _flags(values, packet, negated=negated))]
            case FieldTest(field) if field in _TYPES and self.family is Family.INET6:
                return self._types.part(condition, packet)
            case FieldTest(Field.EITHER_PORT, values, negated):
                return list(self._either_port(condition, packet, sender, negated=negated))
            case FieldTest(_, _, negated, or_absent):
                among = self.values(condition)
                return self._looked_up(among, packet, sender, negated, absent=or_absent)
            case SetTest():
                return self._in_set(condition, packet, sender)
            case Opaque():
                return [(packet, None)]

    def _in_set(self, condition: SetTest, packet: PacketClass, sender: Sender) -> Parts:
        values = self.values(condition.lookup)
        if not condition.lookup.name or self._filled(condition.lookup) is None:
            return self._looked_up(values, packet, sender, condition.negated)
        absent = any(_is_absent(field, packet, sender) for field in values.key)
        return [(packet, False if absent else None)]

    def likelihood(self, condition: Condition | None) -> Likelihood:
        """What one that may hold or not leaves open."""
        match condition:
            case Opaque(module):
                return likelihood(module)
            case SetTest(lookup):
                return self._filled(lookup) or Likelihood.UNKNOWN
            case _:
                return Likelihood.UNKNOWN

    def found(self, lookup: Lookup, packet: PacketClass, sender: Sender) -> list[Look] | None:
        """What a map has for each part of a class; None: they are too many."""
        values = self.values(lookup)
        if lookup.name and self._filled(lookup) is not None:
            return [(packet, Unsure("packets fill it"))]
        parts = values.cut(packet)
        return None if parts is None else [(part, values.find(part, sender)) for part in parts]

    def values(self, what: FieldTest | Lookup) -> Values:
        """What a condition looks packets up among."""
        found = self._ready.get(what)
        if found is None:
            found = self._made(what)
            self._ready[what] = found
        return found

    def _made(self, what: FieldTest | Lookup) -> Values:
        if isinstance(what, FieldTest):
            return values_of(what.field, what.values, self.family)
        if what.directions:
            return ipset_values(what, self._ipsets, self.family)
        return lookup_values(what, self._sets(what.name) if what.name else None, self.family)

    @staticmethod
    def _looked_up(
        values: Values,
        packet: PacketClass,
        sender: Sender,
        negated: bool,  # noqa: FBT001 - as the condition has it
        *,
        absent: bool = False,
    ) -> Parts:
        parts = values.cut(packet)
        if parts is None:
            return [(packet, None)]
        answers: Parts = []
        for each in parts:
            if any(_is_absent(field, each, sender) for field in values.key):
                answers.append((each, absent))
                continue
            found = values.find(each, sender)
            unsure = isinstance(found, Unsure)
            answers.append((each, None if unsure else (found is None) is negated))
        return answers

    def _either_port(
        self, condition: FieldTest, packet: PacketClass, sender: Sender, *, negated: bool
    ) -> Iterator[Part]:
        if not packet.has_ports:
            yield packet, False
            return
        by_source = self.values(FieldTest(Field.SOURCE_PORT, condition.values))
        if by_source.find(packet, sender) is not None:
            yield packet, not negated
            return
        to = self.values(FieldTest(Field.DESTINATION_PORT, condition.values))
        yield from self._looked_up(to, packet, sender, negated)


def _is_in_state(states: frozenset[str], packet: PacketClass, *, negated: bool) -> bool | None:
    held = states_of(packet)
    if not held or (packet.is_dnat is None and "DNAT" in states):
        return None
    return states.isdisjoint(held) is negated


def _is_absent(field: object, packet: PacketClass, sender: Sender) -> bool:
    return isinstance(field, Field) and reading_of(field, packet, sender) is Absence.ABSENT


def _flags(values: tuple[object, ...], packet: PacketClass, *, negated: bool) -> bool:
    """A first packet of TCP has SYN set, of the flags that rules look at, the next one ACK, an
    answer both.
    """
    if packet.protocol != Transport.TCP:
        return False
    has = _FLAGS[packet.moment]
    return any(_are_set(value, has) for value in values) is not negated


def _are_set(value: object, has: frozenset[str]) -> bool:
    match value:
        case (str(looked_at), str(are_set)):
            names = frozenset(looked_at.split(","))
            seen = has if "ALL" in names else has & names
            return seen == (frozenset() if are_set == "NONE" else frozenset(are_set.split(",")))
        case _:
            raise TypeError(value)


def part_packets(packets: Packets, packet: PacketClass, sender: Sender) -> Parts:
    """The parts of a class by what a rule says of packets in their algebra."""
    if packets.protocol is not None and packets.protocol != packet.protocol:
        return [(packet, False)]
    parts: Parts = [(packet, True)]
    if packets.destination is not None:
        parts = list(_by_destination(packets.destination, packet))
    if packets.ports:
        parts = [p for each in parts for p in _narrowed(each, _by_ports, packets)]
    for qualifier in packets.qualifiers:
        reader = QUALIFIERS.get(type(qualifier), _unknown)
        parts = [
            p for part in parts for p in (reader(qualifier, part[0], sender) if part[1] else [part])
        ]
    return parts


def _narrowed(
    part: Part, by: Callable[[Packets, PacketClass], Iterator[Part]], packets: Packets
) -> Iterator[Part]:
    if part[1]:
        yield from by(packets, part[0])
    else:
        yield part


def _by_destination(network: IPv4Network | IPv6Network, packet: PacketClass) -> Iterator[Part]:
    if Family.of(network) is not packet.family:
        yield packet, False
        return
    low, high = int(network.network_address), int(network.broadcast_address)
    if low <= packet.first and packet.last <= high:
        yield packet, True
        return
    if packet.last < low or high < packet.first:
        yield packet, False
        return
    if packet.moved:
        yield packet, None
        return
    if packet.first < low:
        yield packet.to(packet.first, low - 1), False
    yield packet.to(max(low, packet.first), min(high, packet.last)), True
    if high < packet.last:
        yield packet.to(high + 1, packet.last), False


def _by_ports(packets: Packets, packet: PacketClass) -> Iterator[Part]:
    if not packet.has_ports:
        yield packet, False
        return
    at = packet.low
    if packet.port_moved:
        yield packet, _holds_port(packets, packet)
        return
    for ports in packets.ports:
        if ports.last < at or ports.first > packet.high or at > packet.high:
            continue  # several ports of a rule may overlap
        if at < ports.first:
            yield packet.at(at, ports.first - 1), False
        end = min(ports.last, packet.high)
        yield packet.at(max(at, ports.first), end), True
        at = end + 1
    if at <= packet.high:
        yield packet.at(at, packet.high), False


def _holds_port(packets: Packets, packet: PacketClass) -> bool | None:
    """Whether a port out of several is among those of a rule."""
    near = [p for p in packets.ports if p.first <= packet.high and packet.low <= p.last]
    if any(p.first <= packet.low and packet.high <= p.last for p in near):
        return True
    return None if near else False


def _by_interface(qualifier: Qualifier, packet: PacketClass, sender: Sender) -> Parts:
    del sender
    inside = packet.interfaces & {*qualifier.values}
    outside = packet.interfaces - inside
    if not inside or not outside:
        return [(packet, bool(inside))]
    return [(packet.by(outside), False), (packet.by(inside), True)]


def _by_mac(qualifier: Qualifier, packet: PacketClass, sender: Sender) -> Parts:
    return [(packet, sender.mac not in qualifier.values)]


def _unknown(qualifier: Qualifier, packet: PacketClass, sender: Sender) -> Parts:
    del qualifier, sender
    return [(packet, None)]


QUALIFIERS: dict[type[Qualifier], Callable[[Qualifier, PacketClass, Sender], Parts]] = {
    InInterface: _by_interface,
    NotFromMac: _by_mac,
}
"""How each kind parts a class. One that is not here may hold or not."""
