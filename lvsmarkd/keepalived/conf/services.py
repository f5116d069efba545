"""From what the checker keeps to what it programmes into IPVS.

keepalived/check/ipwrapper.c, link_vsg_to_vs; ipvswrapper.c, ipvs_group_cmd.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.addresses import GroupAddress
from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.nftables_ipvs import MarkAllocator, NftablesIpvs
from lvsmarkd.keepalived.conf.servers import CheckerConfig, Group, GroupMark, VirtualServer
from lvsmarkd.model.address_service import AddressService
from lvsmarkd.model.keepalived import ReservedMarks
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import Address, Family, Network, Service, ServiceKey


class Programmed(Struct, frozen=True):
    """What reaches IPVS: ``services`` by mark, each (family, mark) once, in the order they are
    sent; ``reserved`` where keepalived hands out marks by itself; ``address_services``.
    """

    services: tuple[Service, ...] = ()
    reserved: ReservedMarks | None = None
    address_services: tuple[AddressService, ...] = ()
    doubtful: bool = False
    """Whether keepalived comes to an end with it cannot be known."""


def programmed(
    config: CheckerConfig, nftables_ipvs: NftablesIpvs | None, complaints: Complaints
) -> Programmed:
    """Link virtual servers and groups; ``nftables_ipvs`` is what global_defs says."""
    linker = _Linker(config, MarkAllocator(nftables_ipvs) if nftables_ipvs else None, complaints)
    services = linker.link()
    reserved = linker.allocator.reserved() if linker.allocator else None
    if reserved is not None:
        complaints.problems.extend(_shared(services, reserved))
    return Programmed(services, reserved, tuple(linker.address_services), linker.endless)


class _Misfit(Struct, frozen=True):
    """Why a group does not serve a virtual server, and what would help."""

    reason: str
    remedy: str


class _Gathering(Struct):
    """A service, while all that makes it is gathered."""

    group: str | None
    origins: dict[Origin, None] = field(default_factory=dict)
    ports: dict[int, None] = field(default_factory=dict)
    transports: dict[Transport, None] = field(default_factory=dict)
    real: dict[Address, None] = field(default_factory=dict)
    nat_servers: dict[Address, None] = field(default_factory=dict)

    def service(self, key: ServiceKey) -> Service:
        return Service(
            key,
            tuple(self.origins)[:_ORIGINS],
            self.group,
            tuple(self.ports),
            tuple(sorted(self.transports)),
            tuple(self.real),
            tuple(self.nat_servers),
        )


_ORIGINS = 20
"""Places kept of one service: of a file that repeats itself, the first ones tell enough."""

_MOST_ADDRESSES = 1 << 20
"""Services by address that keepalived is believed to have done with before anybody waits for it:
that many take it half a minute, all addresses of IPv4 days, and more memory than there is."""


class _Linker:
    def __init__(
        self, config: CheckerConfig, allocator: MarkAllocator | None, complaints: Complaints
    ) -> None:
        self.allocator = allocator
        self.address_services: list[AddressService] = []
        self._config = config
        self._complaints = complaints
        self._services: dict[ServiceKey, _Gathering] = {}
        self._groups: dict[str, Group] = {}
        self._used: set[str] = set()
        self._alive: set[tuple[GroupMark, bool]] = set()
        self._addresses = 0

    @property
    def endless(self) -> bool:
        """Whether so many addresses are services of their own that nothing may come after them."""
        return self._addresses > _MOST_ADDRESSES

    def link(self) -> tuple[Service, ...]:
        for group in self._config.groups:
            first = self._groups.setdefault(group.name, group)
            if first is not group and group.marks:
                self._say(
                    group.origin,
                    f"a group {group.name} stands at {first.origin} already, so that keepalived "
                    "never uses this one: unite them, or rename one",
                    group.numbers,
                )
        for server in self._config.servers:
            self._server(server)
        for group in self._groups.values():
            if group.marks and group.name not in self._used:
                self._say(
                    group.origin,
                    f"no virtual_server uses group {group.name}, so that its marks are not in "
                    f"use: add 'virtual_server group {group.name}', or remove the group",
                    group.numbers,
                )
        self._reused()
        return tuple(gathering.service(key) for key, gathering in self._services.items())

    def _server(self, server: VirtualServer) -> None:
        if server.group is not None:
            self._grouped(server, server.group)
        elif server.mark:
            family = server.family or Family.INET
            self._add(ServiceKey(family, server.mark), server.origin, None, server)
        elif server.address is not None:
            network = ip_network(server.address.address)
            self._by_address(server, network, server.address.port, server.origin)

    def _by_address(
        self, server: VirtualServer, network: Network, port: int, origin: Origin
    ) -> None:
        packets = Packets(
            destination=network,
            protocol=int(server.protocol),
            ports=(PortRange(port, port),) if port else (),
        )
        self.address_services.append(AddressService(packets, origin))

    def _grouped(self, server: VirtualServer, name: str) -> None:
        self._used.add(name)
        if (group := self._groups.get(name)) is None:
            self._say(
                server.origin,
                f"there is no usable virtual_server_group {name}, so that keepalived drops this "
                "virtual_server: define it, or correct the name",
            )
            return
        if misfit := _misfit(server, group):
            if group.marks:
                self._say(
                    server.origin,
                    f"keepalived drops this virtual_server without an error, since "
                    f"{misfit.reason}: {misfit.remedy}",
                    group.numbers,
                )
            return
        if self.allocator is not None and not group.marks:
            self.allocator.use(server, group)
        else:
            for address, origin in group.addresses:
                self._count(address, origin)
                for network in address.networks:
                    self._by_address(server, network, address.port, origin)
        family = server.family
        if len(group.families) == 1:
            family = next(iter(group.families))
        for entry in group.marks:
            if entry.mark:
                self._entry(server, group, entry, family)

    def _count(self, address: GroupAddress, origin: Origin) -> None:
        """Each address of a line is sent by itself; of IPv6, only the last 16 bits are run through
        (ipvswrapper.c, ipvs_group_range_cmd).
        """
        if address.family is Family.INET6:
            return
        before = self.endless
        self._addresses += sum(network.num_addresses for network in address.networks)
        if self.endless and not before:
            self._say(
                origin,
                f"with this line groups hold {self._addresses} addresses, each a service of its "
                "own in IPVS, and keepalived may not come to what follows it: name fewer, or mark "
                "their packets and use fwmark",
            )

    def _entry(
        self, server: VirtualServer, group: Group, entry: GroupMark, family: Family | None
    ) -> None:
        key = ServiceKey(entry.family or family or Family.INET, entry.mark)
        # Once real servers have come up through an entry, keepalived does not add a service for
        # it again; it keeps two counts for this, and looks at IPv4's for every virtual server
        # whose family is known (ipvswrapper.c, is_vsge_alive). Which real servers will be up
        # cannot be known: all are taken to be.
        looked_at = family is not None or entry.family is Family.INET
        added = (entry, looked_at) not in self._alive
        self._alive.add((entry, family is Family.INET))
        if added:
            self._add(key, entry.origin, group.name, server)
        elif key not in self._services:
            self._say(
                server.origin,
                f"keepalived does not add {key}, since a virtual_server before this one uses "
                f"group {group.name} for another family: give each family a group of its own",
                (entry.mark,),
            )

    def _add(
        self, key: ServiceKey, origin: Origin, group: str | None, server: VirtualServer
    ) -> None:
        known = self._services.setdefault(key, _Gathering(group))
        known.origins.setdefault(origin)
        known.ports |= dict.fromkeys(server.real_ports)
        known.transports |= dict.fromkeys(server.transports)
        known.real |= dict.fromkeys(server.real_addresses)
        known.nat_servers |= dict.fromkeys(server.nat_servers)

    def _reused(self) -> None:
        """Packets of a health check must not bear the mark of a service."""
        marks = {key.mark for key in self._services}
        if self.allocator is not None:
            marks |= {key.mark for key in self.allocator.reserved().keys}
        for mark, origin in self._config.checker_marks:
            if mark in marks:
                self._say(
                    origin,
                    f"this health check marks its own packets with {mark}, which is the mark of "
                    "a service: give the check another one",
                    (mark,),
                )

    def _say(self, origin: Origin, message: str, marks: tuple[int, ...] = ()) -> None:
        self._complaints.remark(origin, message, marks)


def _misfit(server: VirtualServer, group: Group) -> _Misfit | None:
    if server.family is None or group.families <= {server.family}:
        return None
    if len(group.families) > 1:
        return _Misfit(
            f"group {group.name} holds both families and this virtual_server is {server.family}",
            "part the group by family, or reach every real server by TUN",
        )
    return _Misfit(
        f"group {group.name} is {next(iter(group.families))} and this virtual_server is "
        f"{server.family}",
        "use a group of the real servers' family",
    )


def _shared(services: Iterable[Service], reserved: ReservedMarks) -> Iterator[Problem]:
    """Marks in use that are handed out too: keepalived does not look, and both then share one
    service and each other's real servers (measured).
    """
    handed_out = {key: mark for mark in reserved.marks for key in mark.keys}
    for service in services:
        if (mark := handed_out.get(service.key)) is not None:
            message = (
                f"keepalived gives {service.key} to {mark.protocol} of group {mark.group} too "
                f"({mark.origin}), so that both share one service with all real servers: set "
                f"nftables_ipvs_start_fwmark after {reserved.origin} to a number above every mark "
                "in use"
            )
            yield Problem(service.origins[0], message, (service.key.mark,))
