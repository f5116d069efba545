"""What to declare for a service that nobody declared: a suggestion, seldom more."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from itertools import product
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.pasted import annotations
from lvsmarkd.model.address_service import AddressService
from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.host import UNKNOWN_HOST, HostView
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import Address, Family, Service

FTP = 21
_MOST_OWN = 8
"""Addresses of the host: of more than that, which one is meant cannot be guessed."""

Endpoint = tuple[Address, Transport, int]


class Suggestion(Struct, frozen=True):
    """Addresses by ports for one service; ``doubts`` say why it must not be taken blindly.

    In a service by mark the real server's port says nothing reliable about which ports
    clients use (``real_server … 80`` with a mark that also stands for 443 is the normal
    case), so an operator has to read it. ``taken`` is what services by address have of it: it is
    left out.
    """

    service: Service
    vips: tuple[Address, ...]
    ports: tuple[int, ...]
    doubts: tuple[str, ...] = ()
    taken: frozenset[Endpoint] = frozenset()

    @property
    def transports(self) -> tuple[Transport, ...]:
        """What the service's block names, else TCP."""
        return self.service.transports or (Transport.TCP,)

    @property
    def reason(self) -> str:
        """Why nothing can be suggested; empty where something can."""
        if self.vips and self.ports and not self.endpoints():
            return "services by address have all that it may stand for"
        return ""

    def text(self) -> str:
        """The annotation to paste into the service's block; gaps stand in <angle brackets>. Empty
        where there is nothing to suggest.
        """
        if self.vips and self.ports:
            flows = [_host_flow(*endpoint) for endpoint in self.endpoints()]
            return "\n".join(annotations(self.service.key.mark, flows))
        to = ",".join(map(str, self.vips)) or "<the VIP>"
        ports = ",".join(map(str, self.ports)) or "<ports>"
        asked = " ".join(f"{transport} {ports}" for transport in self.transports)
        return f"# lvsmarkd: fwmark {self.service.key.mark} to {to} {asked}"

    def endpoints(self) -> list[Endpoint]:
        """Each address with each port that is left for it."""
        return _endpoints(*_shape(self))

    def flows(self) -> tuple[DeclaredFlow, ...]:
        """The flows, where they are unambiguous; else none."""
        if self.doubts:
            return ()
        origin = self.service.origins[0]
        return tuple(
            DeclaredFlow(_host_flow(*endpoint), accept=False, origin=origin)
            for endpoint in self.endpoints()
        )


def _host_flow(vip: Address, transport: Transport, port: int) -> Packets:
    return Packets(
        destination=ip_network(vip),
        protocol=int(transport),
        ports=(PortRange(port, port),),
    )


PacketsOfMark = tuple[int, Packets]
"""A flow that a mark has."""


class Candidates(Struct, frozen=True):
    """What suggestions are made in. ``addresses`` are those that services may have, by
    family; ``claims`` the flows of marks, and ``address_services``, each by the candidate that they
    are about; ``host`` tells this host's own addresses.
    """

    addresses: Mapping[Family, tuple[Address, ...]] = MappingProxyType({})
    unheld: frozenset[Family] = frozenset(Family)
    """The families of which no vrrp_instance has an address."""
    claims: Mapping[Address, tuple[PacketsOfMark, ...]] = MappingProxyType({})
    address_services: Mapping[Address, tuple[AddressService, ...]] = MappingProxyType({})
    host: HostView = UNKNOWN_HOST

    @classmethod
    def of(
        cls,
        instances: Collection[VrrpInstance],
        declared: Iterable[PacketsOfMark],
        address_services: Iterable[AddressService],
        host: HostView,
    ) -> "Candidates":
        """By the VIPs that there are; in a family that has none, by this host's own addresses."""
        candidates: dict[Family, tuple[Address, ...]] = {}
        unheld = set()
        for family in Family:
            vips = tuple(dict.fromkeys(vip for each in instances for vip in each.vips_of(family)))
            if not vips:
                unheld.add(family)
                own = tuple(_own(family, host))
                vips = own if len(own) <= _MOST_OWN else ()
            candidates[family] = vips
        every = [vip for vips in candidates.values() for vip in vips]
        by_mark = [(claim[1], claim) for claim in declared]
        by_address = [(each.packets, each) for each in address_services]
        return cls(
            candidates,
            frozenset(unheld),
            {vip: tuple(claim for flow, claim in by_mark if _is_to(vip, flow)) for vip in every},
            {vip: tuple(each for flow, each in by_address if _is_to(vip, flow)) for vip in every},
            host,
        )


def suggest(service: Service, around: Candidates) -> Suggestion:
    """VIPs of the service's family by ports of its real servers.

    A VIP whose packets another mark or a service by address has is left out where one remains: on a
    director with several VIPs most belong to another service.
    """
    family = service.key.family
    vips = around.addresses.get(family, ())
    asked = Suggestion(service, vips, service.real_ports)
    doubts = list(_doubts(asked, around))
    owners: dict[Address, dict[AddressService, None]] = {}
    gone = set[Endpoint]()
    held = [vip for vip in vips if around.address_services.get(vip)]
    for endpoint in product(held, asked.transports, asked.ports):
        for each in around.address_services[endpoint[0]]:
            if each.packets.overlaps(_host_flow(*endpoint)):
                owners.setdefault(endpoint[0], {})[each] = None
                gone.add(endpoint)
    rivals = {vip: marks for vip in vips if (marks := _rivals(asked, vip, around.claims))}
    if left := tuple(vip for vip in vips if vip not in rivals and vip not in owners):
        doubts += [
            f"{vip} is left out, since {_named(marks)} its packets" for vip, marks in rivals.items()
        ]
        doubts += [
            f"{vip} is left out, since its packets belong to {_listed(each)}"
            for vip, each in owners.items()
            if vip not in rivals
        ]
        return replace(asked, vips=left, doubts=tuple(doubts))
    if rivals:
        doubts.append(f"{_named(frozenset().union(*rivals.values()))} these packets too")
    doubts += [f"packets of {vip} belong to {_listed(each)}" for vip, each in owners.items()]
    return replace(asked, doubts=tuple(doubts), taken=frozenset(gone))


def contested(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """The same, in doubt where two marks would be given the same packets."""
    # Looked up, not compared with each other, and once for all that are alike: nobody may have
    # declared anything on a director with hundreds of services and addresses.
    suggestions = list(suggestions)
    alike: dict[_Shape, set[int]] = {}
    for each in suggestions:
        alike.setdefault(_shape(each), set()).add(each.service.key.mark)
    guessed: dict[Endpoint, set[int]] = {}
    endpoints = {shape: _endpoints(*shape) for shape in alike}
    for shape, marks in alike.items():
        for endpoint in endpoints[shape]:
            guessed.setdefault(endpoint, set()).update(marks)
    claimed = {
        shape: frozenset().union(*(guessed[endpoint] for endpoint in endpoints[shape]))
        for shape in alike
    }
    return [_doubted(each, claimed[_shape(each)]) for each in suggestions]


_Shape = tuple[tuple[Address, ...], tuple[Transport, ...], tuple[int, ...], frozenset[Endpoint]]


def _shape(suggestion: Suggestion) -> _Shape:
    """All that its endpoints follow from."""
    return suggestion.vips, suggestion.transports, suggestion.ports, suggestion.taken


def _endpoints(
    vips: tuple[Address, ...],
    transports: tuple[Transport, ...],
    ports: tuple[int, ...],
    taken: frozenset[Endpoint],
) -> list[Endpoint]:
    return [each for each in product(vips, transports, ports) if each not in taken]


def _doubted(suggestion: Suggestion, marks: frozenset[int]) -> Suggestion:
    if not (rivals := marks - {suggestion.service.key.mark}):
        return suggestion
    return replace(suggestion, doubts=(*suggestion.doubts, f"{_named(rivals)} these packets too"))


def _doubts(asked: Suggestion, around: Candidates) -> Iterator[str]:
    """What of the service itself makes the guess doubtful."""
    service = asked.service
    family = service.key.family
    if family in around.unheld:
        own = " (these addresses are this host's own)" if asked.vips else ""
        yield f"no vrrp_instance has an {family} address{own}"
    if not asked.ports:
        yield "the real servers have no port"
    if len(asked.transports) > 1:
        said = " and ".join(map(str, asked.transports))
        yield f"protocol and health checks speak of {said}: keep what is served"
    if FTP in asked.ports and Transport.TCP in asked.transports:
        yield (
            f"port {FTP} is the control connection of FTP alone: add the passive range that the"
            f" real servers are set to, as in `tcp {FTP},10000-20000`, and 20 for active data"
        )
    yield from _two_boxes(service, around.host)


def _two_boxes(service: Service, host: HostView) -> Iterator[str]:
    """Directors that are real servers too balance what another one has passed to them again, if
    its packets are not left out.
    """
    here = [each for each in service.real_addresses if _is_own(each, host)]
    others = [each for each in service.real_addresses if each not in here]
    if here and others:
        yield (
            f"real server {here[0]} is this host, and {others[0]} is another: if that is a director"
            " too, packets go round between them unless `not-from-mac` and the other's MAC address"
            " stand in the declaration on each"
        )


def _is_own(address: Address, host: HostView) -> bool:
    number = int(address)
    return address.is_loopback or host.delivers(address.version, number, number) is True


def _own(family: Family, host: HostView) -> Iterator[Address]:
    """The addresses that this host has and clients can reach."""
    for network in host.local or ():
        one = network.prefixlen == network.max_prefixlen
        odd = network.is_loopback or network.is_link_local or network.is_multicast
        if Family.of(network) is family and one and not odd:
            yield ip_address(network.network_address)


def _is_to(vip: Address, flow: Packets) -> bool:
    return flow.destination is None or vip in flow.destination


def _rivals(
    asked: Suggestion, vip: Address, claims: Mapping[Address, tuple[PacketsOfMark, ...]]
) -> frozenset[int]:
    """The other marks that claim some packet to this address and the service's ports."""
    if not claims.get(vip):
        return frozenset()
    wanted = [
        _host_flow(vip, transport, port) for transport in asked.transports for port in asked.ports
    ]
    return frozenset(
        mark
        for mark, flow in claims.get(vip, ())
        if mark != asked.service.key.mark and any(flow.overlaps(each) for each in wanted)
    )


def _named(marks: Collection[int]) -> str:
    named = ", ".join(map(str, sorted(marks)))
    return f"mark {named} claims" if len(marks) == 1 else f"marks {named} claim"


def _listed(services: Iterable[AddressService]) -> str:
    return " and ".join(map(str, services))
