"""Answers that cannot go back: those of real servers by NAT come through this host, which has to
forward them. IPVS sees them at FORWARD; without forwarding the routing before it drops them.

A rule may see to it that they come here, by another source for what IPVS sends out. IPVS has
conntrack pass its packets by, and nat with it, but where ``net.ipv4.vs.conntrack`` is set
(net/netfilter/ipvs/ip_vs_xmit.c, ip_vs_nat_send_or_cont).
"""

from collections.abc import Iterator
from ipaddress import ip_network

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.host import HostView
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.rule_spec import Opaque, Other, RuleSpec
from lvsmarkd.model.ruleset import Table
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Snapshot


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


def untracked(desired: Desired, seen: Snapshot) -> Iterator[Finding]:
    """A finding for each rule that would give another source to what IPVS sends by NAT (``-m
    ipvs``), and that no such packet meets.
    """
    if seen.host.tracks_balanced is not False:
        return
    keys = sorted(key for key in desired.configured if key in desired.services)
    served = {key.family: key for key in keys if desired.services[key].nat_servers}
    for table in seen.ruleset.readable():
        families = [family for family in table.key.families if family in served]
        for rule in _sources_of_balanced(table) if families else ():
            yield Finding(
                Kind.UNDELIVERED,
                f"“{rule}” in {rule.where} gives no packet of a service another source, since IPVS"
                " keeps its packets from conntrack: answers of real servers that have another way"
                " to the client do not come back here",
                "set `net.ipv4.vs.conntrack = 1` (sysctl -w, and in /etc/sysctl.d)",
                graded=Severity.WARNING,
                family=families[0],
                rule=rule,
                subject="net.ipv4.vs.conntrack",
            )


def _sources_of_balanced(table: Table) -> Iterator[RuleRef]:
    for base in table.chains.values():
        if base.base is None or base.base.hook is not Hook.POSTROUTING or base.base.kind != "nat":
            continue
        for chain in table.reached(base.name).values():
            for rule in chain.rules:
                if _is_of_balanced(rule.spec):
                    yield table.key.rule(chain.name, rule.line, rule.text or str(rule.spec))


def _is_of_balanced(spec: RuleSpec) -> bool:
    target = spec.only_effect
    return (
        isinstance(target, Other)
        and target.target in {"MASQUERADE", "SNAT"}
        and any(
            isinstance(each, Opaque) and each.module == "ipvs" and "!" not in each.words
            for each in spec.conditions
        )
    )
