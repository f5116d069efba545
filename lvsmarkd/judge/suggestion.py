"""What to declare for a service that nobody declared: a suggestion, seldom more."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.flow import Flow, PortRange, Transport
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.service import Address, Service


@dataclass(frozen=True, slots=True)
class Suggestion:
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

    def flows(self) -> tuple[DeclaredFlow, ...]:
        """The flows, where they are unambiguous; else none."""
        if self.doubts:
            return ()
        origin = self.service.origins[0]
        return tuple(
            DeclaredFlow(_host_flow(vip, port), accept=False, origin=origin)
            for vip in self.vips
            for port in self.ports
        )


def _host_flow(vip: Address, port: int) -> Flow:
    return Flow(ip_network(vip), Transport.TCP, PortRange(port, port))


def suggest(
    service: Service,
    instances: Iterable[VrrpInstance],
    declared: Iterable[tuple[int, Flow]] = (),
    guessed: Iterable[tuple[int, Flow]] = (),
) -> Suggestion:
    """VIPs of the service's family by ports of its real servers.

    ``declared`` are the flows that other marks have, ``guessed`` those that would be suggested
    for them, with these marks. A VIP whose packets another mark has is left out where one
    remains: on a director with several VIPs most belong to another service.
    """
    vips = tuple(
        dict.fromkeys(vip for each in instances for vip in each.vips_of(service.key.family))
    )
    doubts = []
    if not vips:
        doubts.append(f"no vrrp_instance has an {service.key.family} address")
    if not service.real_ports:
        doubts.append("the real servers have no port")
    others = [claim for claim in declared if claim[0] != service.key.mark]
    taken = {vip: marks for vip in vips if (marks := _rivals(service, [vip], others))}
    if left := tuple(vip for vip in vips if vip not in taken):
        vips = left
        doubts += [
            f"{vip} is left out, since {_named(marks)} its packets" for vip, marks in taken.items()
        ]
    rivals = _rivals(service, vips, [*others, *guessed])
    if rivals:
        doubts.append(f"{_named(rivals)} these packets too")
    return Suggestion(service, vips, service.real_ports, tuple(doubts))


def _rivals(
    service: Service, vips: Iterable[Address], claimed: Iterable[tuple[int, Flow]]
) -> frozenset[int]:
    """The other marks that claim some packet to these addresses and the service's ports."""
    wanted = [_host_flow(vip, port) for vip in vips for port in service.real_ports]
    return frozenset(
        mark
        for mark, flow in claimed
        if mark != service.key.mark and any(flow.overlaps(own) for own in wanted)
    )


def _named(marks: Iterable[int]) -> str:
    named = ", ".join(map(str, sorted(marks)))
    return f"marks {named} claim" if "," in named else f"mark {named} claims"
