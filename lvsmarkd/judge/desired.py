"""What must hold: services, their flows, and the rules that mark them.

The last good state is an input: what cannot be read, or is refused, leaves in force what was
known before. Only a whole reading takes a service away.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lvsmarkd.judge.layout import rules_of
from lvsmarkd.judge.suggestion import Suggestion, suggest
from lvsmarkd.model.declaration import Declared, DeclaredFlow
from lvsmarkd.model.keepalived import Fitness, Reading, VrrpInstance
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.rule import AH_PROTOCOL, VRRP_PROTOCOL, Accept, Match, Place, Rule
from lvsmarkd.model.service import Family, Service, ServiceKey


class Coverage(StrEnum):
    """Where a service's flows come from."""

    DECLARED = "declared"
    INFERRED = "inferred"
    NONE = "none"
    """Nowhere: a foreign rule marks it, or nothing does."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's choices that bear on what must hold."""

    infer: bool = False
    vrrp_accept: bool = True
    local: bool = False
    slots: int = 15


@dataclass(frozen=True, slots=True)
class Desired:
    """What must hold.

    ``removable`` is false while the configuration cannot be trusted to be whole: no rule is
    taken away then. ``held`` are marks whose declarations are refused: their rules stay as
    they are. ``short`` are services of such marks for which no last good flows are known.
    ``unused`` are declared keys that no service has.
    """

    services: Mapping[ServiceKey, Service] = field(default_factory=dict)
    flows: Mapping[ServiceKey, tuple[DeclaredFlow, ...]] = field(default_factory=dict)
    coverage: Mapping[ServiceKey, Coverage] = field(default_factory=dict)
    suggestions: Mapping[ServiceKey, Suggestion] = field(default_factory=dict)
    unused: Mapping[ServiceKey, DeclaredFlow] = field(default_factory=dict)
    instances: tuple[VrrpInstance, ...] = ()
    rules: frozenset[Rule] = frozenset()
    problems: tuple[Problem, ...] = ()
    held: frozenset[int] = frozenset()
    short: frozenset[ServiceKey] = frozenset()
    removable: bool = True

    @property
    def checksum(self) -> int:
        """48 bits over all rules: equal on all directors of a cluster that agree."""
        text = "\n".join(sorted(f"{r.family} {r.place} {r}" for r in self.rules))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])


def desired(
    reading: Reading, declared: Declared, policy: Policy, before: Desired | None = None
) -> Desired:
    """What must hold by a reading and the declarations; ``before`` is the last good state."""
    services = _services(reading, before)
    instances = reading.instances
    if reading.fitness is not Fitness.WHOLE and before is not None:
        instances = reading.instances or before.instances
    held = frozenset(mark for p in declared.problems if p.fatal for mark in p.marks)
    whole = reading.fitness is Fitness.WHOLE
    used = {key: own for key, own in declared.flows.items() if key in services}
    kept = {} if before is None else _kept(before, used, held, whole=whole)
    flows = {key: kept[key] if key in kept else _followed(key, used, held) for key in services}
    coverage = {key: Coverage.DECLARED if flows[key] else Coverage.NONE for key in services}
    bare = [service for key, service in services.items() if not flows[key] and key.mark not in held]
    suggestions = _suggestions(bare, instances, flows)
    if policy.infer:
        for key, suggestion in suggestions.items():
            if inferred := suggestion.flows():
                flows[key], coverage[key] = inferred, Coverage.INFERRED
    rules = [
        rule
        for key, own in flows.items()
        for rule in rules_of(key, own, slots=policy.slots, local=policy.local)
    ]
    if policy.vrrp_accept:
        rules += _vrrp_rules(instances)
    return Desired(
        services=services,
        flows=flows,
        coverage=coverage,
        suggestions=suggestions,
        unused=_unused(declared, services),
        instances=instances,
        rules=frozenset(rules),
        problems=(*reading.problems, *declared.problems),
        held=held,
        short=frozenset(key for key in services if key.mark in held and key not in kept),
        removable=whole,
    )


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


def _services(reading: Reading, before: Desired | None) -> dict[ServiceKey, Service]:
    known = {} if reading.fitness is Fitness.WHOLE or before is None else dict(before.services)
    return known | {service.key: service for service in reading.services}


def _kept(
    before: Desired,
    used: Mapping[ServiceKey, tuple[DeclaredFlow, ...]],
    held: frozenset[int],
    *,
    whole: bool,
) -> dict[ServiceKey, tuple[DeclaredFlow, ...]]:
    """The flows that services had before, where their declaration is refused now, or is gone
    from a file that is not whole.
    """
    return {
        key: before.flows[key]
        for key, coverage in before.coverage.items()
        if coverage is Coverage.DECLARED
        and key not in before.short
        and (key.mark in held or not (whole or key in used))
    }


def _followed(
    key: ServiceKey,
    used: Mapping[ServiceKey, tuple[DeclaredFlow, ...]],
    held: frozenset[int],
) -> tuple[DeclaredFlow, ...]:
    """The flows declared for a service; of a mark that is refused, those that it alone claims."""
    now = used.get(key, ())
    if key.mark not in held:
        return now
    rivals = [
        other.flow
        for rival, others in used.items()
        if rival.family is key.family and rival.mark != key.mark
        for other in others
    ]
    return tuple(own for own in now if not any(own.flow.overlaps(rival) for rival in rivals))


def _suggestions(
    bare: Iterable[Service],
    instances: Iterable[VrrpInstance],
    flows: Mapping[ServiceKey, tuple[DeclaredFlow, ...]],
) -> dict[ServiceKey, Suggestion]:
    first = {service.key: suggest(service, instances, ()) for service in bare}
    claims = [(key.mark, own.flow) for key, many in flows.items() for own in many]
    claims += [(key.mark, own.flow) for key, s in first.items() for own in s.flows()]
    return {service.key: suggest(service, instances, claims) for service in bare}


def _vrrp_rules(instances: Iterable[VrrpInstance]) -> list[Rule]:
    """Accept VRRP in the family that each instance speaks: protocol 112, and for IPv4 with
    ``auth_type AH`` protocol 51 (IPv6 never uses AH).
    """
    rules = set()
    for instance in instances:
        family = instance.family or Family.INET
        protocols = {(family, VRRP_PROTOCOL)}
        if instance.auth_ah and family is Family.INET:
            protocols.add((family, AH_PROTOCOL))
        rules |= {
            Rule(family, Place.ACCEPT, Match(protocol=protocol), Accept())
            for family, protocol in protocols
        }
    return list(rules)
