"""A class of packets on their way: the rules met so far have treated all of them alike."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.model.packets import EVERYWHERE, Packets
from lvsmarkd.model.ports import MAX_PORT
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.service import Family

HAVE_PORTS = frozenset({*map(int, Transport), 136})
"""Protocols with ports; 136 is UDP-Lite."""
BALANCED = (int(Transport.TCP), int(Transport.UDP))
"""What IPVS makes connections of, where a flow names no protocol. (SCTP too: whoever balances it
says so.)"""


class Tracking(StrEnum):
    """What conntrack knows of the packet: first packets of connections are what counts here."""

    BEFORE = "not yet"
    """It has not come to conntrack's hook (priority -200)."""
    ASSIGNED = "as told"
    """Likewise, but it is settled how it will be tracked."""
    TRACKED = "new"
    UNTRACKED = "untracked"
    INVALID = "invalid"
    """Of a connection that it does not know, and no first packet."""


class Moment(StrEnum):
    """Which packet of a connection it is."""

    FIRST = "first"
    NEXT = "next"
    """The client's second one, of which conntrack does not know the connection."""
    ANSWER = "answer"
    """What a real server sends back first, likewise: it passes through this host."""


class PacketClass(Struct, frozen=True):
    """First packets of connections, from one kind of sender (`Sender`).

    Destinations ``first`` to ``last`` as numbers, ports ``low`` to ``high`` (0 where the protocol
    has none), ``interfaces`` that they come by. ``mark`` and ``connmark`` are None where they
    cannot be known. ``translated``: a rule settled the connection's destination, and no other will;
    ``is_dnat`` says whether it is another one (conntrack's status), None where that is not known.
    Where that gave another address (``moved``) or port (``port_moved``), each packet has one of
    them, and which is not known of any. ``moment`` says which packets they are, if no first ones.
    """

    family: Family
    first: int
    last: int
    protocol: int
    low: int
    high: int
    interfaces: frozenset[str]
    mark: int | None = 0
    connmark: int | None = 0
    tracking: Tracking = Tracking.BEFORE
    translated: bool = False
    is_dnat: bool | None = False
    moved: bool = False
    port_moved: bool = False
    moment: Moment = Moment.FIRST

    @property
    def has_ports(self) -> bool:
        """Whether its protocol has ports."""
        return self.protocol in HAVE_PORTS

    @property
    def is_connected(self) -> bool:
        """Whether the packet belongs to a connection by now."""
        return self.tracking is Tracking.TRACKED

    def to(self, first: int, last: int) -> "PacketClass":
        """The part of it to these destinations."""
        return replace(self, first=first, last=last)

    def at(self, low: int, high: int) -> "PacketClass":
        """The part of it to these ports."""
        return replace(self, low=low, high=high)

    def by(self, interfaces: frozenset[str]) -> "PacketClass":
        """The part of it that comes by these interfaces."""
        return replace(self, interfaces=interfaces)

    def overlaps(self, other: "PacketClass") -> bool:
        """Whether one packet, as it was sent, may be in both."""
        return (
            self.protocol == other.protocol
            and self.first <= other.last
            and other.first <= self.last
            and self.low <= other.high
            and other.low <= self.high
            and not self.interfaces.isdisjoint(other.interfaces)
        )


Part = tuple[PacketClass, bool | None]
"""Packets for all of which a condition holds, or does not, or (None) may."""
Parts = list[Part]


def classes_of(
    flow: Packets, family: Family, interfaces: frozenset[str]
) -> tuple[PacketClass, ...]:
    """The packets of a flow as they come in, by the interfaces that there are."""
    network = flow.destination or EVERYWHERE[family]
    by = flow.qualifier(InInterface)
    entered = interfaces & {by.name} if by is not None else interfaces
    if not entered:
        return ()
    protocols = BALANCED if flow.protocol is None else (flow.protocol,)
    found = []
    for protocol in protocols:
        spans = [(ports.first, ports.last) for ports in flow.ports] or [(1, MAX_PORT)]
        if protocol not in HAVE_PORTS:
            spans = [(0, 0)] if not flow.ports else []
        found += [
            PacketClass(
                family,
                int(network.network_address),
                int(network.broadcast_address),
                protocol,
                low,
                high,
                entered,
            )
            for low, high in spans
        ]
    return tuple(found)
