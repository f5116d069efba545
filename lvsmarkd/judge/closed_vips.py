"""Services that keepalived itself keeps packets from: it drops what comes for the addresses of an
instance while it is master, before IPVS sees it. Known from its file, before it is started.
"""

from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_network

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.model.fate import Fate
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.keepalived import VipClosing, VrrpInstance
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.service import Network, ServiceKey


def closed_vips(desired: Desired, now: Outlook | None) -> Iterator[Finding]:
    """A finding for each service and each instance that closes an address of its packets: those
    that are declared, else those that come with its mark now.
    """
    closed: dict[Network, list[VrrpInstance]] = {}
    for instance in desired.instances:
        for vip in instance.vips if instance.closing is not None else ():
            closed.setdefault(ip_network(vip), []).append(instance)
    if not closed:
        return
    for key in sorted(desired.services):
        flows = [each.flow for each in desired.flows[key]]
        if not flows and now is not None:
            parts = now.services[key].parts
            flows = [part.fate.packets for part in parts if part.fate.fate is Fate.RIGHT]
        met: dict[str, tuple[VrrpInstance, list[Network]]] = {}
        for to in dict.fromkeys(net for flow in flows for net in _meant(flow, closed)):
            for instance in closed[to]:
                met.setdefault(instance.name, (instance, []))[1].append(to)
        for instance, vips in met.values():
            if instance.closing is not None:
                yield _closed(key, instance, instance.closing, vips)


def _meant(flow: Packets, vips: Collection[Network]) -> Iterable[Network]:
    """The addresses that packets are meant for. Those for any address are not meant for one."""
    to = flow.destination
    if to is None or not to.prefixlen:
        return ()
    if to.prefixlen == to.max_prefixlen:
        return (to,) if to in vips else ()
    return (vip for vip in vips if vip.version == to.version and vip.network_address in to)


def _closed(
    key: ServiceKey, instance: VrrpInstance, by: VipClosing, vips: list[Network]
) -> Finding:
    listed = ", ".join(str(vip.network_address) for vip in vips)
    return Finding(
        Kind.UNACCEPTED,
        f"keepalived drops all packets for {listed} while vrrp_instance {instance.name} is master,"
        f" by {by.keyword} ({by.origin}), before IPVS sees them",
        _advice(instance, by),
        graded=Severity.CRITICAL,
        service=key,
        plane=Plane.RUNTIME,
        family=key.family,
        origins=(by.origin, instance.origin),
        subject=("closed", instance.name),
    )


def _advice(instance: VrrpInstance, by: VipClosing) -> str:
    place = f"into vrrp_instance {instance.name}"
    if by.takes_accept and by.keyword == "no_accept":
        return f"write `accept` {place} in its place"
    if by.takes_accept:
        return f"write `accept` {place}"
    whole = "`accept` and `version 3`"
    if by.keyword == "no_accept":
        return (
            f"write {whole} {place} in its place: strict mode takes no `accept` in VRRP version 2"
        )
    return (
        f"write {whole} {place} (the other directors need the same version), or remove"
        f" {by.keyword}: with version 2 strict mode takes no `accept`"
    )
