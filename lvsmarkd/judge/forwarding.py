"""Answers that cannot go back: those of real servers by NAT come through this host, which has to
forward them. IPVS sees them at FORWARD; without forwarding the routing before it drops them.
"""

from collections.abc import Iterator
from ipaddress import ip_network

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.host import HostView
from lvsmarkd.model.service import Family


def unforwarded(desired: Desired, host: HostView) -> Iterator[Finding]:
    """A finding for each service of IPv4 by NAT on a host of which no interface forwards. A real
    server that is this host answers without.
    """
    if host.forwards is not False or host.local is None:
        return
    here = frozenset(net for net in host.local if net.prefixlen == net.max_prefixlen)
    wide = tuple(net for net in host.local if net not in here)
    for key in sorted(desired.configured & desired.services.keys()):
        service = desired.services[key]
        away = [
            server
            for server in service.nat_servers
            if ip_network(server) not in here and not any(server in net for net in wide)
        ]
        if key.family is not Family.INET or not away:
            continue
        yield Finding(
            Kind.UNDELIVERED,
            f"real server {away[0]} answers through this host (lb_kind NAT), which forwards"
            " nothing, so that clients get no answer",
            "set `net.ipv4.ip_forward = 1` (sysctl -w, and in /etc/sysctl.d)",
            service=key,
            family=key.family,
            origins=service.origins,
            subject="net.ipv4.ip_forward",
        )
