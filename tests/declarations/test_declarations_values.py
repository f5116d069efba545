"""What a value may be, and the sentence for one that cannot be followed."""

from collections.abc import Callable
from ipaddress import ip_network

import pytest
from hypothesis import given

from lvsmarkd.declarations import port_ranges, values
from lvsmarkd.declarations.listening import listening
from lvsmarkd.model.declaration import Ports
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import InInterface, NotFromMac
from lvsmarkd.model.refusal import RefusalError, either, nearest, shown
from tests.declarations.strategies import ports as any_ports


@pytest.mark.parametrize(
    ("read", "found", "fragments"),
    [
        (values.mark, 0, ["found 0", "1 to 4294967295", "packet without a mark"]),
        (values.mark, -1, ["found -1"]),
        (values.mark, 4294967296, ["found 4294967296"]),
        pytest.param(values.mark, 16**5000, ["far too many digits"], id="huge"),
        (values.mark, True, ["found true"]),
        (values.mark, 80.0, ["found 80.0"]),
        (values.mark, "0x50", ['found "0x50"', "plain decimal", "write 80"]),
        (values.mark, "80", ["write 80"]),
        (values.mark, "0x100000000", ["found"]),
        (values.mark, "eighty", ['found "eighty"']),
        (values.mark, None, ["found nothing"]),
        (values.target, "", ['found ""', "vrrp_instance"]),
        (values.target, "192.0.2.300", ["0 to 255"]),
        (values.target, "192.0.2", ["looks like an address"]),
        (values.target, "192.0.2.010", ["write 192.0.2.10"]),
        (values.target, "10.0.0.1-10.0.0.9", ["range of addresses"]),
        (values.target, "192.0.2.10/24", ["192.0.2.0/24 for the whole", "192.0.2.10 for the one"]),
        (values.target, "2001:db8::1/64", ["2001:db8::/64", "2001:db8::1 for the one"]),
        (values.target, "192.0.2.0/255.255.255.0", ["write 192.0.2.0/24"]),
        (values.target, "192.0.2.0/33", ['found "192.0.2.0/33"']),
        (values.target, "192.0.2.0/", ['found "192.0.2.0/"']),
        (values.target, "VI_1/24", ['found "VI_1/24"']),
        (values.target, "fe80::1%eth0", ["without a scope", "in-interface"]),
        (values.target, "fe80::1%eth0/64", ["without a scope"]),
        (values.target, "::ffff:192.0.2.10", ["write 192.0.2.10"]),
        (values.target, "[2001:db8::1]", ["write 2001:db8::1"]),
        (values.target, "192.0.2.10:80", ["write 192.0.2.10, and the port as tcp/80"]),
        (values.target, "[2001:db8::1]:443", ["write 2001:db8::1, and the port as tcp/443"]),
        (values.target, "2001:db8:::1", ["looks like an address"]),
        (values.target, "12:34", ["looks like an address"]),
        (values.target, "192.0.2.10,192.0.2.11", ["one target per item"]),
        (values.target, "VI_1,VI_2", ["one target per item"]),
        (values.target, "VI_1 VI_2", ["one target per item"]),
        (values.target, "accept", ["declared by its addresses"]),
        (values.target, "VI\x1b[31m", [r"\u001b"]),
        (values.target, "192.0.2.1\n", [r"\n"]),
        (NotFromMac.checked, "52:54:00:12:34", ["52:54:00:12:34:56"]),
        (NotFromMac.checked, "5254.0012.34AB", ["write 52:54:00:12:34:ab"]),
        (NotFromMac.checked, "525400123456", ["write 52:54:00:12:34:56"]),
        (NotFromMac.checked, "52:54:00:12:34:5g", ["found"]),
        (InInterface.checked, "eth+", ["wildcards", "one declaration for each"]),
        (InInterface.checked, "eth*", ["wildcards"]),
        (InInterface.checked, "", ['found ""']),
        (InInterface.checked, ".", ['found "."']),
        (InInterface.checked, "..", ['found ".."']),
        (InInterface.checked, "-i", ['found "-i"']),
        (InInterface.checked, "!eth0", ['found "!eth0"']),
        (InInterface.checked, "eth0\n", ["found"]),
        (InInterface.checked, "a-name-that-is-long", ["19 characters"]),
        (port_ranges.entry, "80/tcp", ['write "tcp/80"']),
        (port_ranges.entry, "80", ['write "tcp/80" or "udp/80"']),
        (port_ranges.entry, "tcp 80", ['write "tcp/80"']),
        (port_ranges.entry, "tcp:80", ['write "tcp/80"']),
        (port_ranges.entry, "tcp/", ['write "tcp" for every port']),
        (port_ranges.entry, "tcp/*", ['write "tcp" for every port']),
        (port_ranges.entry, "TCP/80", ["did you mean tcp?"]),
        (port_ranges.entry, "icmp", ['"tcp", "udp", "dccp" or "sctp"', "every protocol"]),
        (port_ranges.entry, "", ['found ""']),
        (port_ranges.entry, "tcp/http", ['found "http"', "write 80"]),
        (port_ranges.entry, "tcp/gopher", ["names of services are not looked up"]),
        (port_ranges.entry, "tcp/0", ['found "0"', "1 to 65535"]),
        (port_ranges.entry, "tcp/65536", ['found "65536"']),
        (port_ranges.entry, "tcp/1-65536", ['found "1-65536"']),
        (port_ranges.entry, "tcp/20000-10000", ["write 10000-20000"]),
        (port_ranges.entry, "tcp/10000:20000", ["write 10000-20000"]),
        (port_ranges.entry, "tcp/80 443", ["write 80,443"]),
        (port_ranges.entry, "tcp/80,", ['found ""']),
        (port_ranges.entry, "tcp/80-", ['found "80-"']),
        (port_ranges.entry, "tcp/80/443", ['found "80/443"']),
        (port_ranges.entry, "tcp/٨٠", ["1 to 65535"]),
        (listening, "127.0.0.1", ['"127.0.0.1:10965" or "[::1]:10965"']),
        (listening, "127.0.0.1:0", ["1 to 65535"]),
        (listening, "127.0.0.1:65536", ["1 to 65535"]),
        (listening, "127.0.0.1:http", ["found"]),
        (listening, ":10965", ['write "0.0.0.0:10965"']),
        (listening, "::1:10965", ['write "[::1]:10965"']),
        (listening, "[127.0.0.1]:10965", ['write "127.0.0.1:10965"']),
        (listening, "localhost:10965", ["host names are not looked up"]),
    ],
)
def test_the_sentence_says_what_was_found_and_what_to_write(
    read: Callable[[object], object], found: object, fragments: list[str]
) -> None:
    with pytest.raises(RefusalError) as refusal:
        read(found)
    assert "expected" in str(refusal.value)
    for fragment in fragments:
        assert fragment in str(refusal.value)


@pytest.mark.parametrize("text", ["192.0.2.10", "2001:db8::10", "192.0.2.0/24", "2001:db8::/32"])
def test_an_address_is_a_host_network_and_a_prefix_is_itself(text: str) -> None:
    assert values.target(text) == ip_network(text)


@pytest.mark.parametrize(
    "text", ["VI_1", "51", "web.example", "lan:a", "dead-beef", "10er", "ümlaut", '"quoted"']
)
def test_what_does_not_look_like_an_address_is_a_name(text: str) -> None:
    assert values.target(text) == text


def test_a_mac_address_is_in_lower_case_with_colons() -> None:
    assert NotFromMac.checked("52-54-00-AB-CD-EF") == "52:54:00:ab:cd:ef"


@pytest.mark.parametrize("text", ["eth0", "br-lan.10", "lo", "a@b%c:d_e", "...", "x" * 15])
def test_an_interface_has_up_to_15_of_its_characters(text: str) -> None:
    assert InInterface.checked(text) == text


def test_ports_come_alone_as_range_as_list_or_not_at_all() -> None:
    assert port_ranges.entry("tcp/80, 443,10000-20000") == tuple(
        Ports(Transport.TCP, each)
        for each in (PortRange(80, 80), PortRange(443, 443), PortRange(10000, 20000))
    )
    assert port_ranges.entry("dccp") == (Ports(Transport.DCCP),)


def test_the_normal_form_joins_what_overlaps_or_touches() -> None:
    written = [
        *port_ranges.entry("udp/5"),
        *port_ranges.entry("tcp/443,80,81,90-100,95-110,443"),
        *port_ranges.entry("sctp/7"),
        *port_ranges.entry("sctp"),
    ]
    assert port_ranges.normal(written) == (
        *port_ranges.entry("tcp/80-81,90-110,443"),
        *port_ranges.entry("udp/5"),
        *port_ranges.entry("sctp"),
    )


@given(any_ports(highest=12), any_ports(highest=12))
def test_the_normal_form_is_one_and_means_the_same(
    one: tuple[Ports, ...], other: tuple[Ports, ...]
) -> None:
    both = port_ranges.normal((*one, *other))
    assert port_ranges.normal(both) == both == port_ranges.normal((*other, *one))
    assert _meant(both) == _meant((*one, *other))


def _meant(ports: tuple[Ports, ...]) -> set[tuple[Transport, int]]:
    return {
        (each.transport, port)
        for each in ports
        for port in range(14)
        if each.ports is None or each.ports.first <= port <= each.ports.last
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("127.0.0.1:10965", ("127.0.0.1", 10965)), ("[::1]:9", ("::1", 9))],
)
def test_listen_is_an_address_and_a_port(text: str, value: tuple[str, int]) -> None:
    assert listening(text) == value


def test_a_long_value_is_shown_short() -> None:
    assert len(shown("x" * 500)) < 100


def test_the_nearest_word_is_found_whatever_its_case_and_dashes() -> None:
    assert nearest("Not-From-Macs", ["not_from_mac", "accept"]) == "not_from_mac"
    assert nearest("vi_1", ["VI_1", "X"]) == "VI_1"
    assert nearest("zebra", ["not_from_mac", "accept"]) is None


def test_alternatives_read_as_a_sentence() -> None:
    assert [either("a"), either("ab"), either("abc")] == ['"a"', '"a" or "b"', '"a", "b" or "c"']
