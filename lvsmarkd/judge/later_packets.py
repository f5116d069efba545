"""Connections that break after their first packet: conntrack sees no answer of a real server that
answers the client itself (DR, TUN), takes what the client sends next for invalid, and a rule drops
that.

It does so where it notes what IPVS balances (``net.ipv4.vs.conntrack``): after SYN without SYN,ACK
nothing of the client is valid; and where it takes no packet of an unknown connection for a new one
(net/netfilter/nf_conntrack_proto_tcp.c; both measured).
"""

from collections.abc import Iterator

from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.evaluation.census import Census
from lvsmarkd.judge.evaluation.hook_path import hook_path
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.packet_class import classes_of
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.judge.evaluation.trail import End, Ending
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.host import HostView
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.rule_spec import RuleSpec, StateTest
from lvsmarkd.model.service import Family, Service, ServiceKey
from lvsmarkd.model.snapshot import Snapshot


def broken_later(desired: Desired, seen: Snapshot) -> Iterator[Finding]:
    """A finding for each service with flows and each rule by which that is certain."""
    host = seen.host
    if host.tracks_balanced is not True and host.picks_up is not False:
        return
    for family in Family:
        keys = sorted(
            key
            for key in desired.configured & desired.services.keys()
            if key.family is family
            and desired.flows[key]
            and _is_direct(desired.services[key], host)
        )
        if not keys:
            continue
        terrain = Terrain(seen.ruleset, hook_path(seen.ruleset, family), host)
        if not terrain.path.unread and _has_such_rules(terrain):
            follower = _Follower(desired, terrain)
            for key in keys:
                yield from follower.findings(key, tracked=host.tracks_balanced is True)


class _Follower:
    """Sends what an ordinary client sends after its first packet."""

    def __init__(self, desired: Desired, terrain: Terrain) -> None:
        self._desired = desired
        self._terrain = terrain
        census = Census(terrain)
        terrain.told(tracks=census.tracks_connections, filled=census.filled)
        self._sender = census.sender
        self._entries = terrain.host.entries(census.interfaces)

    def findings(self, key: ServiceKey, *, tracked: bool) -> Iterator[Finding]:
        """Of one service."""
        setting = "net.ipv4.vs.conntrack = 0" if tracked else "nf_conntrack_tcp_loose = 1"
        told = set[RuleRef]()
        for declared in self._desired.flows[key]:
            for packets in classes_of(declared.flow, key.family, self._entries):
                if packets.protocol != Transport.TCP:
                    continue
                later = replace(packets, is_later=True)
                for end in Journey(self._terrain, self._sender).ends(later):
                    rule = _dropped_by(end)
                    if rule is None or rule in told:
                        continue
                    told.add(rule)
                    yield Finding(
                        Kind.UNDELIVERED,
                        f"“{rule}” in {rule.where} drops what clients of {declared.flow.text()}"
                        " send after their first packet: their real servers answer them directly,"
                        " and conntrack, which sees no answer, takes it for invalid",
                        f"accept them before that rule, or set `{setting}` (sysctl -w, and in"
                        " /etc/sysctl.d)",
                        service=key,
                        family=key.family,
                        rule=rule,
                        origins=(declared.origin,),
                        subject="invalid",
                    )


def _is_direct(service: Service, host: HostView) -> bool:
    """Whether a real server answers clients itself, by another way than through this host."""
    return any(
        host.delivers(server.version, int(server), int(server)) is False
        for server in service.real_addresses
        if server not in service.nat_servers
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
