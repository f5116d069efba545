"""What a field of a packet reads, and what the values that rules compare it with come to."""

from enum import Enum, auto

from msgspec import Struct

from lvsmarkd.judge.evaluation.packet_class import Moment, PacketClass, Tracking
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.model.fields import Field, Interval, NamePrefix, Value
from lvsmarkd.model.host import ANY_INTERFACE
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import Family, Network

NUMBERS = frozenset(
    {Field.SOURCE, Field.DESTINATION, Field.PROTOCOL, Field.SOURCE_PORT, Field.DESTINATION_PORT}
    | {Field.MARK, Field.CONNMARK, Field.LENGTH}
)
"""Fields that are read as numbers; the others are words."""
_OF_CONNECTION = frozenset({Field.CONNMARK, Field.CT_DIRECTION, Field.CT_STATUS})
_PORTS = frozenset({Field.SOURCE_PORT, Field.DESTINATION_PORT, Field.EITHER_PORT})
_SYN_LENGTH = (40, 120)
"""Bytes of a first packet of TCP: two headers without data, with as many options as there may be.
"""
_ORDINARY = {
    Field.SOURCE_TYPE: frozenset({"UNICAST"}),
    Field.REVERSE_ROUTE: frozenset({"FOUND"}),
    Field.PACKET_TYPE: frozenset({"HOST"}),
    Field.SOCKET: frozenset[str](),
    Field.FRAGMENT: frozenset[str](),
    Field.OUT_INTERFACE: frozenset[str](),
}
"""How packets of clients are: sent by a host that is reached by the interface that they come by,
to this one alone, in whole; no socket here waits for what IPVS balances. (A client whose packets
are none of that is not served whatever the rules say.)"""


class Absence(Enum):
    """Why a field has no value."""

    ABSENT = auto()
    """The packet has no such field: a rule that looks at it does not match, negated or not."""
    UNKNOWN = auto()


Span = tuple[int, int]
Reading = Span | frozenset[str] | Absence
"""Numbers from and to (a class of packets may have several), or the words that hold."""


def reading_of(field: Field, packet: PacketClass, sender: Sender) -> Reading:  # noqa: C901, PLR0912 - a row for each field
    """What a packet has in a field."""
    if field in _PORTS and not packet.has_ports:
        return Absence.ABSENT
    if field in _OF_CONNECTION and not packet.is_connected:
        return Absence.UNKNOWN if packet.tracking is Tracking.ASSIGNED else Absence.ABSENT
    match field:
        case Field.DESTINATION:
            return packet.first, packet.last
        case Field.SOURCE:
            return sender.source, sender.source
        case Field.PROTOCOL:
            return packet.protocol, packet.protocol
        case Field.DESTINATION_PORT:
            return packet.low, packet.high
        case Field.SOURCE_PORT:
            return sender.port, sender.port
        case Field.MARK:
            return Absence.UNKNOWN if packet.mark is None else (packet.mark, packet.mark)
        case Field.CONNMARK:
            mark = packet.connmark
            return Absence.UNKNOWN if mark is None else (mark, mark)
        case Field.LENGTH:
            return _SYN_LENGTH if packet.protocol == Transport.TCP else Absence.UNKNOWN
        case Field.IN_INTERFACE:
            return packet.interfaces
        case Field.SOURCE_MAC:
            return frozenset({sender.mac})
        case Field.DESTINATION_TYPE:
            return frozenset({"LOCAL" if packet.moment is not Moment.ANSWER else "UNICAST"})
        case Field.OUT_INTERFACE if packet.moment is Moment.ANSWER:
            return Absence.UNKNOWN
        case Field.CT_STATE:
            return states_of(packet) or Absence.UNKNOWN
        case Field.CT_DIRECTION:
            return frozenset({"ORIGINAL"})
        case Field.CT_STATUS:
            if packet.is_dnat is None:
                return Absence.UNKNOWN
            return frozenset({"DNAT"}) if packet.is_dnat else frozenset()
        case _ if field in _ORDINARY:
            return _ORDINARY[field]
        case _:
            return Absence.UNKNOWN


def states_of(packet: PacketClass) -> frozenset[str]:
    """Conntrack's words for a first packet. Before conntrack has seen it, and where it is passed
    by, both iptables and nft say so by a state of its own (measured). None: it is not known.
    """
    match packet.tracking:
        case Tracking.BEFORE | Tracking.INVALID:
            return frozenset({"INVALID"})
        case Tracking.ASSIGNED:
            return frozenset()
        case Tracking.UNTRACKED:
            return frozenset({"UNTRACKED"})
        case Tracking.TRACKED:
            return frozenset({"NEW", "DNAT"}) if packet.is_dnat else frozenset({"NEW"})


class NameTest(Struct, frozen=True):
    """Names that a field may have: one, or all that begin so."""

    name: str
    is_prefix: bool = False

    def holds(self, word: str) -> bool:
        """Whether a word is meant. What stands for all interfaces that nobody names is no one."""
        if word == ANY_INTERFACE:
            return self.is_prefix and not self.name
        return word.startswith(self.name) if self.is_prefix else word == self.name


def span_of(field: Field, value: Value, family: Family) -> Span | None:
    """A value of a numeric field as numbers; None where it is none of this family."""
    del field
    match value:
        case bool():
            return None
        case int():
            return value, value
        case Interval(int(first), int(last)):
            return first, last
        case Interval(first, last):
            return None if Family.of(first) is not family else (int(first), int(last))  # type: ignore[arg-type] # addresses
        case str() | tuple() | NamePrefix():
            return None
        case _:
            return _network(value, family)


def _network(network: Network, family: Family) -> Span | None:
    if Family.of(network) is not family:
        return None
    return int(network.network_address), int(network.broadcast_address)


def name_test(value: Value) -> NameTest | None:
    """A value of a field of words."""
    match value:
        case str():
            return NameTest(value)
        case NamePrefix(start):
            return NameTest(start, is_prefix=True)
        case _:
            return None
