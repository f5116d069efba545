"""What of the host takes packets on their way, from the real kernel: first addresses, sockets,
queues.
"""

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvsmarkd.kernel.addresses import first_addresses
from lvsmarkd.kernel.queues import listened_queues
from lvsmarkd.kernel.settings import dead_ends, switched_on
from lvsmarkd.kernel.sockets import listening_ports
from lvsmarkd.model.host import ListeningPort
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown
from tests.harness.netns import run


@pytest.fixture
def wired(netns: None) -> None:
    run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    for name in ("v0", "v1", "lo"):
        run("ip", "link", "set", "dev", name, "up")


@pytest.mark.usefixtures("wired")
def test_the_first_address_of_each_interface_is_the_one_that_the_kernel_takes_first() -> None:
    for address in ("192.0.2.1/24", "192.0.2.10/32", "192.0.2.2/24", "198.51.100.1/24"):
        run("ip", "addr", "add", address, "dev", "v0")
    run("ip", "-6", "addr", "add", "2001:db8::1/64", "dev", "v0", "nodad")
    found = first_addresses()
    assert not isinstance(found, Unknown)
    assert found["v0", Family.INET] == ip_address("192.0.2.1")
    assert found["v0", Family.INET6] == ip_address("2001:db8::1")
    assert found["v1", Family.INET] is None
    assert found["lo", Family.INET] == ip_address("127.0.0.1")
    run("ip", "addr", "del", "192.0.2.1/24", "dev", "v0")
    later = first_addresses()
    assert not isinstance(later, Unknown)
    assert later["v0", Family.INET] != ip_address("192.0.2.1")


@pytest.mark.usefixtures("wired")
def test_an_address_that_is_not_settled_is_not_known() -> None:
    run("sysctl", "-qw", "net.ipv6.conf.v0.addr_gen_mode=1", "net.ipv6.conf.v0.dad_transmits=9")
    run("ip", "-6", "addr", "flush", "dev", "v0")
    run("ip", "-6", "addr", "add", "2001:db8::1/64", "dev", "v0")
    found = first_addresses()
    assert not isinstance(found, Unknown)
    assert ("v0", Family.INET6) not in found


@pytest.mark.usefixtures("wired")
def test_sockets_that_wait_for_connections_or_datagrams() -> None:
    assert listening_ports() == frozenset()
    tcp, udp = socket.socket(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with tcp, udp:
        tcp.bind(("127.0.0.1", 50080))
        assert listening_ports() == frozenset()  # it does not wait yet
        tcp.listen()
        udp.bind(("::", 50081))
        assert listening_ports() == frozenset({ListeningPort(6, 50080), ListeningPort(17, 50081)})


@pytest.mark.usefixtures("wired")
def test_nobody_listens_at_a_queue() -> None:
    assert listened_queues() == frozenset()


def test_queues_are_read_from_the_kernels_list(tmp_path: Path) -> None:
    listed = tmp_path / "nfnetlink_queue"
    listed.write_text(
        "    7  12345     0 2 65531     0     0       12  1\n   12  1 0 2 9 0 0 0 1\n"
    )
    assert listened_queues(listed) == frozenset({7, 12})
    assert listened_queues(tmp_path / "nobody") == frozenset()
    assert listened_queues(tmp_path / "no" / "such") is None
    listed.write_text("what is this\n")
    assert listened_queues(listed) is None


@pytest.mark.usefixtures("wired")
def test_an_interface_is_a_dead_end_where_senders_have_to_be_reached_by_it_without_a_route() -> (
    None
):
    run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.v0.rp_filter=1")
    run("ip", "addr", "add", "192.0.2.10/32", "dev", "v0")
    assert dead_ends(["v0", "v1"]) == frozenset({"v0"})
    run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=2")
    assert dead_ends(["v0"]) == frozenset()
    run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0")
    run("ip", "route", "add", "198.51.100.0/24", "dev", "v0", "table", "77")
    assert dead_ends(["v0"]) == frozenset()
    run("ip", "route", "flush", "table", "77")
    run("ip", "addr", "add", "192.0.2.1/24", "dev", "v0")
    assert dead_ends(["v0"]) == frozenset()
    assert dead_ends(["nosuch"]) == frozenset()


@pytest.mark.usefixtures("wired")
def test_a_setting_that_is_not_there_is_not_known(tmp_path: Path) -> None:
    run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0")
    assert switched_on("netfilter/nf_conntrack_tcp_loose") is False
    (tmp_path / "on").write_text("1\n")
    assert switched_on("on", tmp_path) is True
    assert switched_on("nosuch", tmp_path) is None
