"""The marks that firewalld lists, in one plane, as a ruleset: zones and policies are its chains.

How packets come to them is read in 1.3.3 (core/fw_policy.py, core/fw_zone.py): by their source,
else by their interface, else by the default zone; first through policies of a negative priority,
then the zone, then other policies, those of one priority by their names. Marks are all that
firewalld does at PREROUTING that can matter; they end no packet's way.
"""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.backends.firewalld.names import PRIORITY
from lvsmarkd.backends.firewalld.planes.frame import POLICY_PRIORITY
from lvsmarkd.backends.firewalld.planes.listing import (
    Listing,
    Settings,
    number,
    rich_rules,
    strings,
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
    Party,
    Protocol,
    RichPorts,
    RichRule,
    ServiceName,
    Verb,
    read_rich_rule,
)
from lvsmarkd.backends.firewalld.rich.services import UNKNOWN, Services
from lvsmarkd.backends.firewalld.rich.words import RichRuleError
from lvsmarkd.model.fields import Field, Interval, NamePrefix
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule import ChainKey, Hook, SetMark
from lvsmarkd.model.rule_spec import (
    Condition,
    Effect,
    FieldTest,
    Jump,
    Opaque,
    RuleSpec,
    SetsUnknownMark,
)
from lvsmarkd.model.ruleset import (
    BaseChain,
    Lister,
    Ruleset,
    Table,
    TableChain,
    TableKey,
    TableRule,
)
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import OwnPlace

_KEY = TableKey(Lister.FIREWALLD, "inet", "zones and policies")
_BASE = "PREROUTING"
_HOOK = Hook.PREROUTING
_SOURCE = "source "
_MARKING = -140
"""The priority of firewalld's own chain that marks: mangle + 10."""
_ALLOW, _POST = 2, 3
_ZONES = 0
"""firewalld passes policies of a negative priority, then the zone, then other policies."""


def own_places(listing: Listing) -> dict[ChainKey, OwnPlace]:
    """Where our rules are in it."""
    return {
        ChainKey(listing.plane, family, Hook.PREROUTING): OwnPlace(
            _KEY, _ours(family), "", Hook.PREROUTING, _MARKING
        )
        for family in Family
    }


def listed_rules(
    listing: Listing, own: OwnRules, services: Services, ways: Mapping[str, tuple[str, ...]]
) -> Ruleset:
    """What zones and policies do to marks. ``ways`` are the active zones at runtime."""
    return Ruleset({_KEY: _ZoneRules(listing, own, services, ways).table()})


class _ZoneRules(Struct):
    """All zones and policies of one plane."""

    listing: Listing
    own: OwnRules
    services: Services
    ways: Mapping[str, tuple[str, ...]]

    def table(self) -> Table:
        chains = [self._container(zone(name), each) for name, each in self.listing.zones.items()]
        chains += [
            self._container(Container(ContainerKind.POLICY, name), each)
            for name, each in self.listing.policies.items()
            if name != OUR_POLICY.name
        ]
        chains += [self._entrance(name) for name in self.listing.zones]
        chains.append(TableChain(_BASE, _numbered(self._base()), BaseChain(_HOOK, _MARKING)))
        chains += map(self._ours, Family)
        return Table(_KEY, {chain.name: chain for chain in chains})

    def _base(self) -> Iterator[RuleSpec]:
        """Which zone packets come by."""
        entries = [
            (not way.startswith(_SOURCE), name, way)
            for name, ways in self.ways.items()
            for way in ways
            if name in self.listing.zones
        ]
        for by_interface, name, way in sorted(entries, key=lambda entry: entry[0]):
            goes = (Jump(_entrance_of(name), goto=True),)
            if by_interface:
                yield replace(_by_interface(way), effects=goes)
            else:
                yield replace(_by_source(way.removeprefix(_SOURCE)), effects=goes)
        if self.listing.default_zone in self.listing.zones:
            yield RuleSpec(effects=(Jump(_entrance_of(self.listing.default_zone), goto=True),))

    def _entrance(self, name: str) -> TableChain:
        """What packets pass that come by a zone."""
        led: list[tuple[int, str, tuple[str, ...]]] = [(_ZONES, "", (str(zone(name)),))]
        for policy, settings in self.listing.policies.items():
            if policy != OUR_POLICY.name and _is_for(settings, name):
                container = Container(ContainerKind.POLICY, policy)
                led.append((number(settings, "priority") or -1, policy, (str(container),)))
        if self.own.targets == (OUR_POLICY,):
            led.append((POLICY_PRIORITY, OUR_POLICY.name, tuple(map(_ours, Family))))
        specs = [_to(chain) for _, _, chains in sorted(led) for chain in chains]
        return TableChain(_entrance_of(name), _numbered(specs))

    def _container(self, container: Container, settings: Settings) -> TableChain:
        ours = {listed.text for listed in self.own.listed if listed.container == container}
        others = (line for line in rich_rules(settings) if line not in ours)
        lines = [(at, line, spec) for line in others for at, spec in self._lines(line)]
        if container in self.own.targets:
            lines += [((_POST, PRIORITY), "", _to(_ours(family))) for family in Family]
        lines.sort(key=lambda each: each[0])
        rules = (TableRule(spec, at, line) for at, (_, line, spec) in enumerate(lines, 1))
        return TableChain(str(container), tuple(rules))

    def _ours(self, family: Family) -> TableChain:
        rules = {
            each.rule: each.text
            for each in self.own.listed
            if each.container in self.own.targets
            and (each.rule.family, each.rule.hook) == (family, _HOOK)
            and isinstance(each.rule.action, SetMark)
        }
        specs = [
            (RuleSpec(rule.match, (), (rule.action,), family), text)
            for rule, text in rules.items()
            if isinstance(rule.action, SetMark)
        ]
        listed = (TableRule(spec, at, text) for at, (spec, text) in enumerate(specs, 1))
        return TableChain(_ours(family), tuple(listed))

    def _lines(self, line: str) -> Iterator[tuple[tuple[int, int], RuleSpec]]:
        """What a rich rule does to marks, with its place in its container."""
        try:
            rich = read_rich_rule(line)
        except RichRuleError:
            # It may do anything, to any packet.
            obscure = SetsUnknownMark("a rich rule that is not understood")
            yield (_ALLOW, 0), RuleSpec(conditions=(Opaque("rich rule"),), effects=(obscure,))
            return
        effect = _effect(rich)
        if effect is None:
            return
        for packets, conditions in self._matches(rich):
            spec = RuleSpec(packets, tuple(conditions), (effect,), rich.family)
            yield (_stage(rich), rich.priority), spec

    def _matches(self, rich: RichRule) -> Iterator[tuple[Packets, list[Condition]]]:
        """What a rule is about."""
        packets, conditions = EVERY_PACKET, list(_sender(rich.source))
        to = rich.destination
        if to is not None and (to.inverted or to.network is None):
            conditions += _party(to, Field.DESTINATION)
        elif to is not None and to.network is not None and to.network.prefixlen:
            packets = Packets(destination=to.network)
        if rich.limit is not None:
            conditions.append(Opaque("limit", (rich.limit,)))
        match rich.what:
            case None:
                yield packets, conditions
            case Protocol(value):
                yield replace(packets, protocol=value), conditions
            case RichPorts(protocol, ports, False):
                yield replace(packets, protocol=protocol, ports=(ports,)), conditions
            case RichPorts(protocol, ports, True):
                span = FieldTest(Field.SOURCE_PORT, (Interval(ports.first, ports.last),))
                yield replace(packets, protocol=protocol), [*conditions, span]
            case ServiceName(name):
                known = self.services.get(name, UNKNOWN)
                more = [Opaque("service", (name,))] if known.narrowed else []
                for each in known.matches:
                    yield replace(each, destination=packets.destination), [*conditions, *more]
            case OtherElement(name):
                yield packets, [*conditions, Opaque(name)]


def _ours(family: Family) -> str:
    return f"our rules ({family})"


def _entrance_of(name: str) -> str:
    return f"entrance of zone {name}"


def _to(chain: str) -> RuleSpec:
    return RuleSpec(effects=(Jump(chain),))


def _numbered(specs: Iterable[RuleSpec]) -> tuple[TableRule, ...]:
    return tuple(TableRule(spec, at, str(spec)) for at, spec in enumerate(specs, 1))


def _by_interface(name: str) -> RuleSpec:
    if name.endswith("+"):
        return RuleSpec(conditions=(FieldTest(Field.IN_INTERFACE, (NamePrefix(name[:-1]),)),))
    return RuleSpec(Packets(qualifiers=(InInterface.of(name),)))


def _by_source(source: str) -> RuleSpec:
    try:
        network = ip_network(source, strict=False)
    except ValueError:  # a MAC, or the name of a set
        return RuleSpec(conditions=(Opaque("source", (source,)),))
    return RuleSpec(conditions=(FieldTest(Field.SOURCE, (network,)),), family=Family.of(network))


def _sender(source: Party | None) -> Iterator[Condition]:
    if source is None:
        return
    if source.mac is not None:
        yield FieldTest(Field.SOURCE_MAC, (source.mac,), source.inverted)
    else:
        yield from _party(source, Field.SOURCE)


def _party(party: Party, field: Field) -> Iterator[Condition]:
    if party.network is not None:
        yield FieldTest(field, (party.network,), party.inverted)
    else:
        yield Opaque(str(field), (str(party.ipset or party.mac),))


def _is_for(settings: Settings, name: str) -> bool:
    """Whether packets for the host that come by a zone pass a policy."""
    if not {"HOST", "ANY"} & set(strings(settings, "egress_zones")):
        return False
    return bool({"ANY", name} & set(strings(settings, "ingress_zones")))


def _stage(rich: RichRule) -> int:
    if rich.priority < 0:
        return 0
    return _POST if rich.priority > 0 else _ALLOW


def _effect(rich: RichRule) -> Effect | None:
    """What it does to marks. A mask means opposite things in firewalld's two backends."""
    if rich.verb is not Verb.MARK or rich.mark is None:
        return None
    if rich.mark.mask is not None:
        return SetsUnknownMark(f"mark set={rich.mark.value:#x}/{rich.mark.mask:#x}")
    return SetMark(rich.mark.value)


def service_names(*listings: Listing) -> set[str]:
    """The services that rich rules name which mark."""
    names: set[str] = set()
    for listing in listings:
        for settings in (*listing.zones.values(), *listing.policies.values()):
            for line in rich_rules(settings):
                if "service" in line and " mark " in line:
                    names |= _service_of(line)
    return names


def _service_of(line: str) -> set[str]:
    try:
        what = read_rich_rule(line).what
    except RichRuleError:
        return set()
    return {what.name} if isinstance(what, ServiceName) else set()
