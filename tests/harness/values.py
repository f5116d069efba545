"""Short ways to write the values that tests talk of."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from lvsmarkd.backends.backend import Applied, Backend
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.model.declaration import Declared, DeclaredFlow
from lvsmarkd.model.keepalived import Completeness, Reading, VrrpInstance
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import InInterface, NotFromMac, Qualifier
from lvsmarkd.model.service import Family, Service, ServiceKey

HERE = Origin("/etc/keepalived/keepalived.conf", 7)
ONE_PORT = Limits(max_ports_per_rule=1)
RICH_RULES = Limits(max_ports_per_rule=1, max_values={InInterface: 0, NotFromMac: 1})


def carry_out(backend: Backend, plan: Plan) -> Applied:
    """Apply a plan. Raises FirewallError where not all of it could be carried out."""
    applied = backend.apply(plan)
    if applied.error is not None:
        raise applied.error
    return applied


def key(mark: int, family: str = "inet") -> ServiceKey:
    return ServiceKey(Family(family), mark)


def qualified(
    in_interface: str | None = None, not_from_mac: Sequence[str] = ()
) -> tuple[Qualifier, ...]:
    """The qualifiers that say this."""
    entered = [] if in_interface is None else [InInterface.of(in_interface)]
    return (*entered, *([NotFromMac.of(*not_from_mac)] if not_from_mac else []))


def packets(
    to: str | None = None,
    protocol: int | None = None,
    *ports: int,
    in_interface: str | None = None,
    not_from_mac: Sequence[str] = (),
) -> Packets:
    """Packets to each of these ports."""
    return Packets(
        destination=None if to is None else ip_network(to),
        protocol=protocol,
        ports=tuple(PortRange(port, port) for port in ports),
        qualifiers=qualified(in_interface, not_from_mac),
    )


def flow(
    to: str,
    *ports: int,
    transport: Transport | None = Transport.TCP,
    in_interface: str | None = None,
    not_from_mac: Sequence[str] = (),
) -> Packets:
    """A flow to one port, to a range of two, or to every port."""
    return Packets(
        destination=ip_network(to),
        protocol=transport,
        ports=(PortRange(ports[0], ports[-1]),) if ports else (),
        qualifiers=qualified(in_interface, not_from_mac),
    )


def declare(
    mark: int, *flows: Packets, accept: bool = False
) -> dict[ServiceKey, tuple[DeclaredFlow, ...]]:
    """Flows of one mark, in the families of their destinations."""
    keys = dict.fromkeys(ServiceKey(f.family, mark) for f in flows if f.family is not None)
    return {
        k: tuple(DeclaredFlow(f, accept, HERE) for f in flows if f.family is k.family) for k in keys
    }


def service(mark: int, family: str = "inet", ports: tuple[int, ...] = (80,)) -> Service:
    return Service(key(mark, family), (HERE,), None, ports)


def instance(*vips: str, name: str = "VI_1", ah: bool = False) -> VrrpInstance:
    addresses = tuple(map(ip_address, vips))
    family = Family.of(addresses[0]) if addresses else Family.INET
    return VrrpInstance(name, HERE, "eth0", addresses, family, ah)


def reading(*services: Service, instances: tuple[VrrpInstance, ...] = ()) -> Reading:
    return Reading(Completeness.WHOLE, services, instances)


def want(
    *declared: dict[ServiceKey, tuple[DeclaredFlow, ...]],
    instances: tuple[VrrpInstance, ...] = (),
    policy: Options | None = None,
) -> Desired:
    """What must hold when all that is declared is used."""
    flows = {k: v for each in declared for k, v in each.items()}
    services = [Service(k, (HERE,)) for k in flows]
    return desired(reading(*services, instances=instances), Declared(flows), policy or Options())
