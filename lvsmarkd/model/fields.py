"""What of a packet a rule may look at, and the values that it is compared with."""

from enum import StrEnum

from msgspec import Struct

from lvsmarkd.model.service import Address, Network


class Field(StrEnum):
    """What of a packet a condition looks at."""

    SOURCE = "source"
    DESTINATION = "destination"
    PROTOCOL = "protocol"
    SOURCE_PORT = "source port"
    DESTINATION_PORT = "port"
    EITHER_PORT = "source or destination port"
    TCP_FLAGS = "TCP flags"
    """A value is a pair: the flags that are looked at, those of them that are set."""
    IN_INTERFACE = "in-interface"
    OUT_INTERFACE = "out-interface"
    SOURCE_MAC = "source MAC"
    SOURCE_TYPE = "source type"
    DESTINATION_TYPE = "destination type"
    """What the routing table says of an address: ``LOCAL``, ``UNICAST`` …"""
    MARK = "mark"
    CONNMARK = "connection's mark"
    CT_STATE = "connection's state"
    CT_DIRECTION = "connection's direction"
    CT_STATUS = "connection's status"
    """``DNAT``, ``EXPECTED`` …: what conntrack notes of a connection."""
    REVERSE_ROUTE = "route back"
    """Whether the sender would be answered by the interface that the packet came by: ``MISSING``
    where not."""
    LENGTH = "length"
    PACKET_TYPE = "packet type"
    """``HOST``, ``BROADCAST``, ``MULTICAST``: whom the frame was sent to."""
    SOCKET = "socket"
    """Whether a socket of this host waits for just this packet: ``FOUND`` where so."""
    FRAGMENT = "fragment"
    """``LATER`` where it is no first or only piece of a datagram."""


class Interval(Struct, frozen=True):
    """Addresses, or numbers, from ``first`` to ``last``, both included."""

    first: Address | int
    last: Address | int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class NamePrefix(Struct, frozen=True):
    """The names of interfaces that begin so (``eth+``, ``eth*``)."""

    start: str

    def __str__(self) -> str:
        return f"{self.start}+"


Value = Network | Interval | NamePrefix | int | str | tuple[object, ...]
"""A tuple is one of a concatenation: a value for each field of the key."""
