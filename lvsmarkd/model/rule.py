"""Rules of our own: a thing in a firewall that marks or accepts some packets."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from lvsmarkd.model.flow import Flow, PortRange, Transport
from lvsmarkd.model.protocols import AH_PROTOCOL as AH_PROTOCOL  # noqa: PLC0414 - until all is changed over
from lvsmarkd.model.protocols import PROTOCOL_NAMES
from lvsmarkd.model.protocols import VRRP_PROTOCOL as VRRP_PROTOCOL  # noqa: PLC0414 - until all is changed over
from lvsmarkd.model.service import MAX_MARK, Family, Network, ServiceKey


class Plane(StrEnum):
    """``runtime``: what packets meet now. ``permanent``: what the next reload or boot brings.
    ``former``: what another firewall still has from the time when it kept our rules, and packets
    meet as well.
    """

    RUNTIME = "runtime"
    PERMANENT = "permanent"
    FORMER = "former"


class Hook(StrEnum):
    """The netfilter hooks at which lvsmarkd keeps rules. The values are what users read."""

    PREROUTING = "mark"
    """Packets that arrive, before routing: they are marked here."""
    OUTPUT = "local"
    """Packets that the director itself sends: they are marked here."""
    INPUT = "accept"
    """Packets for the director itself, where a filter may drop them: they are accepted here."""


@dataclass(frozen=True, slots=True, order=True)
class ChainKey:
    """Names one chain of ours: at one hook, of one family, in one plane."""

    plane: Plane
    family: Family
    hook: Hook

    def __str__(self) -> str:
        return f"{self.family} {self.hook} {self.plane}"


@dataclass(frozen=True, slots=True)
class SetMark:
    """Give the packet a mark: ``mark = (mark & ~mask) ^ value``, as xt_MARK computes it.

    What lvsmarkd writes always covers all 32 bits, because IPVS compares all of them.
    """

    value: int
    mask: int = MAX_MARK

    def __str__(self) -> str:
        whole = self.mask == MAX_MARK
        return f"mark {self.value}" if whole else f"mark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class Accept:
    """Let the packet in."""

    def __str__(self) -> str:
        return "accept"


Action = SetMark | Accept


@dataclass(frozen=True, slots=True)
class Match:
    """Which packets a rule is about; what is None or empty does not limit it.

    ``ports`` are destination ports, sorted and disjoint.
    """

    destination: Network | None = None
    protocol: int | None = None
    ports: tuple[PortRange, ...] = ()
    in_interface: str | None = None
    not_from_mac: tuple[str, ...] = ()

    def matches_all_of(self, flow: Flow) -> bool:
        """Whether every packet of ``flow`` matches."""
        if self.in_interface not in {None, flow.in_interface}:
            return False
        if not set(self.not_from_mac) <= set(flow.not_from_mac):
            return False
        if self.protocol is not None and flow.transport != self.protocol:
            return False
        if self.ports and not _within(flow.ports, self.ports):
            return False
        return self.destination is None or _subnet(flow.destination, self.destination)

    def may_match(self, flow: Flow) -> bool:
        """Whether some packet of ``flow`` may match."""
        if self.destination is not None:
            if self.destination.version != flow.destination.version:
                return False
            if not self.destination.overlaps(flow.destination):
                return False
        both = (self.in_interface, flow.in_interface)
        if None not in both and self.in_interface != flow.in_interface:
            return False
        if None not in (self.protocol, flow.transport) and self.protocol != flow.transport:
            return False
        if not self.ports or flow.ports is None:
            return True
        return any(flow.ports.overlaps(ports) for ports in self.ports)

    def implies(self, other: "Match") -> bool:
        """Whether every packet that matches this one matches ``other`` too."""
        if other.destination is not None and (
            self.destination is None or not _subnet(self.destination, other.destination)
        ):
            return False
        if other.protocol not in {None, self.protocol}:
            return False
        if other.ports and not (self.ports and all(_within(p, other.ports) for p in self.ports)):
            return False
        if other.in_interface not in {None, self.in_interface}:
            return False
        return set(other.not_from_mac) <= set(self.not_from_mac)

    def __str__(self) -> str:
        words = [str(self.destination) if self.destination else "any"]
        if self.protocol is not None:
            words.append(PROTOCOL_NAMES.get(self.protocol, f"protocol {self.protocol}"))
        if self.ports:
            words.append(",".join(map(str, self.ports)))
        if self.in_interface:
            words.append(f"in-interface {self.in_interface}")
        if self.not_from_mac:
            words.append(f"not-from-mac {','.join(self.not_from_mac)}")
        return " ".join(words)


_EVERYWHERE: dict[Family, Network] = {
    Family.INET: IPv4Network("0.0.0.0/0"),
    Family.INET6: IPv6Network("::/0"),
}


def _subnet(inner: Network, outer: Network) -> bool:
    return (
        inner.version == outer.version
        and inner.prefixlen >= outer.prefixlen
        and inner.overlaps(outer)
    )


def _within(ports: PortRange | None, ranges: tuple[PortRange, ...]) -> bool:
    return ports is not None and any(
        r.first <= ports.first and ports.last <= r.last for r in ranges
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of ours. ``mark`` is the service's that it serves, None where it serves VRRP."""

    family: Family
    hook: Hook
    match: Match
    action: Action
    mark: int | None = None

    @property
    def service(self) -> ServiceKey | None:
        """The service it serves."""
        return None if self.mark is None else ServiceKey(self.family, self.mark)

    @property
    def name(self) -> str:
        """What the rule is called where a firewall lets a rule bear a comment."""
        return "lvsmarkd vrrp" if self.mark is None else f"lvsmarkd fwmark {self.mark}"

    def contradicts(self, other: "Rule") -> bool:
        """Whether both set a mark, not the same, on a packet that may match both."""
        if self.family is not other.family or self.hook is not other.hook:
            return False
        if self.action == other.action or Accept() in (self.action, other.action):
            return False
        return any(self.match.may_match(flow) for flow in flows_of(other))

    def __str__(self) -> str:
        return f"{self.match} {self.action}"


def flows_of(rule: Rule) -> tuple[Flow, ...]:
    """The flows that a rule stands for."""
    match = rule.match
    to = match.destination or _EVERYWHERE[rule.family]
    known = match.protocol in set(Transport)
    transport = Transport(match.protocol) if match.protocol is not None and known else None
    ranges: tuple[PortRange | None, ...] = match.ports or (None,)
    return tuple(
        Flow(to, transport, ports, match.in_interface, match.not_from_mac) for ports in ranges
    )
