"""Packets that go to another service than one may think, or to none: those of services by address
that a declaration takes, and those of a VIP that nobody marks beside one that somebody does.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlook import Outlook, ServiceOutlook
from lvsmarkd.model.address_service import AddressService
from lvsmarkd.model.fate import Fate
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.service import Address, Family, FlowSource, Network, ServiceKey

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


def unmarked_vips(desired: Desired, now: Outlook) -> Iterator[Finding]:
    """VIPs that nothing marks and no service by address has, where another one of their instance
    carries the mark of a service that rules of others mark. One finding for each.
    """
    used = _Destinations.of(_used(desired, now))
    idle = {
        family: [
            (instance, vips)
            for instance in desired.instances
            if (vips := [v for v in instance.vips_of(family) if not used.has(v)])
        ]
        for family in Family
        if not now.unread.get(family)
    }
    places = {
        vip: place
        for family, own in idle.items()
        for place, (instance, _) in enumerate(own)
        for vip in instance.vips_of(family)
    }
    marked: dict[tuple[Family, int], dict[ServiceKey, Address]] = {}
    for key, coverage in sorted(desired.coverage.items()):
        if coverage is not FlowSource.NONE or not idle.get(key.family) or key not in now.services:
            continue
        right = _Destinations.of(_packets(now.services[key], Fate.RIGHT))
        hit = [vip for vip in right.hosts if vip in places]
        if right.wide or right.anywhere:
            hit = [vip for vip in places if Family.of(vip) is key.family and right.has(vip)]
        for vip in sorted(hit, key=int, reverse=True):
            marked.setdefault((key.family, places[vip]), {})[key] = vip
    for (family, place), by_key in marked.items():
        instance, vips = idle[family][place]
        for vip in vips:
            yield _unmarked(vip, instance, by_key, desired)


def _unmarked(
    vip: Address, instance: VrrpInstance, marked: Mapping[ServiceKey, Address], desired: Desired
) -> Finding:
    key, other = next(iter(marked.items()))
    more = f" (and {len(marked) - 1} more)" if len(marked) > 1 else ""
    return Finding(
        Kind.PROBLEM,
        f"packets to {other} come with mark {key.mark}{more}, and nothing marks those to {vip},"
        f" another address of {instance.name}",
        "mark them too, or leave it if that address is for something else",
        graded=Severity.WARNING,
        service=key if len(marked) == 1 else None,
        family=key.family,
        origins=(*desired.services[key].origins, instance.origin),
        subject=("unmarked", str(vip)),
    )


class _Destinations(Struct, frozen=True):
    """Where packets go to, looked up by address."""

    hosts: frozenset[Address]
    wide: tuple[Network, ...]
    anywhere: bool

    @classmethod
    def of(cls, packets: Iterable[Packets]) -> "_Destinations":
        found = {each.destination for each in packets}
        known = [network for network in found if network is not None]
        hosts = frozenset(network.network_address for network in known if _is_one(network))
        return cls(hosts, tuple(n for n in known if not _is_one(n)), None in found)

    def has(self, vip: Address) -> bool:
        """Whether some packets go there."""
        if self.anywhere or vip in self.hosts:
            return True
        return any(vip in network for network in self.wide)


def _used(desired: Desired, now: Outlook) -> Iterator[Packets]:
    """All that may bear a mark, or belongs to a service by address."""
    for looked in now.services.values():
        yield from _packets(looked)
    for flows in desired.flows.values():
        yield from (own.flow for own in flows)
    yield from (each.packets for each in desired.address_services)


def _packets(looked: ServiceOutlook, only: Fate | None = None) -> Iterator[Packets]:
    for part in looked.parts:
        if only is None or part.fate.fate is only:
            yield part.fate.packets


def _is_one(network: Network | None) -> bool:
    return network is not None and network.prefixlen == network.max_prefixlen
