"""Declared packets that the host does not take: IPVS sees only what is delivered to it.

A VIP that a backup director does not hold is none of them: it will, once it is master.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network

from msgspec import Struct

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.host import ANY_TABLE, LOCAL_TABLE, HostView, LocalRoute, RouteLookup
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.refusal import nearest
from lvsmarkd.model.service import Address, Family, Network, ServiceKey


def undelivered(desired: Desired, host: HostView) -> Iterator[Finding]:
    """A finding for each declared destination of which this is certain. Of a file that is not
    whole, whose addresses are not all known, nothing is.
    """
    if not desired.removable or host.local is None or host.lookups is None:
        return
    held = {vip: None for instance in desired.instances for vip in instance.vips}
    made = _Area.of((*map(ip_network, held), *desired.local))
    areas: dict[frozenset[int], _Area] = {}
    for key in sorted(desired.configured & desired.services.keys()):
        tables = frozenset(each.table for each in host.lookups_of(key.mark, key.family))
        if tables not in areas:
            areas[tables] = _Area.of(host.local_by(tables))
        for to, declared in _destinations(desired.flows[key]):
            if made.has_part_of(to):
                continue
            if (astray := _route_lost(key, to, areas[tables], host)) is not None:
                yield _lost(key, declared, to, astray, host)
            elif not (areas[tables].has_part_of(to) or _may_come(to, desired)):
                yield _nowhere(key, declared, to, desired.instances)


class _Area(Struct, frozen=True):
    """Addresses: single ones, and networks."""

    single: frozenset[Network]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, all_of: Iterable[Network]) -> "_Area":
        nets = frozenset(all_of)
        single = frozenset(net for net in nets if net.prefixlen == net.max_prefixlen)
        return cls(single, tuple(nets - single))

    def has_part_of(self, to: Network) -> bool:
        if to in self.single or any(_meet(net, to) for net in self.networks):
            return True
        return to.prefixlen < to.max_prefixlen and any(_meet(net, to) for net in self.single)

    def has_all_of(self, to: Network) -> bool:
        return to in self.single or any(_holds(net, to) for net in self.networks)


def _destinations(flows: Iterable[DeclaredFlow]) -> Iterable[tuple[Network, DeclaredFlow]]:
    """Each destination once."""
    found: dict[Network, DeclaredFlow] = {}
    for each in flows:
        if each.flow.destination is not None:
            found.setdefault(each.flow.destination, each)
    return found.items()


def _route_lost(key: ServiceKey, to: Network, local: _Area, host: HostView) -> RouteLookup | None:
    """The rule that is there to deliver packets with the service's mark, and whose table does not:
    it is empty, or the route is in another one, to which no rule leads them.
    """
    lookups = host.lookups_of(key.mark, key.family)
    meant = [each for each in lookups if each.is_for(key.mark)]
    if not meant or local.has_all_of(to):
        return None
    tables = {each.table for each in lookups} - {LOCAL_TABLE}
    if ANY_TABLE in tables or any(
        _meet(route.network, to) for route in host.other_routes if route.table in tables
    ):
        return None
    strays = _strays(lookups, to, host)
    return next((each for each in meant if each.is_empty or strays), None)


def _strays(lookups: tuple[RouteLookup, ...], to: Network, host: HostView) -> list[LocalRoute]:
    """Routes that would deliver the packets, in tables that no rule has for them."""
    tables = {each.table for each in lookups}
    routes = host.other_routes
    return [route for route in routes if route.table not in tables and _holds(route.network, to)]


def _may_come(to: Network, desired: Desired) -> bool:
    """Whether something else may bring an address: no vrrp_instance tells which will be there.
    `explain` says that it is not here now.
    """
    return not desired.instances and to.prefixlen == to.max_prefixlen


def _meet(net: Network, to: Network) -> bool:
    return _holds(net, to) or _holds(to, net)


def _holds(net: Network, to: Network) -> bool:
    return net.version == to.version and net.prefixlen <= to.prefixlen and to.network_address in net


def _lost(
    key: ServiceKey, declared: DeclaredFlow, to: Network, rule: RouteLookup, host: HostView
) -> Finding:
    found = _strays(host.lookups_of(key.mark, key.family), to, host)
    where = f": that is in table {found[0].table}, to which no rule leads them" if found else ""
    option = " -6" if key.family is Family.INET6 else ""
    return _finding(
        key,
        declared,
        f"`ip rule` {rule.priority} leads packets with mark {key.mark} to table {rule.table}, which"
        f" has no local route for {to}{where}; so what it is for does not come to IPVS",
        f"put it back (`ip{option} route add local {to} dev lo table {rule.table}`), or correct the"
        " rule",
    )


def _nowhere(
    key: ServiceKey, declared: DeclaredFlow, to: Network, instances: tuple[VrrpInstance, ...]
) -> Finding:
    held = [vip for instance in instances for vip in instance.vips_of(key.family)]
    near = _nearest(to, held)
    written = to.network_address if to.prefixlen == to.max_prefixlen else to
    what = "neither a VIP of a vrrp_instance nor" if instances else "not"
    here = "an address of this host" if written is not to else "delivered to this host in any part"
    if near is not None:
        advice = f"correct the declaration (the nearest VIP is {near}), or give keepalived the VIP"
    else:
        advice = "correct the declaration, or give this host the address or a local route"
    return _finding(
        key,
        declared,
        f"{written} is {what} {here}, and no local route takes it, so that its packets do not come"
        " to IPVS",
        advice,
    )


def _nearest(to: Network, held: list[Address]) -> Address | None:
    """The VIP that is written most like it, else the one of the nearest number."""
    written = nearest(str(to.network_address), map(str, held))
    if written is not None:
        return ip_address(written)
    return min(held, key=lambda vip: abs(int(vip) - int(to.network_address)), default=None)


def _finding(
    key: ServiceKey,
    declared: DeclaredFlow,
    fact: str,
    advice: str,
) -> Finding:
    return Finding(
        Kind.UNDELIVERED,
        fact,
        advice,
        service=key,
        family=key.family,
        origins=(declared.origin,),
        subject=declared.flow.destination,
    )
