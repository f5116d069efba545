"""What keepalived's VRRP process does not start with.

It then exits with KEEPALIVED_EXIT_CONFIG, its parent terminates, and the checker takes its
services out of IPVS again (measured with 2.2.7, at a start and at a reload): nothing is balanced.
keepalived/vrrp/vrrp.c, vrrp_complete_init (2.2.7: 4493; 2.4.3: the same order). What depends on
the host, as whether an interface is there, is not looked at.
"""

from collections.abc import Callable, Iterator
from ipaddress import IPv6Address

from lvsmarkd.keepalived.conf.open_instance import OpenInstance
from lvsmarkd.keepalived.conf.vrrp_defaults import VERSIONS, VrrpDefaults
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.service import Family

_SO = "so that keepalived does not start, and nothing is balanced"


def start_problems(instances: list[OpenInstance], defaults: VrrpDefaults) -> Iterator[Problem]:
    """All that keeps it from starting, fatal each, and instances without an address of theirs.

    The instances are settled.
    """
    checks: tuple[Callable[[OpenInstance], Problem | None], ...]
    checks = (_router, _place, _without_vips, _strict_unicast)
    for check in checks:
        for instance in instances:
            if (problem := check(instance)) is not None:
                yield problem
    yield from _same_routers(instances, defaults)


def _router(instance: OpenInstance) -> Problem | None:
    """chk_min_cfg, 2311-2316."""
    if instance.router:
        return None
    return _fatal(instance, f"has no virtual_router_id from 1 to 255, {_SO}: give it one")


def _place(instance: OpenInstance) -> Problem | None:
    """chk_min_cfg, 2317-2320, and vrrp_complete_instance, 2966-2979: since 2.2.8 an instance
    that has a word about unicast and a source address needs no interface.
    """
    if instance.interface is not None:
        return None
    if instance.dialect.runs_without_interface and instance.unicast:
        if instance.source is None:
            return _fatal(instance, f"has no interface, nor a unicast_src_ip, {_SO}: give it one")
        if isinstance(instance.source, IPv6Address) and instance.source.is_link_local:
            return _fatal(
                instance,
                f"has no interface, and {instance.source} is link-local, {_SO}: give it one",
            )
        if not instance.peers:
            return _fatal(
                instance,
                "has neither an interface nor unicast peers, on which keepalived's VRRP process "
                "crashes again and again, so that no address is there: give it an interface",
            )
        return None
    return _fatal(instance, f"has no interface, {_SO}: give it one (the loopback is none)")


def _without_vips(instance: OpenInstance) -> Problem | None:
    """vrrp_complete_instance, 2895-2902 and 3816-3824 (2.4.3: 3806-3818)."""
    if instance.vips:
        return None
    strict = bool(instance.strict)
    if instance.no_vips and not strict:
        return None
    needed = strict or instance.version != VERSIONS[0]
    needed = needed or (instance.dialect.wants_address_for_ipv6 and instance.family is Family.INET6)
    if needed:
        return _fatal(
            instance, f"is left without a virtual_ipaddress, {_SO}: give it one of its family"
        )
    return Problem(
        instance.origin,
        f"vrrp_instance {instance.name} is left without a virtual_ipaddress: give it one, or "
        "remove it",
    )


def _strict_unicast(instance: OpenInstance) -> Problem | None:
    """vrrp_complete_instance (2.4.3: 3002-3008): it depends on the interface."""
    speaks = instance.peers and instance.strict and instance.interface is not None
    if not (speaks and instance.dialect.refuses_strict_unicast):
        return None
    return Problem(
        instance.origin,
        f"vrrp_instance {instance.name} has unicast peers and strict mode, {_SO} where "
        f"{instance.interface} does multicast, as most do: take away one of them",
    )


def _same_routers(instances: list[OpenInstance], defaults: VrrpDefaults) -> Iterator[Problem]:
    """check_vrid_conflicts, 4271-4400: by multicast on one interface and to one group; by unicast
    with one source and a common peer, which is as far as the file alone shows it.
    """
    seen: dict[object, list[OpenInstance]] = {}
    for instance in instances:
        family = instance.family or Family.INET
        place: tuple[object, ...]
        if instance.peers:
            place, known = (instance.source,), instance.source is not None
        else:
            place = (instance.interface, instance.group or defaults.group(family))
            known = instance.interface is not None
        if not (known and instance.router):
            continue
        before = seen.setdefault((instance.router, family, place), [])
        if other := next((each for each in before if _meet(each, instance)), None):
            yield _same_router(other, instance, defaults)
        before.append(instance)


def _meet(one: OpenInstance, other: OpenInstance) -> bool:
    """Whether two of one router, family and place are in each other's way."""
    if not one.peers:
        return True
    apart = None not in (one.interface, other.interface) and one.interface != other.interface
    return not apart and not set(one.peers).isdisjoint(other.peers)


def _same_router(one: OpenInstance, other: OpenInstance, defaults: VrrpDefaults) -> Problem:
    absent = " where that interface is there" if defaults.dynamic_interfaces else ""
    name = "IPv4" if one.family is Family.INET else "IPv6"
    where = f" on {one.interface}" if one.interface else ""
    return Problem(
        other.origin,
        f"vrrp_instance {other.name} has the virtual_router_id {other.router} of {one.name} "
        f"({one.origin}), both with {name}{where}, {_SO}{absent}: give it another",
        fatal=not absent,
    )


def _fatal(instance: OpenInstance, what: str) -> Problem:
    return Problem(instance.origin, f"vrrp_instance {instance.name} {what}", fatal=True)
