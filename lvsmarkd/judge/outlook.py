"""What becomes of every service's packets, by the rules that were seen, or will be there.

Of a service with flows these are followed. Of one without, packets to all addresses in question are
followed, and those that come with its mark, or had it on their way, are its.
"""

from collections.abc import Mapping
from ipaddress import ip_network

from msgspec import Struct, field

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.evaluation.named import named_destinations
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.fate import LOST, Fate, PacketFate
from lvsmarkd.model.guard import GUARD_IN_RULES
from lvsmarkd.model.packets import EVERYWHERE, Packets
from lvsmarkd.model.service import MAX_MARK, Family, Network, ServiceKey


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
    def guarded(self) -> bool:
        """Whether some of it has its mark by the guard: no rule of the firewall sets it."""
        return any(_is_guarded(part.fate) for part in self.parts)

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


def mistaken_for(mark: int) -> tuple[int, ...]:
    """The marks that somebody may have written for one: with ``0x`` before the decimal digits, or
    the hexadecimal ones without it.
    """
    hexadecimal = f"{mark:x}"
    odd = [int(str(mark), 16), *([int(hexadecimal)] if hexadecimal.isdecimal() else [])]
    return tuple(each for each in odd if each != mark and each <= MAX_MARK)


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


def _is_guarded(fate: PacketFate) -> bool:
    changed = [step.rule for step in fate.steps if step.before != step.after]
    return bool(changed) and changed[-1].table == GUARD_IN_RULES
