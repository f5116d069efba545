"""Flows that are declared to come by an interface of which the kernel drops all packets, since no
sender would be answered there.
"""

from collections.abc import Iterator

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.host import HostView
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.service import Family


def unreturnable(desired: Desired, host: HostView) -> Iterator[Finding]:
    """A finding for each service and interface."""
    if not host.dead_ends:
        return
    for key in sorted(desired.services):
        if key.family is not Family.INET:
            continue  # it has no such filter of the kernel's own
        told = set[str]()
        for declared in desired.flows[key]:
            by = declared.flow.qualifier(InInterface)
            if by is None or by.name in told or by.name not in host.dead_ends:
                continue
            told.add(by.name)
            yield Finding(
                Kind.UNDELIVERED,
                f"all packets that come by {by.name} are dropped before IPVS: their senders have"
                f" to be reached by {by.name} (rp_filter = 1), and no route leads there",
                f"set `net.ipv4.conf.{by.name}.rp_filter = 2` (sysctl -w, and in /etc/sysctl.d), or"
                f" add the route by {by.name}",
                service=key,
                family=key.family,
                origins=(declared.origin,),
                subject=("rp_filter", by.name),
            )
