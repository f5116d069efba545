"""Packets that go to another service than one may think, or to none: those of services by address
that a declaration takes, and those of a VIP that nobody marks beside one that somebody does.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlook import Outlook, ServiceOutlook
from lvsmarkd.model.address_service import AddressService
from lvsmarkd.model.fate import Fate
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.service import Address, FlowSource, Network

_ByAddress = dict[Network | None, list[AddressService]]


def uninvited(desired: Desired) -> Iterator[Finding]:
    """Declarations that take packets of services by address: IPVS looks up the mark first."""
    by_address: _ByAddress = {}
    wide: list[AddressService] = []
    for each in desired.address_services:
        if _is_one(each.packets.destination):
            by_address.setdefault(each.packets.destination, []).append(each)
        else:
            wide.append(each)
    for key, flows in desired.flows.items():
        told: dict[AddressService, None] = {}
        for own in flows:
            alone = _is_one(own.flow.destination)
            near: Iterable[AddressService] = desired.address_services
            if alone:
                near = (*by_address.get(own.flow.destination, ()), *wide)
            for each in near:
                if each in told or not each.packets.overlaps(own.flow):
                    continue
                told[each] = None
                yield Finding(
                    Kind.PROBLEM,
                    f"{own.flow} is declared for mark {key.mark} and takes packets of {each}: IPVS"
                    " looks up the mark first",
                    "leave these packets out of the declaration, or remove that virtual_server",
                    graded=Severity.WARNING,
                    service=key,
                    family=key.family,
                    origins=tuple(filter(None, (own.origin, each.origin))),
                    subject=(own.flow, each.packets),
                )


def unmarked_vips(desired: Desired, now: Outlook | None) -> Iterator[Finding]:
    """Other VIPs of an instance one of whose VIPs carries the mark of a service that rules of
    others mark, where nothing marks packets to them and no service by address has them.
    """
    if now is None:
        return
    for key, coverage in sorted(desired.coverage.items()):
        looked = now.services.get(key)
        if coverage is not FlowSource.NONE or looked is None or now.unread.get(key.family):
            continue
        right = list(_packets(looked, Fate.RIGHT))
        for instance in desired.instances:
            vips = instance.vips_of(key.family)
            held = [vip for vip in vips if any(map(_to(vip).overlaps, right))]
            others = [vip for vip in vips if vip not in held] if held else []
            for vip in others:
                if _is_used(vip, desired, now):
                    continue
                yield Finding(
                    Kind.PROBLEM,
                    f"packets to {held[0]} come with mark {key.mark}, and nothing marks those to"
                    f" {vip}, another address of {instance.name}",
                    "mark them too, or leave it if that address is for something else",
                    graded=Severity.WARNING,
                    service=key,
                    family=key.family,
                    origins=(*desired.services[key].origins, instance.origin),
                    subject=("unmarked", str(vip)),
                )


def _is_used(vip: Address, desired: Desired, now: Outlook) -> bool:
    """Whether packets to it may bear a mark, or belong to a service by address."""
    to = _to(vip)
    return (
        any(map(to.overlaps, (part for each in now.services.values() for part in _packets(each))))
        or any(to.overlaps(own.flow) for many in desired.flows.values() for own in many)
        or any(to.overlaps(each.packets) for each in desired.address_services)
    )


def _packets(looked: ServiceOutlook, only: Fate | None = None) -> Iterator[Packets]:
    for part in looked.parts:
        if only is None or part.fate.fate is only:
            yield part.fate.packets


def _to(vip: Address) -> Packets:
    return Packets(destination=ip_network(vip))


def _is_one(network: Network | None) -> bool:
    return network is not None and network.prefixlen == network.max_prefixlen
