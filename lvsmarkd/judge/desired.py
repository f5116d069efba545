"""What must hold: services, their flows, and the rules that mark them.

The last good state is an input: what cannot be read, or is refused, leaves in force what was
known before. Only a whole reading takes a service away.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from zlib import crc32

from msgspec import Struct, field

from lvsmarkd.judge.kept import kept_flows, kept_instances
from lvsmarkd.judge.layout import rules_of
from lvsmarkd.judge.suggestion import Candidates, Suggestion, contested, suggest
from lvsmarkd.model.address_service import AddressService
from lvsmarkd.model.declaration import Declared, DeclaredFlow, DeclaredName
from lvsmarkd.model.host import UNKNOWN_HOST, HostView
from lvsmarkd.model.ipvs import LoadedIpvs, in_ipvs
from lvsmarkd.model.keepalived import (
    Completeness,
    Namespace,
    Reading,
    ReservedMarks,
    VrrpInstance,
)
from lvsmarkd.model.limits import DEFAULT_LIMITS, Limits
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.protocols import AH_PROTOCOL, VRRP_PROTOCOL
from lvsmarkd.model.rule import Accept, Hook, Rule
from lvsmarkd.model.runtime_state import UNASKED, RuntimeState
from lvsmarkd.model.service import Family, FlowSource, Network, Service, ServiceKey
from lvsmarkd.model.unknown import Unknown


class Options(Struct, frozen=True):
    """The operator's choices that bear on what must hold, and what the firewall can say."""

    infer: bool = False
    vrrp_accept: bool = True
    local: bool = False
    limits: Limits = DEFAULT_LIMITS

    def refusal(self, flow: Packets) -> str:
        """Why the firewall cannot hold a flow, and what to do; empty where it can."""
        remedy = 'or set backend = "iptables" under [firewall]'
        for each in flow.qualifiers:
            most = self.limits.max_values.get(type(each))
            if most is not None and len(each.values) > most:
                return f"{each.beyond(most)}, {remedy}"
        return ""

    def refusal_of(self, declared: DeclaredFlow, mark: int) -> str:
        """The same of a declared flow of a mark, which is to be accepted, perhaps."""
        if declared.accept and not self.limits.accepts:
            return (
                "found accept, and a table of lvsmarkd's own cannot let packets in that another"
                " chain refuses: leave it out, and have the chain that refuses them accept what"
                f" bears the mark (nft: meta mark {mark} accept; iptables: -m mark --mark {mark}"
                ' -j ACCEPT), or set backend = "iptables" under [firewall]'
            )
        return self.refusal(declared.flow)


class Desired(Struct, frozen=True):
    """What must hold.

    ``removable`` is false while the configuration cannot be trusted to be whole: no rule is
    taken away then. ``frozen_marks`` are marks whose declarations are refused: their rules stay as
    they are. ``short`` are services of such marks for which no last good flows are known.
    ``unused`` are declared keys that no service has. ``configured`` are the services that the
    file holds: the others are still in use, and leave with it. ``waiting`` are services some
    of whose packets belong to another one until that has left. ``addressless`` are services that
    are declared by names of vrrp_instances alone, none of which has an address of their family.
    ``address_services`` are those by address, of the file and of IPVS.
    ``local`` is what keepalived makes local besides the instances' addresses.
    ``policy`` is what all of it was made by.
    """

    services: Mapping[ServiceKey, Service] = field(default_factory=dict)
    flows: Mapping[ServiceKey, tuple[DeclaredFlow, ...]] = field(default_factory=dict)
    coverage: Mapping[ServiceKey, FlowSource] = field(default_factory=dict)
    suggestions: Mapping[ServiceKey, Suggestion] = field(default_factory=dict)
    unused: Mapping[ServiceKey, DeclaredFlow] = field(default_factory=dict)
    instances: tuple[VrrpInstance, ...] = ()
    local: tuple[Network, ...] = ()
    rules: frozenset[Rule] = frozenset()
    problems: tuple[Problem, ...] = ()
    frozen_marks: frozenset[int] = frozenset()
    short: frozenset[ServiceKey] = frozenset()
    removable: bool = True
    configured: frozenset[ServiceKey] = frozenset()
    waiting: frozenset[ServiceKey] = frozenset()
    addressless: Mapping[ServiceKey, tuple[DeclaredName, ...]] = field(default_factory=dict)
    address_services: tuple[AddressService, ...] = ()
    namespace: Namespace | None = None
    runtime_state: RuntimeState = UNASKED
    policy: Options = Options()

    @property
    def blind(self) -> bool:
        """Whether it is unknown which services are in use besides those of the file."""
        copy = self.runtime_state.copy
        seen = copy is not None and copy.completeness is Completeness.WHOLE
        return isinstance(self.runtime_state.kernel, Unknown) and not seen

    def leaving(self, key: ServiceKey) -> bool:
        """Whether a service is in use still, and its file does not hold it any more."""
        return key in self.services and key not in self.configured

    @property
    def checksum(self) -> int:
        """32 bits over what must hold: equal on all directors of a cluster that agree.

        Not over the rules for it: how many of these it takes depends on the firewall.
        """
        lines = [str(key) for key in self.services]
        for key, many in self.flows.items():
            lines += [f"{key} {own.flow}{' accept' if own.accept else ''}" for own in many]
        vrrp = {rule for rule in self.rules if rule.mark is None}
        if self.policy.vrrp_accept and not self.policy.limits.accepts:
            vrrp.update(vrrp_rules(self.instances))  # another director's firewall can hold them
        lines += [f"{rule.family} {rule}" for rule in vrrp]
        if any(rule.hook is Hook.OUTPUT for rule in self.rules):
            lines.append("local")
        # Against chance, not against malice: hashlib would bring OpenSSL into the first pass.
        return crc32("\n".join(sorted(lines)).encode())


def desired(  # noqa: PLR0913 - all that it is made of
    reading: Reading,
    declared: Declared,
    policy: Options,
    before: Desired | None = None,
    runtime_state: RuntimeState = UNASKED,
    *,
    host: HostView = UNKNOWN_HOST,
) -> Desired:
    """What must hold by a reading and the declarations; ``before`` is the last good state, ``host``
    tells which addresses this host has.

    The services are those of the file, united with those that the running keepalived has read
    and those that IPVS holds: rules come before a service does, and go after it.
    """
    whole = reading.completeness is Completeness.WHOLE
    configured = _configured(reading, before)
    meant = {*configured, *declared.flows, *(before.services if before else ())}
    services = configured | _in_use(configured, meant, reading, runtime_state, before)
    instances, local = reading.instances, reading.local
    if not whole and before is not None:
        instances = kept_instances(instances, before.instances)
        local = tuple(dict.fromkeys((*local, *before.local)))
    used = {key: own for key, own in declared.flows.items() if key in services}
    problems = (*declared.problems, *_beyond(used, policy))
    frozen_marks = frozenset(mark for p in problems if p.fatal for mark in p.marks)
    kept = {} if before is None else kept_flows(before, used, frozen_marks, configured, whole=whole)
    # Of flows that another firewall kept, and this one cannot, no part is the last good state.
    kept = {
        key: own
        for key, own in kept.items()
        if not any(policy.refusal_of(each, key.mark) for each in own)
    }
    flows = {
        key: kept[key] if key in kept else _followed(key, used, frozen_marks, policy)
        for key in services
    }
    waiting = _make_wait(flows, kept, configured)
    coverage = {key: FlowSource.DECLARED if flows[key] else FlowSource.NONE for key in services}
    bare = [
        service
        for key, service in services.items()
        if service.origins
        and not flows[key]
        and key.mark not in frozen_marks
        and key not in waiting
    ]
    address_services = _address_services(reading, runtime_state, before)
    claims = [(key.mark, own.flow) for key, many in flows.items() for own in many]
    around = Candidates.of(instances, claims, address_services, host) if bare else Candidates()
    guesses = contested(suggest(service, around) for service in bare)
    suggestions = {each.service.key: each for each in guesses}
    if policy.infer:
        for key, suggestion in suggestions.items():
            if inferred := suggestion.flows():
                flows[key], coverage[key] = inferred, FlowSource.INFERRED
    rules = [
        rule
        for key, own in flows.items()
        for rule in rules_of(
            key,
            own,
            max_ports_per_rule=policy.limits.max_ports_per_rule,
            local=policy.local,
            joins_ports=policy.limits.joins_ports,
        )
    ]
    if policy.vrrp_accept and policy.limits.accepts:
        rules += vrrp_rules(instances)
    return Desired(
        services=services,
        flows=flows,
        coverage=coverage,
        suggestions=suggestions,
        unused=_unused(declared, services),
        instances=instances,
        local=local,
        rules=frozenset(rules),
        problems=(*reading.problems, *problems),
        frozen_marks=frozen_marks,
        short=frozenset(key for key in services if key.mark in frozen_marks and key not in kept),
        removable=whole,
        configured=frozenset(configured),
        waiting=waiting,
        addressless={
            key: declared.names[key.mark]
            for key in services
            if not flows[key] and key.mark in declared.names and key.mark not in frozen_marks
        },
        address_services=address_services,
        namespace=reading.namespace,
        runtime_state=runtime_state,
        policy=policy,
    )


def _beyond(
    used: Mapping[ServiceKey, tuple[DeclaredFlow, ...]], policy: Options
) -> tuple[Problem, ...]:
    """The declarations that the firewall cannot hold, each said once."""
    found = {
        Problem(own.origin, reason, (key.mark,), fatal=True): None
        for key, many in used.items()
        for own in many
        if (reason := policy.refusal_of(own, key.mark))
    }
    return tuple(found)


def _unused(
    declared: Declared, services: Mapping[ServiceKey, Service]
) -> dict[ServiceKey, DeclaredFlow]:
    """Declared keys without a service; a name declares for the families there are."""
    marks = {key.mark for key in services}
    return {
        key: flows[0]
        for key, flows in declared.flows.items()
        if flows and key not in services and not (key in declared.named and key.mark in marks)
    }


def _configured(reading: Reading, before: Desired | None) -> dict[ServiceKey, Service]:
    known: dict[ServiceKey, Service] = {}
    if reading.completeness is not Completeness.WHOLE and before is not None:
        known = {key: before.services[key] for key in before.configured}
    return known | {service.key: service for service in reading.services}


def _in_use(
    configured: Mapping[ServiceKey, Service],
    meant: Collection[ServiceKey],
    reading: Reading,
    runtime_state: RuntimeState,
    before: Desired | None,
) -> dict[ServiceKey, Service]:
    """Services that are not configured, and still are, or may be, in use."""
    known = {} if before is None else before.services
    found: dict[ServiceKey, Service] = {}
    if runtime_state.copy is not None:
        found = {service.key: service for service in runtime_state.copy.services}
    if isinstance(runtime_state.kernel, LoadedIpvs):
        for key in runtime_state.kernel.services:
            found.setdefault(key, known.get(key) or Service(key, ()))
    if runtime_state.kernel is not None:
        # What could not be told is kept for as long as it cannot.
        unsure = {key: s for key, s in known.items() if in_ipvs(runtime_state.kernel, key) is None}
        found = unsure | found
    by_hand = set(meant)
    if runtime_state.copy is not None:
        by_hand |= {service.key for service in runtime_state.copy.services}
    automatic = [reserved for r in (reading, runtime_state.copy) if r and (reserved := r.reserved)]
    return {
        key: service
        for key, service in found.items()
        if key not in configured
        and (key in by_hand or not any(_handed_out(key, each) for each in automatic))
    }


def _make_wait(
    flows: dict[ServiceKey, tuple[DeclaredFlow, ...]],
    kept: Mapping[ServiceKey, tuple[DeclaredFlow, ...]],
    configured: Mapping[ServiceKey, Service],
) -> frozenset[ServiceKey]:
    """Leave packets to the service that has them: one that is still in use, or whose last good
    flows are in force. Takes them from the others, and gives those that wait for them.
    """
    first = {key: own for key, own in flows.items() if key in kept or key not in configured}
    waiting = set()
    for key in flows.keys() - first.keys():
        theirs = [
            own.flow
            for other, many in first.items()
            if other.family is key.family and other.mark != key.mark
            for own in many
        ]
        now = tuple(f for f in flows[key] if not any(f.flow.overlaps(other) for other in theirs))
        if len(now) < len(flows[key]):
            flows[key] = now
            waiting.add(key)
    return frozenset(waiting)


def _handed_out(key: ServiceKey, reserved: ReservedMarks) -> bool:
    """Whether keepalived marks a service by itself. A reload keeps marks that were handed out
    before, so that all above the first one may be.
    """
    return key in reserved.keys or key.mark >= reserved.start


def _followed(
    key: ServiceKey,
    used: Mapping[ServiceKey, tuple[DeclaredFlow, ...]],
    frozen_marks: frozenset[int],
    policy: Options,
) -> tuple[DeclaredFlow, ...]:
    """The flows declared for a service; of a mark that is refused, those that it alone claims
    and the firewall can hold.
    """
    now = used.get(key, ())
    if key.mark not in frozen_marks:
        return now
    rivals = [
        other.flow
        for rival, others in used.items()
        if rival.family is key.family and rival.mark != key.mark
        for other in others
    ]
    return tuple(
        own
        for own in now
        if not policy.refusal_of(own, key.mark)
        and not any(own.flow.overlaps(rival) for rival in rivals)
    )


def _address_services(
    reading: Reading, runtime_state: RuntimeState, before: Desired | None
) -> tuple[AddressService, ...]:
    """Services by address that are configured, or in use; each once, where it is written if that
    is known.
    """
    found = {each.packets: each for each in reversed(reading.address_services)}
    if reading.completeness is not Completeness.WHOLE and before is not None:
        found = {each.packets: each for each in before.address_services} | found
    if runtime_state.copy is not None:
        found = {each.packets: each for each in runtime_state.copy.address_services} | found
    if isinstance(runtime_state.kernel, LoadedIpvs):
        for packets in runtime_state.kernel.addresses:
            if not any(packets == known or known.covers(packets) for known in _at(packets, found)):
                found[packets] = AddressService(packets)
    return tuple(sorted(found.values(), key=lambda each: str(each.packets)))


def _at(packets: Packets, known: Mapping[Packets, AddressService]) -> Iterator[Packets]:
    """Those that may be the same: it itself, else what stands for several addresses."""
    if packets in known:
        yield packets
    else:
        yield from (e for e in known if e.destination and e.destination.num_addresses > 1)


def vrrp_rules(instances: Iterable[VrrpInstance]) -> list[Rule]:
    """Accept VRRP in the family that each instance speaks: protocol 112, and for IPv4 with
    ``auth_type AH`` protocol 51 (IPv6 never uses AH).
    """
    rules = set()
    for instance in instances:
        family = instance.family
        protocols = {(family, VRRP_PROTOCOL)}
        if instance.auth_ah and family is Family.INET:
            protocols.add((family, AH_PROTOCOL))
        rules |= {
            Rule(family, Hook.INPUT, Packets(protocol=protocol), Accept())
            for family, protocol in protocols
        }
    return list(rules)
