"""What is delivered to this host, from the real kernel; ip is the witness."""

import json
from ipaddress import ip_network

import pytest

from lvsmarkd.kernel.local_routes import local_networks, local_routes
from lvsmarkd.model.host import LOCAL_TABLE, HostView
from lvsmarkd.model.unknown import Unknown
from tests.harness.netns import as_nobody, run


def _local() -> set[str]:
    found = local_networks()
    assert not isinstance(found, Unknown), found
    return set(map(str, found))


def _witness() -> set[str]:
    """What ``ip route get`` would give to this host, as the table ``local`` lists it."""
    found = set()
    for option, anywhere in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
        text = run("ip", "-j", option, "route", "show", "table", "local", "type", "local")
        for route in json.loads(text or "[]"):
            to = anywhere if route["dst"] == "default" else route["dst"]
            found.add(str(ip_network(to)))
    return found


@pytest.fixture
def wired(netns: None) -> None:
    run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    for name in ("v0", "v1"):
        run("ip", "link", "set", name, "up")


def test_a_fresh_namespace_has_its_loopback(netns: None) -> None:
    assert {"127.0.0.0/8", "127.0.0.1/32", "::1/128"} == _local() == _witness()


@pytest.mark.usefixtures("wired")
def test_addresses_of_interfaces_and_no_broadcasts_nor_anycasts() -> None:
    run("ip", "addr", "add", "192.0.2.10/24", "brd", "+", "dev", "v0")
    run("ip", "-6", "addr", "add", "2001:db8::10/64", "dev", "v0", "nodad")
    run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")  # brings anycast addresses
    assert {"192.0.2.10/32", "2001:db8::10/128"} <= _local()
    assert _local() == _witness()
    assert not {"192.0.2.255/32", "2001:db8::/128"} & _local()


@pytest.mark.usefixtures("wired")
def test_a_vip_that_is_held_by_a_local_route_alone() -> None:
    run("ip", "route", "add", "local", "198.51.100.0/24", "dev", "lo")
    run("ip", "-6", "route", "add", "local", "2001:db8:1::/64", "dev", "lo")
    assert {"198.51.100.0/24", "2001:db8:1::/64"} <= _local()
    assert _local() == _witness()


@pytest.mark.usefixtures("wired")
def test_all_that_comes_may_be_local_as_transparent_proxies_do_it() -> None:
    run("ip", "route", "add", "local", "default", "dev", "lo", "table", "local")
    assert "0.0.0.0/0" in _local()
    assert _local() == _witness()


@pytest.mark.usefixtures("wired")
def test_routes_of_other_tables_are_none_of_it() -> None:
    run("ip", "route", "add", "203.0.113.0/24", "dev", "v0")
    run("ip", "route", "add", "local", "198.51.100.7", "dev", "lo", "table", "100")
    assert {"203.0.113.0/24", "198.51.100.7/32"}.isdisjoint(_local())


@pytest.mark.usefixtures("wired")
def test_many_addresses_come_whole() -> None:
    batch = "".join(f"addr add 10.{n // 250}.{n % 250}.1/32 dev v0\n" for n in range(1000))
    run("ip", "-batch", "-", stdin=batch)
    assert len(_local() & {f"10.{n // 250}.{n % 250}.1/32" for n in range(1000)}) == 1000
    assert _local() == _witness()


@pytest.mark.usefixtures("wired")
def test_a_host_delivers_what_is_local_in_whole_or_in_part() -> None:
    run("ip", "addr", "add", "192.0.2.10/32", "dev", "v0")
    found = local_networks()
    assert not isinstance(found, Unknown)
    host = HostView(local=found)
    vip, net = ip_network("192.0.2.10/32"), ip_network("192.0.2.0/24")
    assert host.delivers(4, int(vip[0]), int(vip[0])) is True
    assert host.delivers(4, int(net[0]), int(net[-1])) is None
    assert host.delivers(4, int(net[11]), int(net[12])) is False


def test_nobody_may_ask_too(netns: None) -> None:
    ask = "from lvsmarkd.kernel.local_routes import local_networks; print(*local_networks())"
    done = as_nobody(ask)
    assert "127.0.0.1/32" in done.stdout.split(), done.stderr


def test_without_time_they_are_unknown() -> None:
    assert local_networks(timeout=0) == Unknown(
        "the kernel does not tell its local addresses: timed out"
    )


@pytest.mark.usefixtures("wired")
def test_local_routes_of_all_tables_bear_their_table() -> None:
    run("ip", "route", "add", "203.0.113.0/24", "dev", "v0", "table", "100")
    run("ip", "route", "add", "local", "default", "dev", "lo", "table", "100")
    run("ip", "route", "add", "local", "198.51.100.0/24", "dev", "lo", "table", "70000")
    run("ip", "-6", "route", "add", "local", "::/0", "dev", "lo", "table", "100")
    found = local_routes()
    assert not isinstance(found, Unknown)
    elsewhere = {(route.table, str(route.network)) for route in found if route.table != LOCAL_TABLE}
    assert elsewhere == {(100, "0.0.0.0/0"), (70000, "198.51.100.0/24"), (100, "::/0")}
