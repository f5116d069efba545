"""The algebra of packets agrees with what single packets say."""

from ipaddress import ip_network
from itertools import combinations

import pytest
from hypothesis import example, given, settings

from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.ports import EVERY_PORT, PortRange
from lvsmarkd.model.protocols import VRRP_PROTOCOL
from lvsmarkd.model.qualifiers import InInterface, NotFromMac, in_order
from lvsmarkd.model.service import Family
from tests.model.universe import EVERY, MACS, is_one_of, members, sent_by_host, some_packets

TCP, UDP = 6, 17
ETH0 = InInterface.of("eth0")
MAC = NotFromMac.of(MACS[0])


def to(address: str | None, protocol: int | None = None, *ports: int, **more: object) -> Packets:
    return Packets(
        destination=None if address is None else ip_network(address),
        protocol=protocol,
        ports=tuple(PortRange(port, port) for port in ports),
        **more,  # type: ignore[arg-type] # passed on
    )


def _port_of_what_has_none(one: Packets, other: Packets) -> bool:
    """Whether one is about ports and the other about a protocol that has none: both may be told
    of one packet, as far as the algebra knows, and no packet of the universe is in both.
    """
    return VRRP_PROTOCOL in {one.protocol, other.protocol} and bool(one.ports or other.ports)


@given(some_packets(), some_packets())
@example(to(None, TCP), to(None, TCP, 8))
@example(Packets(), Packets(ports=(EVERY_PORT,)))
@settings(max_examples=300)
def test_the_algebra_says_what_single_packets_say(one: Packets, other: Packets) -> None:
    ours, theirs = members(one), members(other)
    assert one.covers(other) is (ours >= theirs)
    if ours & theirs:
        assert one.overlaps(other)
    if not _port_of_what_has_none(one, other):
        assert one.overlaps(other) is bool(ours & theirs)
    both = one.intersect(other)
    assert (frozenset() if both is None else members(both)) == ours & theirs
    rest = one.subtract(other)
    if rest is not None:
        parts = list(map(members, rest))
        assert frozenset().union(*parts) == ours - theirs
        assert sum(map(len, parts)) == len(ours - theirs)


@given(some_packets(), some_packets(), some_packets())
def test_laws(one: Packets, other: Packets, third: Packets) -> None:
    assert one.covers(one)
    assert EVERY_PACKET.covers(one)
    assert one.subtract(one) == ()
    assert one.subtract(EVERY_PACKET) == ()
    assert one.overlaps(other) is other.overlaps(one)
    both, turned = one.intersect(other), other.intersect(one)
    assert (both is None) is not one.overlaps(other)
    if both is not None and turned is not None:
        assert one.covers(both)
        assert other.covers(both)
        assert both.covers(turned)
        assert turned.covers(both)
    if one.covers(other):
        assert other.overlaps(third) <= one.overlaps(third)
        assert other.subtract(one) == ()
        if other.covers(third):
            assert one.covers(third)
    rest = one.subtract(other)
    if rest is not None:
        assert all(one.covers(part) and not part.overlaps(other) for part in rest)
        assert not any(part.overlaps(each) for part, each in combinations(rest, 2))
        assert one.covers(other) or rest != () or other.covers(one)


@given(some_packets())
def test_of_its_own_packets_the_host_is_told_those_that_no_interface_narrows(
    packets: Packets,
) -> None:
    own = packets.sent_by_host()
    assert (own is None) is (packets.qualifier(InInterface) is not None)
    if own is not None:
        assert own.qualifiers == ()
        mine = sent_by_host(EVERY)
        assert {p for p in mine if is_one_of(p, own)} == sent_by_host(members(packets))


@pytest.mark.parametrize(
    ("whole", "part", "rest"),
    [
        (to("192.0.2.10", TCP, 80), to("192.0.2.11", TCP, 80), ["192.0.2.10 tcp 80"]),
        (to("192.0.2.10", TCP, 80, 443), to(None, TCP, 80), ["192.0.2.10 tcp 443"]),
        (to("192.0.2.10", TCP), to(None, TCP, 80), ["192.0.2.10 tcp 1-79,81-65535"]),
        (to("192.0.2.10", TCP), to(None, None, 80), ["192.0.2.10 tcp 1-79,81-65535"]),
        (
            to("192.0.2.0/30", TCP),
            to("192.0.2.1", TCP, 1),
            ["192.0.2.0 tcp", "192.0.2.2/31 tcp", "192.0.2.1 tcp 2-65535"],
        ),
        (to("192.0.2.10", TCP, 80, qualifiers=(MAC,)), to("192.0.2.10", qualifiers=(MAC,)), []),
        # Every protocol but one, every interface but one, just one sender: nothing says these.
        (to("192.0.2.10"), to("192.0.2.10", TCP), None),
        (to("192.0.2.10"), to("192.0.2.10", None, 80), None),
        (to("192.0.2.10"), to("192.0.2.10", qualifiers=(ETH0,)), None),
        (to("192.0.2.10"), to("192.0.2.10", qualifiers=(MAC,)), None),
    ],
)
def test_what_is_left_is_exact_or_not_said(
    whole: Packets, part: Packets, rest: list[str] | None
) -> None:
    left = whole.subtract(part)
    assert (None if left is None else sorted(map(str, left))) == (rest and sorted(rest))


def test_ranges_that_touch_hold_together_what_neither_holds_alone() -> None:
    two = Packets(protocol=TCP, ports=(PortRange(1, 80), PortRange(81, 90)))
    assert two.covers(Packets(protocol=TCP, ports=(PortRange(70, 85),)))
    whole = Packets(protocol=TCP, ports=(PortRange(1, 80), PortRange(81, 65535)))
    assert whole.covers(Packets(protocol=TCP))
    assert not whole.covers(Packets())
    assert not Packets(ports=whole.ports).covers(Packets(protocol=VRRP_PROTOCOL))


def test_qualifiers_have_one_order_and_none_stands_twice() -> None:
    with pytest.raises(ValueError, match="order"):
        Packets(qualifiers=(MAC, ETH0))
    assert Packets(qualifiers=in_order((MAC, ETH0))) == Packets(qualifiers=(ETH0, MAC))
    with pytest.raises(ValueError, match="two of a kind"):
        Packets(qualifiers=(ETH0, InInterface.of("eth1")))


def test_it_is_written_for_people_and_as_in_rules() -> None:
    packets = to("192.0.2.10", TCP, 80, 443, qualifiers=(ETH0, MAC))
    ending = f"tcp 80,443 in-interface eth0 not-from-mac {MACS[0]}"
    assert str(packets) == f"192.0.2.10 {ending}"
    assert packets.text(prefixes=True) == f"192.0.2.10/32 {ending}"
    assert str(to("192.0.2.0/24")) == "192.0.2.0/24"
    assert str(Packets(protocol=VRRP_PROTOCOL)) == "any vrrp"
    assert str(Packets(protocol=1)) == "any protocol 1"
    assert str(EVERY_PACKET) == "any"


def test_the_family_is_that_of_the_destination() -> None:
    assert to("2001:db8::1").family is Family.INET6
    assert EVERY_PACKET.family is None
    everywhere = to("0.0.0.0/0")
    assert EVERY_PACKET.covers(everywhere)
    assert not everywhere.covers(EVERY_PACKET)


def test_narrowed_it_has_the_qualifier_besides() -> None:
    assert to("192.0.2.10").narrowed(ETH0) == to("192.0.2.10", qualifiers=(ETH0,))
    two = to("192.0.2.10", qualifiers=(MAC,)).narrowed(NotFromMac.of(MACS[1]))
    assert two == to("192.0.2.10", qualifiers=(NotFromMac.of(*MACS[:2]),))
    assert to(None, qualifiers=(ETH0,)).narrowed(InInterface.of("eth1")) is None
