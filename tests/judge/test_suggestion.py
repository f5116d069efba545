"""What is guessed for a service that nobody declared, what is in doubt, and what is left out."""

from ipaddress import ip_address, ip_network

import pytest
from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.suggestion import Suggestion
from lvsmarkd.model.address_service import AddressService
from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.host import UNKNOWN_HOST, HostView
from lvsmarkd.model.ipvs import LoadedIpvs
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.runtime_state import UNASKED, RuntimeState
from lvsmarkd.model.service import FlowSource, Service
from tests.harness.paper import PaperFirewall
from tests.harness.values import HERE, declare, flow, instance, key, reading, service
from tests.judge.test_outlook import seen

INFER = Options(infer=True)
VIPS = (instance("192.0.2.10", "192.0.2.11"),)
THERE = Origin("/etc/keepalived/other.conf", 3)


def wanted(
    of: Service,
    *by_address: Packets,
    instances: tuple[VrrpInstance, ...] = VIPS,
    runtime_state: RuntimeState = UNASKED,
    host: HostView = UNKNOWN_HOST,
) -> Desired:
    services = tuple(AddressService(packets, THERE) for packets in by_address)
    read = replace(reading(of, instances=instances), address_services=services)
    return desired(read, Declared(), INFER, runtime_state=runtime_state, host=host)


def guess(now: Desired) -> Suggestion:
    [suggestion] = now.suggestions.values()
    return suggestion


def test_an_address_that_has_a_virtual_server_of_its_own_is_left_out() -> None:
    now = wanted(service(1, ports=(5432,)), flow("192.0.2.10", 5432))
    assert guess(now).text() == "# lvsmarkd: fwmark 1 to 192.0.2.11 tcp 5432"
    assert str(THERE) in guess(now).doubts[0]
    assert now.coverage[key(1)] is FlowSource.NONE
    # Another port of it is no matter.
    free = wanted(service(1, ports=(5432,)), flow("192.0.2.10", 25))
    assert free.coverage[key(1)] is FlowSource.INFERRED


def test_where_services_by_address_have_all_nothing_is_suggested() -> None:
    both = flow("192.0.2.10/31", transport=Transport.TCP)
    now = wanted(service(1), both)
    assert guess(now).text() == ""
    assert guess(now).reason
    [told] = [f for f in judge(now, PaperFirewall().read()).findings if f.kind is Kind.UNCOVERED]
    assert guess(now).reason in told.advice
    assert told.paste == ""
    part = wanted(service(1, ports=(80, 443)), flow("192.0.2.10", 80), flow("192.0.2.11", 80))
    assert guess(part).text() == "# lvsmarkd: fwmark 1 to 192.0.2.10,192.0.2.11 tcp 443"


def test_what_ipvs_alone_knows_by_address_is_left_out_too() -> None:
    kernel = LoadedIpvs(frozenset({key(1)}), addresses=frozenset({flow("192.0.2.10", 80)}))
    now = wanted(service(1), runtime_state=RuntimeState(kernel=kernel))
    assert guess(now).vips == (ip_address("192.0.2.11"),)
    assert "in IPVS" in guess(now).doubts[0]
    assert now.coverage[key(1)] is FlowSource.NONE


@pytest.mark.parametrize(
    ("changes", "text", "in_doubt"),
    [
        ({"transports": (Transport.UDP,)}, "udp 53", False),
        ({"transports": (Transport.SCTP,)}, "sctp 53", False),
        ({"transports": (Transport.TCP, Transport.UDP)}, "tcp 53 udp 53", True),
        ({}, "tcp 53", False),
        ({"real_ports": (21,)}, "tcp 21", True),
        ({"real_ports": (21,), "transports": (Transport.UDP,)}, "udp 21", False),
    ],
)
def test_protocol_and_port_decide_what_is_suggested(
    changes: dict[str, object], text: str, in_doubt: bool
) -> None:
    now = wanted(replace(service(5, ports=(53,)), **changes), instances=(instance("192.0.2.10"),))
    assert guess(now).text() == f"# lvsmarkd: fwmark 5 to 192.0.2.10 {text}"
    assert bool(guess(now).doubts) is in_doubt
    assert now.coverage[key(5)] is (FlowSource.NONE if in_doubt else FlowSource.INFERRED)


@pytest.mark.parametrize(
    ("real", "in_doubt"),
    [
        (("198.51.100.1", "198.51.100.2"), True),
        (("127.0.0.1", "198.51.100.2"), True),
        (("198.51.100.2", "198.51.100.3"), False),
        (("198.51.100.1",), False),
    ],
)
def test_directors_that_are_real_servers_are_never_inferred(
    real: tuple[str, ...], in_doubt: bool
) -> None:
    host = HostView(local=(ip_network("198.51.100.1/32"),))
    of = replace(service(3), real_addresses=tuple(map(ip_address, real)))
    now = wanted(of, host=host)
    assert any("not-from-mac" in doubt for doubt in guess(now).doubts) is in_doubt
    assert now.coverage[key(3)] is (FlowSource.NONE if in_doubt else FlowSource.INFERRED)


def test_without_an_instance_the_addresses_are_those_of_the_host() -> None:
    local = ("127.0.0.0/8", "192.0.2.7/32", "fe80::1/128", "2001:db8::7/128")
    host = HostView(local=tuple(map(ip_network, local)))
    now = wanted(service(3), instances=(), host=host)
    assert guess(now).text() == "# lvsmarkd: fwmark 3 to 192.0.2.7 tcp 80"
    assert now.coverage[key(3)] is FlowSource.NONE
    assert "<the VIP>" in guess(wanted(service(3), instances=())).text()


def _problems(now: Desired) -> list[Finding]:
    return [f for f in judge(now, PaperFirewall().read()).findings if f.kind is Kind.PROBLEM]


def test_a_declaration_that_takes_packets_of_a_service_by_address_is_told_with_both_places() -> (
    None
):
    own = AddressService(flow("192.0.2.10", 25), THERE)
    read = replace(reading(service(1), instances=VIPS), address_services=(own,))
    [told] = _problems(desired(read, Declared(declare(1, flow("192.0.2.0/24"))), Options()))
    assert told.severity is Severity.WARNING
    assert told.origins == (HERE, THERE)
    assert str(THERE) in told.fact
    assert not _problems(desired(read, Declared(declare(1, flow("192.0.2.10", 80))), Options()))


def test_a_mark_that_policy_routing_asks_for_is_no_orphan() -> None:
    text = "pre -s 203.0.113.0/24 MARK 201"

    def orphans(*claims: MarkClaim) -> list[Finding]:
        now = wanted(service(3), runtime_state=RuntimeState(claims=claims))
        return [f for f in judge(now, seen(text)).findings if f.kind is Kind.ORPHAN]

    routed = MarkClaim(201, 0xFFFFFFFF, "policy routing", "ip rule 9", Use.ROUTE, key(3).family)
    assert len(orphans()) == 1
    assert orphans(routed) == []
    assert len(orphans(replace(routed, value=202))) == 1
