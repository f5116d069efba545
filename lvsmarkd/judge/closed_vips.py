"""Services that keepalived itself keeps packets from: it drops what comes for the addresses of an
instance while it is master, before IPVS sees it. Known from its file, before it is started.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.model.fate import Fate
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.keepalived import VipClosing, VrrpInstance
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.service import Address, ServiceKey


def closed_vips(desired: Desired, now: Outlook | None) -> Iterator[Finding]:
    """A finding for each service and each instance that closes an address of its packets: those
    that are declared, else those that come with its mark now.
    """
    closing = [(i, i.closing) for i in desired.instances if i.closing is not None]
    if not closing:
        return
    for key in sorted(desired.services):
        flows = [each.flow for each in desired.flows[key]]
        if not flows and now is not None:
            parts = now.services[key].parts
            flows = [part.fate.packets for part in parts if part.fate.fate is Fate.RIGHT]
        for instance, by in closing:
            if vips := [vip for vip in instance.vips_of(key.family) if _is_for(flows, vip)]:
                yield _closed(key, instance, by, vips)


def _is_for(flows: Iterable[Packets], vip: Address) -> bool:
    """Whether packets for an address are meant. Those for any address are not meant for one."""
    to = ip_network(vip)
    return any(
        flow.destination is not None
        and flow.destination.prefixlen > 0
        and flow.destination.overlaps(to)
        for flow in flows
    )


def _closed(
    key: ServiceKey, instance: VrrpInstance, by: VipClosing, vips: list[Address]
) -> Finding:
    listed = ", ".join(map(str, vips))
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
