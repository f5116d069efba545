"""Short ways to write the values that tests talk of."""

from ipaddress import ip_address, ip_network

from lvsmarkd.judge.desired import Desired, Policy, desired
from lvsmarkd.model.declaration import Declared, DeclaredFlow
from lvsmarkd.model.flow import Flow, PortRange, Transport
from lvsmarkd.model.keepalived import Fitness, Reading, VrrpInstance
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.service import Family, Service, ServiceKey

HERE = Origin("/etc/keepalived/keepalived.conf", 7)


def key(mark: int, family: str = "inet") -> ServiceKey:
    return ServiceKey(Family(family), mark)


def flow(to: str, *ports: int, transport: Transport = Transport.TCP, **more: object) -> Flow:
    """A flow to one port, to a range of two, or to every port."""
    span = PortRange(ports[0], ports[-1]) if ports else None
    return Flow(ip_network(to), transport, span, **more)  # type: ignore[arg-type] # passed on


def declare(
    mark: int, *flows: Flow, accept: bool = False
) -> dict[ServiceKey, tuple[DeclaredFlow, ...]]:
    """Flows of one mark, in the families of their destinations."""
    keys = dict.fromkeys(ServiceKey(f.family, mark) for f in flows)
    return {
        k: tuple(DeclaredFlow(f, accept, HERE) for f in flows if f.family is k.family) for k in keys
    }


def service(mark: int, family: str = "inet", ports: tuple[int, ...] = (80,)) -> Service:
    return Service(key(mark, family), (HERE,), None, ports)


def instance(*vips: str, name: str = "VI_1", ah: bool = False) -> VrrpInstance:
    addresses = tuple(map(ip_address, vips))
    family = Family.of(addresses[0]) if addresses else None
    return VrrpInstance(name, HERE, "eth0", addresses, family, ah)


def reading(*services: Service, instances: tuple[VrrpInstance, ...] = ()) -> Reading:
    return Reading(Fitness.WHOLE, services, instances)


def want(
    *declared: dict[ServiceKey, tuple[DeclaredFlow, ...]],
    instances: tuple[VrrpInstance, ...] = (),
    policy: Policy | None = None,
) -> Desired:
    """What must hold when all that is declared is used."""
    flows = {k: v for each in declared for k, v in each.items()}
    services = [Service(k, (HERE,)) for k in flows]
    return desired(reading(*services, instances=instances), Declared(flows), policy or Policy())
