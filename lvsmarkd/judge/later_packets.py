"""Packets after the first of a connection that conntrack takes for invalid, and that a rule drops.

A real server that answers the client itself (DR, TUN) lets conntrack see no answer. Where it notes
what IPVS balances (``net.ipv4.vs.conntrack``), nothing that the client sends after SYN is valid;
likewise where it takes no packet of an unknown connection for a new one. An answer that comes back
through this host (NAT) belongs to no connection that it knows, where it does not note these
(net/netfilter/nf_conntrack_proto_tcp.c, ipvs/ip_vs_xmit.c; measured).
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.evaluation.census import Census
from lvsmarkd.judge.evaluation.hook_path import HookPath, hook_path, way_back
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.packet_class import Moment, PacketClass, classes_of
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.judge.evaluation.trail import End, Ending
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.host import HostView
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.rule_spec import RuleSpec, StateTest
from lvsmarkd.model.service import Address, Family, Service, ServiceKey
from lvsmarkd.model.snapshot import Snapshot

_KEPT = "(sysctl -w, and in /etc/sysctl.d)"
_EPHEMERAL = (32_768, 60_999)
"""Ports of clients."""


def broken_later(desired: Desired, seen: Snapshot) -> Iterator[Finding]:
    """A finding for each service with flows and each rule that breaks its connections after their
    first packet, where that is certain.
    """
    host = seen.host
    if host.tracks_balanced is not True and host.picks_up is not False:
        return
    for family in Family:
        keys = [
            key
            for key in _configured(desired, family)
            if desired.flows[key] and any(_direct(desired.services[key], host))
        ]
        terrain = _terrain(seen, hook_path(seen.ruleset, family)) if keys else None
        if terrain is not None:
            follower = _Follower(terrain)
            for key in keys:
                yield from _broken(key, desired, follower, tracked=host.tracks_balanced is True)


def unanswered(desired: Desired, seen: Snapshot) -> Iterator[Finding]:
    """A finding for each service by NAT and each rule that drops all answers of its first real
    server, where that is certain.
    """
    if seen.host.tracks_balanced is not False:
        return
    for family in Family:
        keys = [key for key in _configured(desired, family) if desired.services[key].nat_servers]
        terrain = _terrain(seen, way_back(seen.ruleset, family)) if keys else None
        if terrain is not None:
            follower = _Follower(terrain)
            for key in keys:
                yield from _unanswered(key, desired, follower)


def _configured(desired: Desired, family: Family) -> list[ServiceKey]:
    there = desired.configured & desired.services.keys()
    return sorted(key for key in there if key.family is family)


def _terrain(seen: Snapshot, path: HookPath) -> Terrain | None:
    """What packets meet there; None where it is not all known, or no rule drops what is invalid."""
    terrain = Terrain(seen.ruleset, path, seen.host)
    return terrain if not path.unread and _has_such_rules(terrain) else None


class _Follower:
    """Sends packets that conntrack takes for invalid."""

    def __init__(self, terrain: Terrain) -> None:
        self.terrain = terrain
        census = Census(terrain)
        terrain.told(tracks=census.tracks_connections, filled=census.filled)
        self.client = census.sender
        self.entries = terrain.host.entries(census.interfaces)

    def dropped_by(self, sender: Sender, packets: PacketClass) -> list[RuleRef | None]:
        """For each part of them the rule that certainly drops it for that."""
        return [_dropped_by(end) for end in Journey(self.terrain, sender).ends(packets)]


def _broken(
    key: ServiceKey, desired: Desired, follower: _Follower, *, tracked: bool
) -> Iterator[Finding]:
    setting = "net.ipv4.vs.conntrack = 0" if tracked else "net.netfilter.nf_conntrack_tcp_loose = 1"
    told = set[RuleRef]()
    for declared in desired.flows[key]:
        for packets in classes_of(declared.flow, key.family, follower.entries):
            if packets.protocol != Transport.TCP:
                continue
            later = replace(packets, moment=Moment.NEXT)
            for rule in follower.dropped_by(follower.client, later):
                if rule is None or rule in told:
                    continue
                told.add(rule)
                yield Finding(
                    Kind.UNDELIVERED,
                    f"“{rule}” in {rule.where} drops what clients of {declared.flow.text()} send"
                    " after their first packet: their real servers answer them directly, and"
                    " conntrack, which sees no answer, takes it for invalid",
                    f"accept them before that rule, or set `{setting}` {_KEPT}",
                    service=key,
                    family=key.family,
                    rule=rule,
                    origins=(declared.origin,),
                    subject="invalid",
                )


def _unanswered(key: ServiceKey, desired: Desired, follower: _Follower) -> Iterator[Finding]:
    service = desired.services[key]
    server = service.nat_servers[0]
    host = follower.terrain.host
    if Transport.TCP not in (service.transports or (Transport.TCP,)) or not service.real_ports:
        return
    if host.delivers(server.version, int(server), int(server)) is not False:
        return
    found = [
        rule
        for port in service.real_ports
        for rule in follower.dropped_by(Sender(int(server), port), _answer(key.family, follower))
    ]
    rule = found[0] if found else None
    if rule is not None and None not in found:
        yield Finding(
            Kind.UNDELIVERED,
            f"“{rule}” in {rule.where} drops the answers of real server {server} (lb_kind NAT)"
            " before IPVS sees them: conntrack takes them for invalid, since IPVS keeps its"
            " connections from it",
            f"set `net.ipv4.vs.conntrack = 1` {_KEPT}, or accept them before that rule",
            service=key,
            family=key.family,
            rule=rule,
            origins=service.origins,
            subject="invalid answers",
        )


def _answer(family: Family, follower: _Follower) -> PacketClass:
    """What a real server sends to an ordinary client."""
    to, ports = follower.client.source, _EPHEMERAL
    tcp = int(Transport.TCP)
    return PacketClass(family, to, to, tcp, *ports, follower.entries, moment=Moment.ANSWER)


def _direct(service: Service, host: HostView) -> Iterable[Address]:
    """The real servers that answer clients by another way than through this host."""
    return (
        server
        for server in service.real_addresses
        if server not in service.nat_servers
        and host.delivers(server.version, int(server), int(server)) is False
    )


def _has_such_rules(terrain: Terrain) -> bool:
    return any(
        _asks_for_invalid(rule.spec)
        for table in terrain.tables()
        for chain in table.chains.values()
        for rule in chain.rules
    )


def _asks_for_invalid(spec: RuleSpec) -> bool:
    return any(
        isinstance(each, StateTest) and not each.negated and "INVALID" in each.states
        for each in spec.conditions
    )


def _dropped_by(end: End) -> RuleRef | None:
    """The rule that certainly drops packets for being invalid."""
    steps = end.trail.steps()
    if end.ending is not Ending.DROPPED or end.trail.is_forked or not steps:
        return None
    last = steps[-1].place
    if last.rule is None or not _asks_for_invalid(last.rule.spec):
        return None
    return last.table.rule(last.chain, last.rule.line, last.rule.text or str(last.rule.spec))
