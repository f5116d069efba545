"""What zones and policies hold that is not ours, in the order in which packets meet it."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.backends.firewalld.names import PRIORITY
from lvsmarkd.backends.firewalld.planes.frame import POLICY_PRIORITY
from lvsmarkd.backends.firewalld.planes.listing import (
    Listing,
    Settings,
    number,
    rich_rules,
    strings,
    text,
)
from lvsmarkd.backends.firewalld.planes.own_rules import (
    OUR_POLICY,
    Container,
    ContainerKind,
    OwnRules,
    zone,
)
from lvsmarkd.backends.firewalld.rich.rich_rule import (
    OtherElement,
    Protocol,
    RichPorts,
    RichRule,
    ServiceName,
    Verb,
    read_rich_rule,
)
from lvsmarkd.backends.firewalld.rich.services import UNKNOWN, Services, matches_of
from lvsmarkd.backends.firewalld.rich.words import RichRuleError
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule import Accept, ChainKey, Hook, Plane, SetMark
from lvsmarkd.model.rule_spec import SetsUnknownMark
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Drop, ForeignEffect, ForeignRule, Side

_ZONES = 0
"""firewalld passes policies of a negative priority, then the zone, then other policies."""
_DENY, _ALLOW, _POST, _LAST = 1, 2, 3, 4
_REFUSING_TARGETS = frozenset({"default", "%%REJECT%%", "REJECT", "DROP"})
_END = 1 << 20
Rank = tuple[int, str, int, int]
"""A container's place among containers, its name (firewalld passes policies of one priority by it),
the stage in it, the priority there: smaller comes earlier."""


class _Entry(Struct, frozen=True):
    """How packets get to a container: by any of these matches; ``narrowed``: by less than that."""

    matches: tuple[Packets, ...] = (EVERY_PACKET,)
    narrowed: bool = False


class _ContainerPosition(Struct, frozen=True):
    """A container, how packets get to it, and its place among containers."""

    container: Container
    way: _Entry
    rank: int


class _ContainerLine(Struct, frozen=True):
    """What one line of a container says."""

    effect: ForeignEffect
    match: Packets
    line: str
    narrowed: bool = False


class ZoneWalk(Struct):
    """All zones and policies of one plane. ``ways`` are the active zones at runtime."""

    listing: Listing
    own: OwnRules
    services: Services
    ways: Mapping[str, tuple[str, ...]]
    _found: list[tuple[Rank, ForeignRule]] = field(default_factory=list)

    def foreign(self) -> list[ForeignRule]:
        """Every rule of others that sets a mark, accepts, or refuses."""
        for name, settings in self.listing.zones.items():
            if name in self.ways or name == self.listing.default_zone:
                self._container(zone(name), settings, self._way_to(name), _ZONES)
        for name, settings in self.listing.policies.items():
            if name == OUR_POLICY.name:
                continue
            way = _way_of_policy(settings, self.listing.default_zone)
            if way is not None:
                rank = number(settings, "priority") or -1
                self._container(Container(ContainerKind.POLICY, name), settings, way, rank)
        self._end()
        self._found.sort(key=lambda found: found[0])
        return [rule for _, rule in self._found]

    def _way_to(self, name: str) -> _Entry:
        others = self.ways.keys() - {name}
        if name == self.listing.default_zone:
            # It gets whatever no other zone claims.
            return _Entry(narrowed=bool(others))
        ways = self.ways.get(name, ())
        by_interface = all(not way.startswith("source ") and not way.endswith("+") for way in ways)
        if not by_interface:
            return _Entry(narrowed=True)
        sources = any(way.startswith("source ") for each in others for way in self.ways[each])
        return _Entry(
            tuple(Packets(qualifiers=(InInterface.of(way),)) for way in ways), narrowed=sources
        )

    def _container(self, container: Container, settings: Settings, way: _Entry, rank: int) -> None:
        position = _ContainerPosition(container, way, rank)
        ours = {listed.text for listed in self.own.listed if listed.container == container}
        for line in rich_rules(settings):
            if line not in ours:
                self._rich(position, line)
        if self.listing.plane is Plane.PERMANENT:
            return
        matches, whole = matches_of(settings)
        opened = [_ContainerLine(Accept(), match, "an open port") for match in matches]
        for name in strings(settings, "services"):
            known = self.services.get(name, UNKNOWN)
            line = f"service {name}"
            opened += [
                _ContainerLine(Accept(), match, line, known.narrowed) for match in known.matches
            ]
        if not whole:
            opened.append(_ContainerLine(Accept(), EVERY_PACKET, "an open port", narrowed=True))
        for said in opened:
            self._add(position, (_ALLOW, 0), Hook.INPUT, tuple(Family), said)
        target = text(settings, "target")
        if container.kind is ContainerKind.POLICY and target in {"ACCEPT", *_REFUSING_TARGETS}:
            effect: ForeignEffect = Accept() if target == "ACCEPT" else Drop()
            said = _ContainerLine(effect, EVERY_PACKET, f"target {target}")
            self._add(position, (_LAST, 0), Hook.INPUT, tuple(Family), said)

    def _rich(self, position: _ContainerPosition, line: str) -> None:
        both = tuple(Family)
        try:
            rich = read_rich_rule(line)
        except RichRuleError:
            # It may do anything, to any packet.
            obscure = SetsUnknownMark("a rich rule that is not understood")
            said = _ContainerLine(obscure, EVERY_PACKET, line, narrowed=True)
            self._add(position, (_ALLOW, 0), Hook.PREROUTING, both, said)
            self._add(position, (_ALLOW, 0), Hook.INPUT, both, replace(said, effect=Accept()))
            return
        effect = _effect(rich)
        if effect is None:
            return
        at = Hook.PREROUTING if rich.verb is Verb.MARK else Hook.INPUT
        families = (rich.family,) if rich.family else both
        for match, narrowed in self._matches(rich):
            said = _ContainerLine(effect, match, line, narrowed)
            self._add(position, (_stage(rich), rich.priority), at, families, said)

    def _matches(self, rich: RichRule) -> Iterator[tuple[Packets, bool]]:
        """What a rule matches, and whether by less than that."""
        narrowed = rich.source is not None or rich.limit is not None
        to = None
        if rich.destination is not None:
            to = None if rich.destination.inverted else rich.destination.network
            narrowed = narrowed or to is None
            to = to if to is not None and to.prefixlen else None
        packets = Packets(destination=to)
        match rich.what:
            case None:
                yield packets, narrowed
            case Protocol(value):
                yield replace(packets, protocol=value), narrowed
            case RichPorts(protocol, ports, False):
                yield replace(packets, protocol=protocol, ports=(ports,)), narrowed
            case RichPorts(protocol, _, True):
                yield replace(packets, protocol=protocol), True
            case ServiceName(name):
                known = self.services.get(name, UNKNOWN)
                for each in known.matches:
                    yield replace(each, destination=to), narrowed or known.narrowed
            case OtherElement():
                yield packets, True

    def _add(
        self,
        position: _ContainerPosition,
        at: tuple[int, int],
        hook: Hook,
        families: Iterable[Family],
        said: _ContainerLine,
    ) -> None:
        rank = (position.rank, position.container.name if position.rank != _ZONES else "", *at)
        for family in families:
            for entry in position.way.matches:
                rule = ForeignRule(
                    ChainKey(self.listing.plane, family, hook),
                    self._side(rank),
                    said.effect,
                    tuple(each for each in (entry, said.match) if each != EVERY_PACKET),
                    f"firewalld's {position.container}",
                    said.line,
                    said.narrowed or position.way.narrowed,
                    fleeting=True,
                )
                self._found.append((rank, rule))

    def _side(self, rank: Rank) -> Side:
        by_policy = self.own.targets == (OUR_POLICY,)
        position = (POLICY_PRIORITY, OUR_POLICY.name) if by_policy else (_ZONES, "")
        return Side.BEFORE if rank < (*position, _POST, PRIORITY) else Side.AFTER

    def _end(self) -> None:
        """What becomes of packets that no rule decides about: the zones' targets."""
        if self.listing.plane is Plane.PERMANENT:
            return
        names = {self.listing.default_zone, *self.ways}
        targets = {name: text(self.listing.zones.get(name, {}), "target") for name in names}
        accepting = sorted(name for name, target in targets.items() if target == "ACCEPT")
        name = accepting[0] if accepting else self.listing.default_zone
        effect: ForeignEffect = Accept() if accepting else Drop()
        for family in Family:
            self._found.append(
                (
                    (_END, "", 0, 0),
                    ForeignRule(
                        ChainKey(Plane.RUNTIME, family, Hook.INPUT),
                        Side.AFTER,
                        effect,
                        (),
                        f"firewalld's zone {name}",
                        f"zone {name}, target {targets[name] or 'default'}",
                        narrowed=bool(accepting),
                    ),
                )
            )


def _way_of_policy(settings: Settings, default_zone: str) -> _Entry | None:
    """How packets for the host get to a policy; None where they do not."""
    if not {"HOST", "ANY"} & set(strings(settings, "egress_zones")):
        return None
    ingress = set(strings(settings, "ingress_zones"))
    if "ANY" in ingress:
        return _Entry()
    return _Entry(narrowed=True) if ingress - {"HOST"} or default_zone in ingress else None


def _stage(rich: RichRule) -> int:
    if rich.priority < 0:
        return 0
    if rich.priority > 0:
        return _POST
    return _DENY if rich.verb in {Verb.DROP, Verb.REJECT} else _ALLOW


def _effect(rich: RichRule) -> ForeignEffect | None:
    match rich.verb:
        case Verb.MARK if rich.mark is not None:
            if rich.mark.mask is not None:
                return SetsUnknownMark(f"mark set={rich.mark.value:#x}/{rich.mark.mask:#x}")
            return SetMark(rich.mark.value)
        case Verb.ACCEPT:
            return Accept()
        case Verb.DROP | Verb.REJECT:
            return Drop()
        case _:
            return None


def service_names(*listings: Listing) -> set[str]:
    """The services that matter: those that zones and policies open, and rich rules name."""
    names: set[str] = set()
    for listing in listings:
        for settings in (*listing.zones.values(), *listing.policies.values()):
            names |= set(strings(settings, "services"))
            for line in rich_rules(settings):
                if "service" in line:
                    names |= _service_of(line)
    return names


def _service_of(line: str) -> set[str]:
    try:
        what = read_rich_rule(line).what
    except RichRuleError:
        return set()
    return {what.name} if isinstance(what, ServiceName) else set()


def masked(listings: Iterable[Listing]) -> Iterator[tuple[Plane, Container, str]]:
    """The rich rules that set a mark with a mask, which firewalld's backends take differently."""
    for listing in listings:
        containers = [(zone(name), each) for name, each in listing.zones.items()]
        containers += [
            (Container(ContainerKind.POLICY, name), each) for name, each in listing.policies.items()
        ]
        for container, settings in containers:
            for line in rich_rules(settings):
                if " mark " in line and "/" in line and _has_mask(line):
                    yield listing.plane, container, line


def _has_mask(line: str) -> bool:
    try:
        mark = read_rich_rule(line).mark
    except RichRuleError:
        return False
    return mark is not None and mark.mask is not None
