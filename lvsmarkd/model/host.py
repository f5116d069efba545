"""What of the host decides on packets' way."""

from collections.abc import Collection, Mapping

from msgspec import Struct

from lvsmarkd.model.fields import Interval
from lvsmarkd.model.service import MAX_MARK, Address, Family, Network

_NOBODYS = frozenset({"lo"})
"""By it comes what the host itself sends."""
ANY_INTERFACE = ""
"""Stands for all interfaces that no rule names, where the host's own are not known."""


LOCAL_TABLE = 255
"""The routing table that the kernel keeps of its own addresses, and looks into first."""

ANY_TABLE = 0
"""Stands for the table of the VRF that packets come by (``ip rule l3mdev``)."""


class LocalRoute(Struct, frozen=True):
    """A route that delivers to this host, and the routing table that has it."""

    table: int
    network: Network


class RouteLookup(Struct, frozen=True):
    """A rule of policy routing that leads packets to a routing table: those of which the bits
    ``mask`` of their mark are ``value``, or are not. Other conditions of it are not held here.
    ``is_empty``: the table has no route at all; None where that was not asked.
    """

    family: Family
    priority: int
    table: int
    value: int = 0
    mask: int = 0
    inverted: bool = False
    is_empty: bool | None = None

    def may_take(self, mark: int) -> bool:
        """Whether packets of a mark may be led there."""
        return not self.mask or ((mark & self.mask) == self.value) is not self.inverted

    def is_for(self, mark: int) -> bool:
        """Whether it is there for this very mark."""
        return (self.value, self.mask, self.inverted) == (mark, MAX_MARK, False)


class ListeningPort(Struct, frozen=True):
    """A port at which a socket of this host waits."""

    protocol: int
    port: int


class HostView(Struct, frozen=True):
    """``interfaces`` that packets of clients may come by; ``local`` is what is delivered to this
    host, whatever its mark. ``other_routes`` are the routes of other tables that would deliver it,
    ``lookups`` the rules that lead there. ``forwards`` says whether some interface forwards what
    comes by it and is for others, of IPv4. ``first_addresses`` has for each interface the address
    that the kernel lists first, None where it has none; ``queues`` are those at which a program
    listens for packets (NFQUEUE), ``sockets`` the ports at which sockets wait. None: not known.

    Settings of the kernel: ``dead_ends`` are the interfaces of which strict reverse path filtering
    drops all packets of IPv4; ``tracks_balanced`` says whether conntrack notes connections that
    IPVS balances (``net.ipv4.vs.conntrack``), ``picks_up`` whether it takes a packet of a
    connection that it does not know for a new one (``nf_conntrack_tcp_loose``).
    """

    interfaces: frozenset[str] | None = None
    local: tuple[Network, ...] | None = None
    other_routes: tuple[LocalRoute, ...] = ()
    lookups: tuple[RouteLookup, ...] | None = None
    forwards: bool | None = None
    first_addresses: Mapping[tuple[str, Family], Address | None] | None = None
    queues: frozenset[int] | None = None
    sockets: frozenset[ListeningPort] | None = None
    dead_ends: frozenset[str] = frozenset()
    tracks_balanced: bool | None = None
    picks_up: bool | None = None

    def entries(self, named: frozenset[str]) -> frozenset[str]:
        """The interfaces that packets may come by: where they are not known, or none is up yet,
        those that rules name, and one that stands for all others.
        """
        if self.interfaces:
            return self.interfaces
        return named - _NOBODYS | {ANY_INTERFACE}

    def listens_at(self, queues: Interval) -> bool | None:
        """Whether a program listens at each of these queues; None: at some, or not known."""
        if self.queues is None:
            return None
        span = range(int(queues.first), int(queues.last) + 1)
        heard = sum(number in span for number in self.queues)
        return heard == len(span) if heard in {0, len(span)} else None

    def local_by(self, tables: Collection[int]) -> tuple[Network, ...]:
        """What may be delivered here of packets that rules lead to these routing tables."""
        routes = self.other_routes
        routed = (r.network for r in routes if r.table in tables or ANY_TABLE in tables)
        return (*(self.local or ()), *routed)

    def lookups_of(self, mark: int, family: Family) -> tuple[RouteLookup, ...]:
        """The rules that may lead packets with a mark, in their order."""
        found = (e for e in self.lookups or () if e.family is family and e.may_take(mark))
        return tuple(sorted(found, key=lambda each: each.priority))

    def delivers(self, version: int, first: int, last: int) -> bool | None:
        """Whether packets to these addresses are delivered here; None: some, or not known."""
        if self.local is None:
            return None
        spans = sorted(
            (int(network.network_address), int(network.broadcast_address))
            for network in self.local
            if network.version == version
        )
        at, part = first, False
        for low, high in spans:
            if low <= at <= high:
                at = high + 1
            part = part or (low <= last and first <= high)
        return True if at > last else None if part else False


UNKNOWN_HOST = HostView()
