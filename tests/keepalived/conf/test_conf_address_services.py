"""What keepalived programmes by address, and what its blocks say of protocols and real servers."""

from pathlib import Path

import pytest

from lvsmarkd.keepalived.conf.reading import read
from lvsmarkd.model.keepalived import Reading
from lvsmarkd.model.protocols import Transport

REAL = "real_server 198.51.100.1 80 {\n weight 1\n}\n"


def reading_of(tmp_path: Path, text: str) -> Reading:
    conf = tmp_path / "keepalived.conf"
    conf.write_text(text)
    return read(conf)


@pytest.mark.parametrize(
    ("head", "packets"),
    [
        ("192.0.2.1 80 {\nprotocol TCP\n", ["192.0.2.1 tcp 80"]),
        # UDP where nothing is said, every port where none is.
        ("192.0.2.1 {\n", ["192.0.2.1 udp"]),
        ("fwmark 5 {\nprotocol TCP\n", []),
    ],
)
def test_a_virtual_server_by_address(tmp_path: Path, head: str, packets: list[str]) -> None:
    read = reading_of(tmp_path, f"virtual_server {head}{REAL}}}\n")
    assert [str(each.packets) for each in read.address_services] == packets
    assert all(each.origin and each.origin.line == 1 for each in read.address_services)


@pytest.mark.parametrize(
    ("line", "packets"),
    [
        ("192.0.2.1 53", ["192.0.2.1 udp 53"]),
        ("192.0.2.6-7 53", ["192.0.2.6/31 udp 53"]),
        ("192.0.2.6-192.0.2.8 53", ["192.0.2.6/31 udp 53", "192.0.2.8 udp 53"]),
        ("192.0.2.8/30 53", ["192.0.2.8/30 udp 53"]),
        ("192.0.2.9/30 53", []),
        ("192.0.2.7-6 53", []),
    ],
)
def test_each_address_of_a_group_is_a_service(
    tmp_path: Path, line: str, packets: list[str]
) -> None:
    group = f"virtual_server_group G {{\nfwmark 5\n{line}\n}}\n"
    read = reading_of(tmp_path, f"{group}virtual_server group G {{\nprotocol UDP\n{REAL}}}\n")
    assert [str(each.packets) for each in read.address_services] == packets
    assert all(each.origin and each.origin.line == 3 for each in read.address_services)
    assert [service.key.mark for service in read.services] == [5]


@pytest.mark.parametrize(
    ("protocol", "check", "told"),
    [
        ("", "", ()),
        ("protocol TCP", "TCP_CHECK", (Transport.TCP,)),
        ("protocol UDP", "", (Transport.UDP,)),
        ("", "UDP_CHECK", (Transport.UDP,)),
        ("protocol TCP", "DNS_CHECK", (Transport.TCP, Transport.UDP)),
    ],
)
def test_protocol_and_health_checks_tell_what_is_served(
    tmp_path: Path, protocol: str, check: str, told: tuple[Transport, ...]
) -> None:
    block = f"{check} {{\n}}\n" if check else ""
    text = (
        f"virtual_server fwmark 5 {{\n{protocol}\nreal_server 198.51.100.1 53 {{\n{block}}}\n}}\n"
    )
    [service] = reading_of(tmp_path, text).services
    assert service.transports == told
    assert list(map(str, service.real_addresses)) == ["198.51.100.1"]
