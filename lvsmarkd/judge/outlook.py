"""What becomes of every service's packets, by the rules that were seen, or will be there.

Of a service with flows these are followed. Of one without, packets to all addresses in question are
followed, and those that come with its mark, or had it on their way, are its.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from msgspec import Struct, field

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.evaluation.chain_walk import Budget
from lvsmarkd.judge.evaluation.fates import ends_with, fates_of
from lvsmarkd.judge.evaluation.hook_path import hook_path
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.named import named_destinations, named_interfaces, ordinary
from lvsmarkd.judge.evaluation.packet_class import PacketClass, classes_of
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.judge.evaluation.trail import End
from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.fate import LOST, Fate, PacketFate
from lvsmarkd.model.host import HostView
from lvsmarkd.model.packets import EVERYWHERE, Packets
from lvsmarkd.model.ruleset import Ruleset
from lvsmarkd.model.service import MAX_MARK, Family, Network, ServiceKey

MOST_STEPS = 4_000_000
"""Rules that all packets of a look are taken to: some seconds. What is left then is not known."""


class FlowFate(Struct, frozen=True):
    """What becomes of a part of a flow. ``is_partly``: of the same packets others, which come by
    another interface, are served.
    """

    flow: Packets
    fate: PacketFate
    declared: DeclaredFlow | None = None
    is_partly: bool = False


class ServiceOutlook(Struct, frozen=True):
    """What becomes of a service's packets."""

    parts: tuple[FlowFate, ...] = ()
    had_mark: tuple[FlowFate, ...] = ()
    """Of a service without flows: what had its mark on the way and lost it."""
    mistaken: tuple[FlowFate, ...] = ()
    """Of a service without flows: packets with a mark that no service has, and that may be its
    number, misread (``mistaken_for``)."""

    @property
    def covered(self) -> bool | None:
        """Whether all of it is served; None where that is not known. What some interface keeps out
        is no loss of the service, as long as another lets it in.
        """
        fates = [part.fate.fate for part in self.parts if not part.is_partly]
        if any(fate in LOST for fate in fates):
            return False
        if Fate.UNKNOWN in fates:
            return None
        return bool(fates)

    @property
    def hidden(self) -> tuple[PacketFate, ...]:
        """Parts of it whose fate is not known, one for each rule that hides it."""
        unknown = [part.fate for part in self.parts if part.fate.fate is Fate.UNKNOWN]
        # The first of each: a later one would take its place.
        return tuple({fate.hidden_by: fate for fate in reversed(unknown)}.values())[::-1]


class Outlook(Struct, frozen=True):
    """What becomes of all services' packets. ``unread`` are tables that could not be looked into,
    with the reason: where there is one, nothing is certain of its family.
    """

    services: Mapping[ServiceKey, ServiceOutlook] = field(default_factory=dict)
    unread: Mapping[Family, tuple[str, ...]] = field(default_factory=dict)
    entries: Mapping[Family, frozenset[str]] = field(default_factory=dict)
    """The interfaces that packets were taken to come by."""

    def covered(self, key: ServiceKey) -> bool | None:
        """Whether a service's packets are served."""
        if self.unread.get(key.family):
            return None
        return self.services[key].covered

    def why_unknown(self, key: ServiceKey) -> str:
        """Why that is not known; empty where it is."""
        if self.covered(key) is not None:
            return ""
        hidden = (fate.why_unknown for fate in self.services[key].hidden)
        return "; ".join(self.unread.get(key.family) or hidden)


def outlook(desired: Desired, ruleset: Ruleset, host: HostView) -> Outlook:
    """What becomes of the packets of all services by a ruleset, which is whole."""
    services: dict[ServiceKey, ServiceOutlook] = {}
    unread: dict[Family, tuple[str, ...]] = {}
    entries: dict[Family, frozenset[str]] = {}
    budget = Budget(MOST_STEPS)
    for family in Family:
        keys = [key for key in desired.services if key.family is family]
        if not keys:
            continue
        scout = _Scout.of(family, ruleset, host, budget)
        unread[family] = tuple(dict.fromkeys(why for _, why in scout.terrain.path.unread))
        entries[family] = scout.entries
        services |= scout.services(keys, desired)
    return Outlook(services, unread, entries)


def mistaken_for(mark: int) -> tuple[int, ...]:
    """The marks that somebody may have written for one: with ``0x`` before the decimal digits, or
    the hexadecimal ones without it.
    """
    hexadecimal = f"{mark:x}"
    odd = [int(str(mark), 16), *([int(hexadecimal)] if hexadecimal.isdecimal() else [])]
    return tuple(each for each in odd if each != mark and each <= MAX_MARK)


class _Scout(Struct):
    """Sends packets of an ordinary client through the ruleset, by all interfaces."""

    terrain: Terrain
    sender: Sender
    entries: frozenset[str]
    budget: Budget

    @classmethod
    def of(cls, family: Family, ruleset: Ruleset, host: HostView, budget: Budget) -> "_Scout":
        terrain = Terrain(ruleset, hook_path(ruleset, family), host)
        entries = host.entries(named_interfaces(terrain))
        return cls(terrain, ordinary(terrain), entries, budget)

    def services(
        self, keys: list[ServiceKey], desired: Desired
    ) -> Mapping[ServiceKey, ServiceOutlook]:
        found: dict[ServiceKey, ServiceOutlook] = {}
        bare = []
        for key in keys:
            flows = desired.flows[key]
            if not flows:
                bare.append(key)
                continue
            parts = [part for each in flows for part in self._declared(each, key.mark)]
            found[key] = ServiceOutlook(tuple(parts))
        if bare:
            found |= self._bearers(bare, desired)
        return found

    def _declared(self, declared: DeclaredFlow, mark: int) -> Iterator[FlowFate]:
        fates: list[PacketFate] = []
        for packet in classes_of(declared.flow, self.terrain.family, self.entries):
            fates += fates_of(self._ends(packet), mark)
        if not fates:
            fates.append(PacketFate(declared.flow, Fate.UNMARKED))  # by no interface that is there
        served = [fate.packets for fate in fates if fate.fate is Fate.RIGHT]
        for fate in fates:
            yield FlowFate(declared.flow, fate, declared, _is_partly(fate, served))

    def _bearers(
        self, keys: list[ServiceKey], desired: Desired
    ) -> Mapping[ServiceKey, ServiceOutlook]:
        """The packets that come with the marks of services without flows."""
        marks = {key.mark: key for key in keys}
        used = {key.mark for key in desired.services if key.family is self.terrain.family}
        odd = {other: key for key in keys for other in mistaken_for(key.mark) if other not in used}
        mistaken: dict[ServiceKey, list[FlowFate]] = {key: [] for key in keys}
        parts: dict[ServiceKey, list[FlowFate]] = {key: [] for key in keys}
        had: dict[ServiceKey, list[FlowFate]] = {key: [] for key in keys}
        for network in destinations(desired, self.terrain):
            flow = Packets(destination=network)
            for packet in classes_of(flow, self.terrain.family, self.entries):
                ends = self._ends(packet)
                borne = ends_with(ends)
                for mark in sorted(borne & odd.keys()):
                    right = (f for f in fates_of(ends, mark) if f.fate is Fate.RIGHT)
                    mistaken[odd[mark]] += [FlowFate(flow, fate) for fate in right]
                for mark in sorted(borne & marks.keys()):
                    key = marks[mark]
                    for fate in fates_of(ends, mark):
                        had_it = any(step.after == mark for step in fate.steps)
                        if fate.fate is Fate.RIGHT or (had_it and _kept(fate, mark)):
                            parts[key].append(FlowFate(flow, fate))
                        elif had_it:
                            had[key].append(FlowFate(flow, fate))
        return {
            key: ServiceOutlook(
                tuple(_with_partly(parts[key])), tuple(had[key]), tuple(mistaken[key])
            )
            for key in keys
        }

    def _ends(self, packet: PacketClass) -> list[End]:
        return Journey(self.terrain, self.sender, self.budget).ends(packet)


def destinations(desired: Desired, terrain: Terrain) -> list[Network]:
    """The addresses that packets of a service without flows may be for: keepalived's, this host's,
    and those that rules name.
    """
    held = [vip for instance in desired.instances for vip in instance.vips]
    found: dict[Network, None] = {ip_network(vip): None for vip in held}
    local = terrain.host.local
    found |= dict.fromkeys(net for net in local or () if not net.is_loopback)
    for network in named_destinations(terrain):
        to = int(network.network_address), int(network.broadcast_address)
        if terrain.host.delivers(network.version, *to) is not False:
            found[network] = None
    asked = [net for net in found if Family.of(net) is terrain.family]
    # Where no address is known at all, it is about any.
    return asked or [EVERYWHERE[terrain.family]]


def _kept(fate: PacketFate, mark: int) -> bool:
    """Whether packets bear the mark in the end, wherever that is."""
    return bool(fate.steps) and fate.steps[-1].after == mark


def _is_partly(fate: PacketFate, served: list[Packets]) -> bool:
    """Whether it is about an interface, and others let the same packets in."""
    if fate.fate is Fate.RIGHT or not fate.packets.qualifiers:
        return False
    return any(_bare(fate.packets).overlaps(_bare(other)) for other in served)


def _bare(packets: Packets) -> Packets:
    return Packets(destination=packets.destination, protocol=packets.protocol, ports=packets.ports)


def _with_partly(parts: list[FlowFate]) -> Iterator[FlowFate]:
    served = [part.fate.packets for part in parts if part.fate.fate is Fate.RIGHT]
    for part in parts:
        yield FlowFate(part.flow, part.fate, None, _is_partly(part.fate, served))
