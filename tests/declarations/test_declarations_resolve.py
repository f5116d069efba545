"""All declarations together."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import combinations, product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.declarations import port_ranges
from lvsmarkd.declarations.resolve import resolve
from lvsmarkd.model.declaration import Declaration, Declared, DeclaredFlow
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import MAX_PORT
from lvsmarkd.model.protocols import VRRP_PROTOCOL, Transport
from lvsmarkd.model.service import Address, Family, Network, ServiceKey
from tests.declarations.strategies import meeting
from tests.harness.values import packets, qualified
from tests.model.universe import Packet, is_one_of

INET, INET6 = Family.INET, Family.INET6
VIP, VIP6 = ip_address("192.0.2.10"), ip_address("2001:db8::10")


def _instance(name: str, *vips: Address) -> VrrpInstance:
    return VrrpInstance(name, Origin("keepalived.conf", 1), "eth0", vips)


def _declared(
    mark: int, to: str, ports: Sequence[str] = (), *, line: int = 1, accept: bool = False
) -> Declaration:
    target: Network | str = to if to.startswith("VI") else ip_network(to)
    parts = port_ranges.normal(part for each in ports for part in port_ranges.entry(each))
    return Declaration(mark, (target,), parts, Origin("keepalived.conf", line), accept)


def _texts(declared: Declared, mark: int, family: Family = INET) -> list[str]:
    return [
        f"{each.flow}{' accept' if each.accept else ''}"
        for each in declared.flows[ServiceKey(family, mark)]
    ]


def test_a_name_stands_for_all_addresses_of_its_instance_in_both_families() -> None:
    declared = resolve([_declared(80, "VI_1", ["tcp/80"])], (_instance("VI_1", VIP, VIP6),))
    assert declared.problems == ()
    assert _texts(declared, 80) == ["192.0.2.10 tcp 80"]
    assert _texts(declared, 80, INET6) == ["2001:db8::10 tcp 80"]


def test_a_link_local_address_goes_without_its_scope() -> None:
    instances = (_instance("VI_1", IPv6Address("fe80::1%eth0")),)
    assert _texts(resolve([_declared(80, "VI_1")], instances), 80, INET6) == ["fe80::1"]


def test_qualifiers_arrive_in_the_flow() -> None:
    written = replace(
        _declared(80, "192.0.2.10"), qualifiers=qualified("eth0", ("52:54:00:12:34:56",))
    )
    (flow,) = resolve([written], ()).flows[ServiceKey(INET, 80)]
    assert flow == DeclaredFlow(
        packets("192.0.2.10", in_interface="eth0", not_from_mac=("52:54:00:12:34:56",)),
        accept=False,
        origin=written.origin,
    )


def test_nothing_declared_is_nothing() -> None:
    assert resolve((), ()) == Declared()


@pytest.mark.parametrize(
    ("instances", "fragments"),
    [
        ((), ["no vrrp_instance", "write the addresses themselves"]),
        ((_instance("VI_2", VIP), _instance("Z", VIP)), ["(VI_2, Z)", "did you mean VI_2?"]),
        ((_instance("vi_1", VIP),), ["did you mean vi_1?"]),
        ((_instance("zebra", VIP),), ["(zebra)"]),
        (tuple(_instance(f"X{n}", VIP) for n in range(99)), ["and 89 more"]),
        ((_instance("VI_1"),), ["a vrrp_instance with a virtual_ipaddress"]),
    ],
)
def test_a_name_without_addresses_is_a_problem(
    instances: tuple[VrrpInstance, ...], fragments: list[str]
) -> None:
    declared = resolve([_declared(80, "VI_1", line=7)], instances)
    assert declared.flows == {}
    (problem,) = declared.problems
    assert (problem.origin.line, problem.marks, problem.fatal) == (7, (80,), True)
    assert 'found "VI_1"' in problem.message
    for fragment in fragments:
        assert fragment in problem.message


def test_what_stands_beside_an_unknown_name_is_there_nevertheless() -> None:
    written = replace(_declared(80, "VI_1"), to=("VI_1", ip_network("192.0.2.10")))
    declared = resolve([written], ())
    assert _texts(declared, 80) == ["192.0.2.10"]
    assert len(declared.problems) == 1


def test_a_host_name_is_not_looked_up() -> None:
    declared = resolve([_declared(80, "VIP.example.org")], (_instance("X", VIP),))
    assert "host names are not looked up" in declared.problems[0].message


def test_a_mark_declared_twice_has_the_union() -> None:
    declared = resolve(
        [
            _declared(80, "192.0.2.10", ["tcp/80-90"], line=1),
            _declared(80, "192.0.2.10", ["tcp/85-100", "udp/5"], line=2),
            _declared(80, "192.0.2.11", ["tcp/80"], line=3),
        ],
        (),
    )
    assert declared.problems == ()
    assert _texts(declared, 80) == [
        "192.0.2.10 tcp 80-100",
        "192.0.2.10 udp 5",
        "192.0.2.11 tcp 80",
    ]
    assert [each.origin.line for each in declared.flows[ServiceKey(INET, 80)]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("plain", "accepted", "united"),
    [
        ("tcp/80", "tcp/80", ["192.0.2.10 tcp 80 accept"]),
        ("tcp/80-82", "tcp/81", ["tcp 80", "tcp 81 accept", "tcp 82"]),
        ("tcp/81", "tcp/80-82", ["tcp 80-82 accept"]),
        ("tcp/81", "tcp", ["tcp accept"]),
        ("tcp", "tcp/1-80", ["tcp 1-80 accept", "tcp 81-65535"]),
        ("tcp", "udp/80", ["tcp", "udp 80 accept"]),
    ],
)
def test_what_either_accepts_is_accepted(plain: str, accepted: str, united: list[str]) -> None:
    written = [
        _declared(80, "192.0.2.10", [plain]),
        _declared(80, "192.0.2.10", [accepted], accept=True),
    ]
    for order in (written, written[::-1]):
        texts = _texts(resolve(order, ()), 80)
        assert sorted(texts) == sorted(
            f"192.0.2.10 {u.removeprefix('192.0.2.10 ')}" for u in united
        )


def test_a_flow_within_another_is_dropped() -> None:
    written = [
        _declared(80, "192.0.2.0/24", ["tcp"]),
        _declared(80, "192.0.2.10", ["tcp/80"]),
        replace(_declared(80, "192.0.2.0/24", ["tcp/80"]), qualifiers=qualified("eth0")),
    ]
    assert _texts(resolve(written, ()), 80) == ["192.0.2.0/24 tcp"]


def test_one_flow_under_two_marks_is_one_problem_that_names_both_places() -> None:
    declared = resolve(
        [
            _declared(81, "192.0.2.10", ["tcp/80", "tcp/443"], line=12),
            _declared(80, "192.0.2.0/24", ["tcp"], line=34),
            _declared(82, "192.0.2.10", ["tcp/8080"], line=56),
        ],
        (),
    )
    messages = {problem.marks: problem for problem in declared.problems}
    assert sorted(messages) == [(80, 81), (80, 82)]
    problem = messages[80, 81]
    assert problem.fatal
    assert "192.0.2.0/24 tcp under mark 80 (keepalived.conf:34)" in problem.message
    assert "192.0.2.10 tcp 80 under mark 81 (keepalived.conf:12)" in problem.message
    assert "one mark for each packet" in problem.message


def test_the_place_named_is_that_of_the_flow_even_where_ports_are_joined() -> None:
    declared = resolve(
        [
            _declared(80, "192.0.2.10", ["tcp/80"], line=1),
            _declared(80, "192.0.2.10", ["tcp/81"], line=2),
            _declared(81, "192.0.2.10", ["tcp/81"], line=3),
        ],
        (),
    )
    (problem,) = declared.problems
    assert "tcp 81 under mark 80 (keepalived.conf:2)" in problem.message


def test_a_wide_range_is_seen_past_the_narrow_ones_that_start_after_it() -> None:
    declared = resolve(
        [
            _declared(80, "192.0.2.0/24", ["tcp/1-10"], line=1),
            _declared(81, "192.0.2.0/24", ["udp/1"], line=2),
            _declared(80, "192.0.2.0/24", ["tcp/2"], line=3),
            _declared(82, "192.0.2.10", ["tcp/8"], line=4),
        ],
        (),
    )
    assert [problem.marks for problem in declared.problems] == [(80, 82)]


def _claims(declarations: Sequence[Declaration]) -> Iterator[tuple[int, Packets, bool]]:
    """What is declared, in the plainest way."""
    for each in declarations:
        for network in each.to:
            assert not isinstance(network, str)
            whole = Packets(destination=network, qualifiers=each.qualifiers)
            parts = [
                replace(whole, protocol=part.transport, ports=(part.ports,) if part.ports else ())
                for part in each.ports
            ]
            for flow in parts or [whole]:
                yield each.mark, flow, each.accept


@given(st.lists(meeting, max_size=8))
def test_conflicts_are_those_that_trying_all_pairs_finds(declarations: list[Declaration]) -> None:
    pairs = {
        (min(a, b), max(a, b))
        for (a, one, _), (b, other, _) in combinations(_claims(declarations), 2)
        if a != b and one.overlaps(other)
    }
    problems = resolve(declarations, ()).problems
    assert sorted(pairs) == [problem.marks for problem in problems]


_ADDRESSES: list[Address] = [
    *map(IPv4Address, ("192.0.2.0", "192.0.2.1", "192.0.2.2", "198.51.100.1")),
    *map(IPv6Address, ("2001:db8::1", "2001:db8::2")),
]
_PROTOCOLS: list[tuple[int, int | None]] = [
    (VRRP_PROTOCOL, None),
    *product([Transport.TCP, Transport.SCTP], [1, 4, 7, 8, MAX_PORT]),
]
_PACKETS = [
    Packet(to, protocol, port, interface, mac)
    for to, (protocol, port), interface, mac in product(
        _ADDRESSES,
        _PROTOCOLS,
        ["eth0", "eth1"],
        ["52:54:00:00:00:01", "52:54:00:00:00:02"],
    )
]


def _bears(claims: Sequence[tuple[int, Packets, bool]], packet: Packet) -> set[tuple[int, bool]]:
    """The marks that a packet gets, each with whether it is accepted too."""
    hits = [(mark, accept) for mark, flow, accept in claims if is_one_of(packet, flow)]
    return {(mark, any(a for m, a in hits if m == mark)) for mark, _ in hits}


@given(st.lists(meeting, max_size=5), st.randoms(use_true_random=False))
def test_the_union_means_what_was_written_in_any_order(
    declarations: list[Declaration], random: Random
) -> None:
    written = list(_claims(declarations))
    flows = resolve(declarations, ()).flows
    united = [(key.mark, e.flow, e.accept) for key, own in flows.items() for e in own]
    for packet in _PACKETS:
        assert _bears(written, packet) == _bears(united, packet)
    random.shuffle(declarations)
    again = resolve(declarations, ()).flows
    assert {k: {(e.flow, e.accept) for e in own} for k, own in flows.items()} == {
        k: {(e.flow, e.accept) for e in own} for k, own in again.items()
    }


@given(st.lists(meeting, max_size=8))
def test_flows_that_differ_only_in_ports_are_apart(declarations: list[Declaration]) -> None:
    for own in resolve(declarations, ()).flows.values():
        for one, other in combinations(own, 2):
            if replace(one.flow, ports=()) == replace(other.flow, ports=()):
                assert not one.flow.overlaps(other.flow)


@pytest.mark.parametrize("hosts", [1, 1000])
def test_a_thousand_services_of_four_flows_are_looked_up_not_compared_each_with_each(
    hosts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0
    overlaps = Packets.overlaps

    def counted(one: Packets, other: Packets) -> bool:
        nonlocal compared
        compared += 1
        return overlaps(one, other)

    monkeypatch.setattr(Packets, "overlaps", counted)
    declarations = [
        _declared(mark, f"10.0.{mark % hosts // 250}.{mark % hosts % 250}", [ports])
        for mark in range(1, 1001)
        for ports in [f"tcp/{mark},{mark + 2000},{mark + 4000},{mark + 6000}"]
    ]
    declarations.append(_declared(2000, "10.0.0.0/8", ["udp/1"]))
    declared = resolve(declarations, ())
    assert compared < 10 * 4001
    assert declared.problems == ()
    assert sum(map(len, declared.flows.values())) == 4001
