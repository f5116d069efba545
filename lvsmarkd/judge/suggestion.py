"""What to declare for a service that nobody declared: a suggestion, seldom more."""

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_network
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import Address, Service


class Suggestion(Struct, frozen=True):
    """Addresses by ports for one service; ``doubts`` say why it must not be taken blindly.

    In a service by mark the real server's port says nothing reliable about which ports
    clients use (``real_server … 80`` with a mark that also stands for 443 is the normal
    case), so an operator has to read it.
    """

    service: Service
    vips: tuple[Address, ...]
    ports: tuple[int, ...]
    doubts: tuple[str, ...] = ()

    def text(self) -> str:
        """The annotation to paste into the service's block; gaps stand in <angle brackets>."""
        to = ",".join(map(str, self.vips)) or "<the VIP>"
        ports = ",".join(map(str, self.ports)) or "<ports>"
        return f"# lvsmarkd: fwmark {self.service.key.mark} to {to} tcp {ports}"

    def endpoints(self) -> list[tuple[Address, int]]:
        """Each address with each port."""
        return [(vip, port) for vip in self.vips for port in self.ports]

    def flows(self) -> tuple[DeclaredFlow, ...]:
        """The flows, where they are unambiguous; else none."""
        if self.doubts:
            return ()
        origin = self.service.origins[0]
        return tuple(
            DeclaredFlow(_host_flow(vip, port), accept=False, origin=origin)
            for vip, port in self.endpoints()
        )


def _host_flow(vip: Address, port: int) -> Packets:
    return Packets(
        destination=ip_network(vip),
        protocol=int(Transport.TCP),
        ports=(PortRange(port, port),),
    )


PacketsOfMark = tuple[int, Packets]
"""A flow that a mark has."""


def claims_at(
    instances: Iterable[VrrpInstance], declared: Iterable[PacketsOfMark]
) -> dict[Address, tuple[PacketsOfMark, ...]]:
    """For each VIP the flows that it is a destination of."""
    declared = tuple(declared)
    return {
        vip: tuple(
            claim
            for claim in declared
            if claim[1].destination is None or vip in claim[1].destination
        )
        for each in instances
        for vip in each.vips
    }


def suggest(
    service: Service,
    instances: Iterable[VrrpInstance],
    declared: Mapping[Address, Iterable[PacketsOfMark]] = MappingProxyType({}),
) -> Suggestion:
    """VIPs of the service's family by ports of its real servers.

    ``declared`` is what ``claims_at`` gives. A VIP whose packets
    another mark has is left out where one remains: on a director with several VIPs most belong
    to another service.
    """
    vips = tuple(
        dict.fromkeys(vip for each in instances for vip in each.vips_of(service.key.family))
    )
    doubts = []
    if not vips:
        doubts.append(f"no vrrp_instance has an {service.key.family} address")
    if not service.real_ports:
        doubts.append("the real servers have no port")
    taken = {vip: marks for vip in vips if (marks := _rivals(service, vip, declared.get(vip, ())))}
    if left := tuple(vip for vip in vips if vip not in taken):
        vips = left
        doubts += [
            f"{vip} is left out, since {_named(marks)} its packets" for vip, marks in taken.items()
        ]
    elif taken:
        doubts.append(f"{_named(frozenset().union(*taken.values()))} these packets too")
    return Suggestion(service, vips, service.real_ports, tuple(doubts))


def contested(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """The same, in doubt where two marks would be given the same packets."""
    # Looked up, not compared with each other: nobody may have declared anything on a director
    # with hundreds of services and addresses.
    suggestions = list(suggestions)
    guessed: dict[tuple[Address, int], set[int]] = {}
    for each in suggestions:
        for endpoint in each.endpoints():
            guessed.setdefault(endpoint, set()).add(each.service.key.mark)
    return [_doubted(each, guessed) for each in suggestions]


def _doubted(suggestion: Suggestion, guessed: Mapping[tuple[Address, int], set[int]]) -> Suggestion:
    marks = frozenset().union(*(guessed[endpoint] for endpoint in suggestion.endpoints()))
    if not (rivals := marks - {suggestion.service.key.mark}):
        return suggestion
    return replace(suggestion, doubts=(*suggestion.doubts, f"{_named(rivals)} these packets too"))


def _rivals(service: Service, vip: Address, claimed: Iterable[PacketsOfMark]) -> frozenset[int]:
    """The other marks that claim some packet to this address and the service's ports."""
    return frozenset(
        mark
        for mark, flow in claimed
        if mark != service.key.mark
        and any(flow.overlaps(_host_flow(vip, port)) for port in service.real_ports)
    )


def _named(marks: Collection[int]) -> str:
    named = ", ".join(map(str, sorted(marks)))
    return f"mark {named} claims" if len(marks) == 1 else f"marks {named} claim"
