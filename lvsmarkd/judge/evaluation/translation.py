"""Where packets go to by a translation of their destination (DNAT, REDIRECT, NETMAP).

net/netfilter/nf_nat_core.c (get_unique_tuple), nf_nat_redirect.c, xt_NETMAP.c; measured.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.model.fields import Interval
from lvsmarkd.model.host import HostView
from lvsmarkd.model.ports import MAX_PORT
from lvsmarkd.model.rule_spec import TranslateDestination
from lvsmarkd.model.service import Family

_LAST = {Family.INET: 2**32 - 1, Family.INET6: 2**128 - 1}
"""The last address."""


class Translated(Struct, frozen=True):
    """Some packets before and after. ``after`` is None where there is nowhere to send them to: they
    are dropped. ``is_here`` says whether they still go to this host; None: some, or not known.
    """

    before: PacketClass
    after: PacketClass | None
    is_here: bool | None = True


def translated(
    effect: TranslateDestination, packets: PacketClass, host: HostView
) -> Iterator[Translated]:
    """The parts of a class of packets that are treated alike."""
    for part in _by_port(effect, packets):
        yield from _sent_on(effect, part, host)


def _by_port(effect: TranslateDestination, packets: PacketClass) -> Iterator[PacketClass]:
    """The parts to ports that a range has, which stay as they are, and to others."""
    to = effect.port
    wide = to is not None and to.first != to.last and not effect.shifts_port
    if to is None or not wide or not packets.has_ports or packets.port_moved:
        yield packets
        return
    low, high = max(int(to.first), packets.low), min(int(to.last), packets.high)
    if low > high:
        yield packets
        return
    if packets.low < low:
        yield packets.at(packets.low, low - 1)
    yield packets.at(low, high)
    if high < packets.high:
        yield packets.at(high + 1, packets.high)


def _sent_on(
    effect: TranslateDestination, packets: PacketClass, host: HostView
) -> Iterator[Translated]:
    if not effect.here:
        after, here = _readdressed(effect, packets, host)
        yield Translated(packets, _reported(effect, after, packets), here)
        return
    for interfaces, address in _own_addresses(packets, host):
        part = packets if interfaces == packets.interfaces else packets.by(interfaces)
        if address is None:
            yield Translated(part, None)
            continue
        after = replace(part.to(*address), moved=True)
        yield Translated(part, _reported(effect, after, part))


def _own_addresses(
    packets: PacketClass, host: HostView
) -> Iterator[tuple[frozenset[str], tuple[int, int] | None]]:
    """For each group of interfaces the address of this host that REDIRECT sends to: the first one
    of the interface that packets come by. Without one they are dropped.
    """
    groups: dict[tuple[int, int] | None, set[str]] = {}
    for name in packets.interfaces:
        known = host.first_addresses or {}
        address = known.get((name, packets.family))
        if (name, packets.family) not in known:
            groups.setdefault((0, _LAST[packets.family]), set()).add(name)
        elif address is None:
            groups.setdefault(None, set()).add(name)
        else:
            groups.setdefault((int(address), int(address)), set()).add(name)
    for address_span, names in sorted(groups.items(), key=lambda each: sorted(each[1])):
        yield frozenset(names), address_span


def _readdressed(
    effect: TranslateDestination, packets: PacketClass, host: HostView
) -> tuple[PacketClass, bool | None]:
    if effect.address is None:
        if not effect.is_untold:
            return packets, True
        return replace(packets.to(0, _LAST[packets.family]), moved=True), None
    first, last = int(effect.address.first), int(effect.address.last)
    if effect.keeps_host:
        first, last = _netmapped(effect.address, packets)
    version = 4 if packets.family is Family.INET else 6
    after = replace(packets.to(first, last), moved=True)
    return after, host.delivers(version, first, last)


def _netmapped(network: Interval, packets: PacketClass) -> tuple[int, int]:
    """The addresses of a network that have the hosts of the packets."""
    first = int(network.first)
    size = int(network.last) - first + 1
    if packets.first // size != packets.last // size:
        return first, int(network.last)
    return first + packets.first % size, first + packets.last % size


def _reported(effect: TranslateDestination, after: PacketClass, before: PacketClass) -> PacketClass:
    """The packets with their ports, as conntrack notes them."""
    packets = replace(after, translated=True)
    to = effect.port
    if to is not None and packets.has_ports:
        low, high = int(to.first), int(to.last)
        stays = low < high and not effect.shifts_port and low <= packets.low <= packets.high <= high
        if not stays:
            packets = replace(packets.at(low, high), port_moved=True)
    if effect.is_untold and packets.has_ports:
        packets = replace(packets.at(0, MAX_PORT), port_moved=True)
    return replace(packets, is_dnat=_differs(packets, before))


def _differs(packets: PacketClass, before: PacketClass) -> bool | None:
    """Whether packets go to another destination than before: conntrack notes no translation that
    changes nothing (nf_nat_setup_info; measured). None: some, or not known.
    """
    spans = (packets.first, packets.last), (before.first, before.last)
    ports = (packets.low, packets.high), (before.low, before.high)
    if any(one[1] < other[0] or other[1] < one[0] for one, other in (spans, ports)):
        return True
    alike = all(one == other and one[0] == one[1] for one, other in (spans, ports))
    same_port = not packets.port_moved and spans[0] == spans[1] and spans[0][0] == spans[0][1]
    return False if alike or same_port or not (packets.moved or packets.port_moved) else None
