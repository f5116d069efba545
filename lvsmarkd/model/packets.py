"""Packets: the one algebra of "these packets", which declarations, rules and the judge share.

A packet has a destination, a protocol, perhaps a destination port, and what the qualifiers look
at. Port 0 is none (see ports.py).
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Self, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.model.ports import EVERY_PORT, PortSet, shared, within, without
from lvsmarkd.model.protocols import PROTOCOL_NAMES, Transport
from lvsmarkd.model.qualifiers import OwnPackets, Qualifier, in_order
from lvsmarkd.model.service import Family, Network

Q = TypeVar("Q", bound=Qualifier)

EVERYWHERE: dict[Family, Network] = {
    Family.INET: IPv4Network("0.0.0.0/0"),
    Family.INET6: IPv6Network("::/0"),
}
"""Every destination of a family."""


class Packets(Struct, frozen=True, kw_only=True):
    """The packets that all of this holds for; what is None or empty does not limit them.

    Built by name, changed by ``replace``: then what is added here is lost nowhere.
    """

    destination: Network | None = None
    """Where to; None: anywhere, in both families."""
    protocol: int | None = None
    """The IP protocol, by number; None: every one."""
    ports: PortSet = ()
    """Destination ports, sorted; none: packets of every port, and without one. What lvsmarkd
    makes has them disjoint; a listing has them as somebody wrote them.
    """
    qualifiers: tuple[Qualifier, ...] = ()
    """At most one of a kind, in the order of the table, as ``in_order`` gives them. Others raise
    ValueError.
    """

    def __post_init__(self) -> None:
        if len(self.qualifiers) > 1 and self.qualifiers != in_order(self.qualifiers):
            raise ValueError(f"qualifiers out of order: {self.qualifiers}")

    @property
    def family(self) -> Family | None:
        """The family of its destination; None where that is anywhere."""
        return None if self.destination is None else Family.of(self.destination)

    def qualifier(self, kind: type[Q]) -> Q | None:
        """Its qualifier of a kind."""
        return next((each for each in self.qualifiers if isinstance(each, kind)), None)

    def covers(self, other: "Packets") -> bool:
        """Whether every packet of ``other`` is one of these. Of families nothing is concluded:
        all of IPv4 does not cover anywhere, though what stands beside may say that it does.
        """
        return (
            self.protocol in {None, other.protocol}
            and (not self.ports or _has_ports_within(other, self.ports))
            and (self.destination is None or _subnet(other.destination, self.destination))
            and all(
                (theirs := other.qualifier(type(ours))) is not None and ours.covers(theirs)
                for ours in self.qualifiers
            )
        )

    def overlaps(self, other: "Packets") -> bool:
        """Whether one packet may be in both."""
        # Asked far more often than intersect: nothing is built where nothing is to be.
        return (
            (self.protocol is None or other.protocol in {None, self.protocol})
            and (
                not self.ports
                or not other.ports
                or any(one.overlaps(each) for one in self.ports for each in other.ports)
            )
            and (
                self.destination is None
                or other.destination is None
                or (
                    self.destination.version == other.destination.version
                    and self.destination.overlaps(other.destination)
                )
            )
            and all(
                (theirs := other.qualifier(type(ours))) is None
                or ours.intersect(theirs) is not None
                for ours in self.qualifiers
            )
        )

    def intersect(self, other: "Packets") -> Self | None:
        """The packets that are in both; None: there are certainly none."""
        if not self.overlaps(other):
            return None
        networks = [to for to in (self.destination, other.destination) if to is not None]
        both = self.ports and other.ports
        return replace(
            self,
            destination=max(networks, key=lambda network: network.prefixlen, default=None),
            protocol=other.protocol if self.protocol is None else self.protocol,
            ports=shared(self.ports, other.ports) if both else self.ports or other.ports,
            qualifiers=in_order(_both(self, other)),
        )

    def subtract(self, other: "Packets") -> tuple[Self, ...] | None:
        """The packets that are not in ``other``, in parts that share none; None where parts like
        these cannot say it (every protocol but one, every interface but one).
        """
        if not self.overlaps(other):
            return (self,)
        if other.protocol not in {None, self.protocol}:
            return None
        if any(
            (ours := self.qualifier(type(theirs))) is None or not theirs.covers(ours)
            for theirs in other.qualifiers
        ):
            return None
        outside = [
            replace(self, destination=network)
            for network in _beside(self.destination, other.destination)
        ]
        ports = _ports(self)
        if not other.ports or _has_ports_within(self, other.ports):
            return tuple(outside)
        if not ports:
            return None
        inside = [to for to in (self.destination, other.destination) if to is not None]
        rest = replace(
            self,
            destination=max(inside, key=lambda network: network.prefixlen, default=None),
            ports=without(ports, other.ports),
        )
        return (*outside, rest)

    def sent_by_host(self) -> Self | None:
        """The same where the host itself sends them: None where it cannot."""
        readings = {each: each.on_own_packets for each in self.qualifiers}
        if OwnPackets.NONE in readings.values():
            return None
        same = tuple(each for each, how in readings.items() if how is OwnPackets.SAME)
        return replace(self, qualifiers=same)

    def narrowed(self, qualifier: Qualifier) -> Self | None:
        """Those for which the qualifier holds besides; None: there are certainly none."""
        return self.intersect(Packets(qualifiers=(qualifier,)))

    def without(self, kind: type[Qualifier]) -> Self:
        """The same, whatever a qualifier of this kind says."""
        others = tuple(each for each in self.qualifiers if not isinstance(each, kind))
        return replace(self, qualifiers=others)

    def text(self, *, prefixes: bool = False) -> str:
        """For people: where to, protocol, ports, qualifiers. ``prefixes`` is how it stands in
        rules, where an address has its length too (192.0.2.10/32).
        """
        words = ["any" if self.destination is None else written(self.destination)]
        if prefixes and self.destination is not None:
            words = [str(self.destination)]
        return " ".join([*words, *self.further_words()])

    def further_words(self) -> Iterator[str]:
        """The same without where to."""
        if self.protocol is not None:
            yield PROTOCOL_NAMES.get(self.protocol, f"protocol {self.protocol}")
        if self.ports:
            yield ",".join(map(str, self.ports))
        yield from map(str, self.qualifiers)

    def __str__(self) -> str:
        return self.text()


EVERY_PACKET = Packets()
_HAVE_PORTS = frozenset(Transport)


def written(network: Network) -> str:
    """A network as people write it: one address goes without its length."""
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address if whole else network)


def _ports(packets: Packets) -> PortSet:
    """The ports that its packets have; none where some have no port."""
    if not packets.ports and packets.protocol in _HAVE_PORTS:
        return (EVERY_PORT,)
    return packets.ports


def _has_ports_within(packets: Packets, ports: PortSet) -> bool:
    """Whether each of its packets has one of these ports."""
    own = _ports(packets)
    return bool(own) and within(own, ports)


def _subnet(inner: Network | None, outer: Network) -> bool:
    return (
        inner is not None
        and inner.version == outer.version
        and inner.prefixlen >= outer.prefixlen
        and inner.overlaps(outer)
    )


def _both(one: Packets, other: Packets) -> Iterator[Qualifier]:
    """The qualifiers of what is in both, given that something is."""
    for ours in one.qualifiers:
        theirs = other.qualifier(type(ours))
        both = ours if theirs is None else ours.intersect(theirs)
        if both is not None:
            yield both
    yield from (each for each in other.qualifiers if one.qualifier(type(each)) is None)


def _beside(whole: Network | None, part: Network | None) -> Iterator[Network]:
    """The networks that hold what is in the one and not in the other, given that the two meet."""
    if part is None or _subnet(whole, part):
        return
    for each in EVERYWHERE.values() if whole is None else (whole,):
        if each.version != part.version:
            yield each
        else:
            yield from each.address_exclude(part)  # type: ignore[arg-type] # of one version
