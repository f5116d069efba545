"""VRRP instances, and details of services that keepalived itself does not send."""

from pathlib import Path

from lvsmarkd.keepalived import read
from lvsmarkd.model.keepalived import VrrpInstance
from tests.keepalived.cases import V6, Case, grouped, server

INSTANCES = """
vrrp_instance OUTSIDE {
    state MASTER
    interface eth0
    track_interface {
        eth1 weight 5
    }
    authentication {
        auth_type AH
        auth_pass secret
    }
    virtual_ipaddress {
        192.0.2.10/24 dev eth0 label eth0:1
        192.0.2.300
        192.0.2.11
        2001:db8::10
        192.0.2.10
    }
    virtual_ipaddress_excluded {
        2001:db8::11/64
    }
}
vrrp_instance { interface eth3
}
vrrp_instance OUTSIDE {
    interface eth9
}
vrrp_instance INSIDE {
    unknown
    interface a_name_that_is_too_long
    virtual_ipaddress { 2001:db8::12 }
    authentication {
        auth_type AH
        auth_type PASS
    }
}
"""


def _instances(text: str, directory: Path) -> tuple[VrrpInstance, ...]:
    return read(Case("", text).write(directory)).instances


def test_instances_have_what_packet_rules_need(tmp_path: Path) -> None:
    outside, inside = _instances(INSTANCES, tmp_path)

    assert (outside.name, outside.interface, outside.auth_ah) == ("OUTSIDE", "eth0", True)
    assert [str(vip) for vip in outside.vips] == ["192.0.2.10", "192.0.2.11", "2001:db8::11"]
    assert outside.origin.line == 2
    assert (inside.name, inside.interface, inside.auth_ah) == ("INSIDE", None, False)
    assert [str(vip) for vip in inside.vips] == ["2001:db8::12"]


def test_an_instance_inside_a_virtual_server_is_none(tmp_path: Path) -> None:
    assert _instances(server(21, inside="vrrp_instance A {\n }"), tmp_path) == ()


def test_an_unknown_block_ends_an_instance_early(tmp_path: Path) -> None:
    text = "vrrp_instance A {\n unknown {\n }\n interface eth0\n}\nvrrp_instance B {\n}\n"
    first, second = _instances(text, tmp_path)

    assert (first.interface, second.name) == (None, "B")


def test_real_ports_are_those_written_for_usable_real_servers(tmp_path: Path) -> None:
    real = "\n real_server {} {{\n }}".format
    inside = "".join(map(real, ["198.51.100.1 443", "198.51.100.2 0", f"{V6} 81", "::1.2 82"]))
    (service,) = read(Case("", server(21, inside=inside)).write(tmp_path)).services

    assert service.real_ports == (443, 80)


def test_one_service_of_several_lines_has_every_origin(tmp_path: Path) -> None:
    group = "virtual_server_group G {\n fwmark 21\n}\n"
    (service,) = read(Case("", group + grouped("G") + server(21)).write(tmp_path)).services

    assert [origin.line for origin in service.origins] == [2, 9]
    assert (service.group, service.real_ports) == ("G", (80,))


def test_what_keepalived_makes_local_besides_the_instances_addresses(tmp_path: Path) -> None:
    text = """
static_ipaddress {
    192.0.2.20/24 dev eth0
    2001:db8::20
    eth0
}
static_routes {
    198.51.100.0/24 via 192.0.2.1
    local 203.0.113.0/24 dev lo
}
vrrp_instance A {
    virtual_routes {
        local default dev lo table 100
        local
    }
}
"""
    found = read(Case("", text).write(tmp_path)).local
    assert list(map(str, found)) == [
        "192.0.2.20/32",
        "2001:db8::20/128",
        "203.0.113.0/24",
        "0.0.0.0/0",
    ]


def test_real_servers_by_nat_are_those_to_which_nothing_else_leads(tmp_path: Path) -> None:
    def served(kind: str, *methods: str) -> list[str]:
        servers = "".join(
            f" real_server 198.51.100.{n} 80 {{\n {method}\n }}\n"
            for n, method in enumerate(methods, 1)
        )
        text = f"virtual_server fwmark 21 {{\n {kind}\n{servers}}}\n"
        (service,) = read(Case("", text).write(tmp_path)).services
        return list(map(str, service.nat_servers))

    both = ["198.51.100.1", "198.51.100.2"]
    assert served("lb_kind NAT", "", "") == both
    assert served("", "", "") == both  # what no lb_kind means
    assert served("lb_kind nat", "", "") == both
    assert served("lb_kind DR", "", "") == []
    assert served("lb_kind DR", "lvs_method NAT", "") == both[:1]
    assert served("lb_kind NAT", "lvs_method DR", "") == both[1:]
