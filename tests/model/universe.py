"""A universe of packets so small that every claim about packets can be tried on each of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import product

from hypothesis import strategies as st

from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import MAX_PORT, PortRange
from lvsmarkd.model.protocols import VRRP_PROTOCOL, Transport
from lvsmarkd.model.qualifiers import InInterface, NotFromMac, Qualifier
from lvsmarkd.model.service import Address, Network

INTERFACES = ("eth0", "eth1", "eth2")
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03")


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. ``port`` is None in a protocol that has none."""

    to: Address
    protocol: int
    port: int | None
    interface: str
    mac: str


def is_one_of(packet: Packet, packets: Packets) -> bool:
    """Whether a packet is among those meant, told in the plainest way."""
    if packets.destination is not None and packet.to not in packets.destination:
        return False
    if packets.protocol is not None and packet.protocol != packets.protocol:
        return False
    if packets.ports and not any(
        packet.port is not None and each.first <= packet.port <= each.last for each in packets.ports
    ):
        return False
    for each in packets.qualifiers:
        match each:
            case InInterface(name) if packet.interface != name:
                return False
            case NotFromMac(macs) if packet.mac in macs:
                return False
    return True


def members(packets: Packets) -> frozenset[Packet]:
    """All that are among those meant."""
    return frozenset(each for each in EVERY if is_one_of(each, packets))


def sent_by_host(packets: Iterable[Packet]) -> frozenset[Packet]:
    """The same packets, where the host sends them: by no interface, from no neighbour."""
    return frozenset(Packet(each.to, each.protocol, each.port, "", "") for each in packets)


_TO = [
    *("192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.1"),
    *("2001:db8::1", "2001:db8::2", "2001:db8:1::2"),
]
"""Each network of NETWORKS has one more than any smaller one in it."""
_SPOKEN: list[tuple[int, int | None]] = [
    (VRRP_PROTOCOL, None),
    *product([int(Transport.TCP), int(Transport.SCTP)], [*range(1, 11), MAX_PORT - 1, MAX_PORT]),
]
EVERY = [
    Packet(ip_address(to), protocol, port, interface, mac)
    for to, (protocol, port), interface, mac in product(_TO, _SPOKEN, INTERFACES, MACS)
]

NETWORKS: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/0"),
    IPv4Network("192.0.2.0/30"),
    IPv4Network("192.0.2.0/31"),
    IPv4Network("192.0.2.1/32"),
    IPv4Network("192.0.2.2/32"),
    IPv6Network("2001:db8::/64"),
    IPv6Network("2001:db8::1/128"),
)
"""Networks that are nested or apart."""

port_ranges = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda e: PortRange(min(e), max(e))),
    st.sampled_from([1, 5, MAX_PORT]).map(lambda first: PortRange(first, MAX_PORT)),
)
port_sets = st.lists(port_ranges, max_size=3).map(lambda each: tuple(sorted(each)))
# No qualifier names the last interface, nor the last sender: what is said of all others is not
# said of all.
_in_interfaces = st.sampled_from(INTERFACES[:-1]).map(InInterface.of)
_not_from_macs = st.lists(st.sampled_from(MACS[:-1]), min_size=1, unique=True).map(
    lambda macs: NotFromMac.of(*macs)
)
qualifiers: st.SearchStrategy[tuple[Qualifier, ...]] = st.tuples(
    st.none() | _in_interfaces, st.none() | _not_from_macs
).map(lambda both: tuple(each for each in both if each is not None))


@st.composite
def some_packets(draw: st.DrawFn) -> Packets:
    """Packets of which the universe has some: ports go with a protocol that has ports, or none."""
    protocol = draw(st.sampled_from([None, VRRP_PROTOCOL, 6, 132]))
    return Packets(
        destination=draw(st.none() | st.sampled_from(NETWORKS)),
        protocol=protocol,
        ports=() if protocol == VRRP_PROTOCOL else draw(port_sets),
        qualifiers=draw(qualifiers),
    )
