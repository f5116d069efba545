"""vrrp_instances, and what keepalived holds of each: their families and addresses.

Every one of them is also put to the real keepalived (test_conf_instances_oracle.py), what it
complains of beside what we say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from lvsmarkd.model.running import Version
from lvsmarkd.model.service import Family
from tests.keepalived.cases import MAIN, instance
from tests.keepalived.instances import Held


@dataclass(frozen=True, slots=True)
class InstanceCase:
    """A configuration; ``held`` is what comes of it, as in ``"VI_1 inet 192.0.2.1; VI_2 inet6"``,
    None where keepalived does not start, or DOUBTFUL.

    ``complains`` is a part of keepalived's log, ``says`` one of a problem of ours, with its line
    in front; both empty where neither has a word to say. ``since`` has what is held from a version
    on, where that is another.
    """

    name: str
    text: str
    held: str | None
    complains: str = ""
    says: str = ""
    since: Mapping[Version, str | None] = field(default_factory=dict)

    def doubtful(self, version: Version) -> bool:
        """Whether a version may crash on it."""
        return self._of(version) == DOUBTFUL

    def expected_of(self, version: Version) -> frozenset[Held] | None:
        """What a version holds of it; None where that does not start."""
        held = self._of(version)
        return None if held is None else frozenset(map(_held, filter(None, held.split(";"))))

    def _of(self, version: Version) -> str | None:
        reached = [since for since in self.since if since <= version]
        return self.since[max(reached)] if reached else self.held

    def complaint_of(self, version: Version) -> str:
        """What a version complains of, where it does what all of them do."""
        return "" if any(since <= version for since in self.since) else self.complains

    def write(self, directory: Path) -> Path:
        """Write it down; gives the file."""
        file = directory / MAIN
        file.write_text(self.text)
        return file


def _held(text: str) -> Held:
    name, family, *vips = text.split()
    addresses = frozenset(map(ip_address, filter(lambda vip: vip != "AH", vips)))
    return Held(name, Family(family), addresses, "AH" in vips)


def vips(*lines: str) -> str:
    """A block of addresses, with lines of its own."""
    return "".join(["virtual_ipaddress {\n", *(f"  {line}\n" for line in lines), " }"])


def excluded(*lines: str) -> str:
    """A block of addresses that are not in the adverts."""
    return vips(*lines).replace("virtual_ipaddress", "virtual_ipaddress_excluded")


DOUBTFUL = "in doubt"
"""Of what keepalived may crash on, neither says what is held."""
V4 = "192.0.2.10/24"
V4_ALONE = "VI_1 inet 192.0.2.10"
V6 = "2001:db8::10/64"
V6_ALONE = "VI_1 inet6 2001:db8::10"
BOTH = vips(V6, V4)
OTHER_FAMILY = "address family must match VRRP instance [2001:db8::10/64]"

PLAIN = [
    InstanceCase("IPv4", instance(vips(V4, "192.0.2.11")), f"{V4_ALONE} 192.0.2.11"),
    InstanceCase("IPv6", instance(vips(V6)), V6_ALONE),
    InstanceCase(
        "IPv6 among excluded addresses",
        instance(vips(V4) + "\n" + excluded(V6)),
        f"{V4_ALONE} 2001:db8::10",
    ),
    InstanceCase(
        "excluded addresses first, which decide nothing",
        instance(excluded(V6) + "\n" + vips(V4)),
        f"{V4_ALONE} 2001:db8::10",
    ),
    InstanceCase("an address twice", instance(vips(V4, V4)), V4_ALONE),
    InstanceCase(
        "two blocks of addresses",
        instance(vips(V4) + "\n " + vips("192.0.2.11")),
        f"{V4_ALONE} 192.0.2.11",
    ),
]

FAMILY = [
    InstanceCase(
        "an address of IPv6 after one of IPv4",
        instance(vips(V4, V6)),
        V4_ALONE,
        OTHER_FAMILY,
        "6: keepalived drops 2001:db8::10/64 of vrrp_instance VI_1, since",
    ),
    InstanceCase(
        "an address of IPv4 after one of IPv6",
        instance(BOTH),
        V6_ALONE,
        "[192.0.2.10/24]",
        "6: keepalived drops 192.0.2.10/24",
    ),
    InstanceCase(
        "unicast_src_ip",
        instance("unicast_src_ip 192.0.2.2\n " + BOTH),
        V4_ALONE,
        OTHER_FAMILY,
        "6: keepalived drops 2001:db8::10/64",
    ),
    InstanceCase(
        "unicast_src_ip behind the addresses",
        instance(BOTH + "\n unicast_src_ip 192.0.2.2"),
        V6_ALONE,
        "MUST be of the same family",
        "8: keepalived passes over unicast_src_ip 192.0.2.2, since",
    ),
    InstanceCase(
        "mcast_src_ip with a prefix", instance("mcast_src_ip 192.0.2.2/24\n " + BOTH), V4_ALONE
    ),
    InstanceCase(
        "mcast_src_ip that is no address",
        instance("mcast_src_ip www.example.org\n " + BOTH),
        V6_ALONE,
        "malformed src address",
        "4: keepalived passes over mcast_src_ip 'www.example.org'",
    ),
    InstanceCase(
        "unicast_peer",
        instance("unicast_peer {\n 192.0.2.3 min_ttl 5\n }\n " + BOTH),
        V4_ALONE,
        OTHER_FAMILY,
        "8: keepalived drops 2001:db8::10/64",
    ),
    InstanceCase(
        "unicast_peer of the other family",
        instance("unicast_peer {\n 2001:db8::3\n 192.0.2.3\n }\n " + BOTH),
        V6_ALONE,
        "unicast peer address[192.0.2.3] MUST be of the same family",
        "6: keepalived passes over unicast_peer 192.0.2.3",
    ),
    InstanceCase("mcast_dst_ip", instance("mcast_dst_ip 224.0.0.99\n " + BOTH), V4_ALONE),
    InstanceCase(
        "mcast_dst_ip that is no group, and decides nevertheless",
        instance("mcast_dst_ip 192.0.2.9\n " + BOTH),
        V4_ALONE,
        "mcast_dst_ip 192.0.2.9 not multicast",
        "4: keepalived passes over mcast_dst_ip 192.0.2.9",
    ),
    InstanceCase("native_ipv6", instance("native_ipv6\n " + vips(V4, V6)), V6_ALONE),
    InstanceCase(
        "native_ipv6 too late",
        instance(vips(V4, V6) + "\n native_ipv6"),
        V4_ALONE,
        "Cannot specify native_ipv6 with IPv4 addresses",
        "8: keepalived passes over native_ipv6 here",
    ),
    InstanceCase(
        "use_ipvlan with an address",
        instance("use_ipvlan private 192.0.2.2/24\n " + BOTH),
        V4_ALONE,
    ),
    InstanceCase(
        "use_ipvlan with what is no address",
        instance("use_ipvlan 192.0.2.2/33\n " + BOTH),
        V6_ALONE,
    ),
    InstanceCase(
        "no address at all",
        instance(""),
        "VI_1 inet",
        "No VIP specified",
        "1: vrrp_instance VI_1 is left without a virtual_ipaddress",
    ),
]

DROPPED = [
    InstanceCase(
        "a broadcast for IPv6, first",
        instance(vips(V6 + " brd 192.0.2.255", V4)),
        V4_ALONE,
        "VRRP is trying to assign a broadcast",
        "5: keepalived drops '2001:db8::10/64 brd 192.0.2.255' of vrrp_instance VI_1, since IPv6",
    ),
    InstanceCase(
        "a broadcast that is none",
        instance(vips("192.0.2.11/24 brd 192.0.2", V4)),
        V4_ALONE,
        "invalid broadcast 192.0.2",
        "5: keepalived drops '192.0.2.11/24 brd 192.0.2'",
    ),
    InstanceCase(
        "broadcasts that are some",
        instance(vips(V4 + " brd +", "192.0.2.11/24 brd -")),
        f"{V4_ALONE} 192.0.2.11",
    ),
    InstanceCase(
        "a device that lacks its name, first",
        instance(vips(V6 + " dev", V4)),
        V4_ALONE,
        "No dev parameter specified for 2001:db8::10/64",
        "5: keepalived drops '2001:db8::10/64 dev' of vrrp_instance VI_1, since 'dev' lacks",
    ),
    InstanceCase(
        "a label that lacks its word",
        instance(vips("192.0.2.11 label", V4)),
        V4_ALONE,
        "No label parameter",
        "5: keepalived drops '192.0.2.11 label'",
    ),
    InstanceCase(
        "a scope that lacks its word",
        instance(vips("192.0.2.11 scope", V4)),
        V4_ALONE,
        "No scope parameter",
        "5: keepalived drops '192.0.2.11 scope'",
    ),
    InstanceCase(
        "two devices",
        instance(vips("192.0.2.11 dev eth0 dev eth1", V4)),
        V4_ALONE,
        "Cannot specify ipaddress device more than once",
        "5: keepalived drops '192.0.2.11 dev eth0 dev eth1'",
    ),
    InstanceCase(
        "a label of 16 characters",
        instance(vips("192.0.2.11 label eth0:16_characte", V4)),
        V4_ALONE,
        "longer than maximum length 15",
        "5: keepalived drops '192.0.2.11 label",
    ),
    InstanceCase("a label of 15", instance(vips(V4 + " label eth0:15_charact")), V4_ALONE),
    InstanceCase(
        "an address that is none",
        instance(vips("192.0.2.300", V4)),
        V4_ALONE,
        "parsed invalid IP 192.0.2.300",
        "5: keepalived drops '192.0.2.300'",
    ),
    InstanceCase(
        "a range",
        instance(vips("192.0.2.1-9", V4)),
        V4_ALONE,
        "parsed invalid IP 192.0.2.1-9",
        "line of its own",
    ),
    InstanceCase(
        "prefix 33",
        instance(vips("192.0.2.10/33")),
        V4_ALONE,
        "Invalid address prefix len 33",
        "5: keepalived reads '192.0.2.10/33' as 192.0.2.10/32",
    ),
    InstanceCase(
        "a mask with dots",
        instance(vips("192.0.2.10/255.255.255.0")),
        V4_ALONE,
        "Invalid address prefix len 255.255.255.0",
        "5: keepalived reads '192.0.2.10/255.255.255.0' as 192.0.2.10/32",
    ),
    InstanceCase(
        "a word of no meaning",
        instance(vips(V4 + " device eth0")),
        V4_ALONE,
        "Unknown configuration entry 'device'",
        "5: keepalived passes over 'device' after",
    ),
    InstanceCase(
        "a second peer, whose address is read as a word",
        instance(vips("192.0.2.10 peer 192.0.2.1 peer dev eth0 dev eth1", V4)),
        V4_ALONE,
        "another peer has already been specified",
        "5: keepalived drops '192.0.2.10 peer 192.0.2.1 peer dev eth0 dev eth1'",
    ),
    InstanceCase(
        "addresses in a block by a wrong name",
        "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n virtual_ipadress {\n"
        f"  {V4}\n }}\n}}\n",
        "VI_1 inet",
        "Unknown keyword 'virtual_ipadress'",
        "4: 'virtual_ipadress' opens no block here, so that keepalived ends the vrrp_instance "
        "around it at the next '}': did you mean virtual_ipaddress?",
    ),
    InstanceCase(
        "a setting by a wrong name",
        instance(f"prority 100\n {vips(V4)}"),
        V4_ALONE,
        "Unknown keyword 'prority'",
        "did you mean priority?",
    ),
    InstanceCase(
        "the same name twice",
        instance(vips(V4)) + instance(vips("192.0.2.20"), router=52),
        V4_ALONE,
        "vrrp instance VI_1 already defined",
        "8: keepalived skips this vrrp_instance, since",
    ),
    InstanceCase(
        "no name",
        instance(vips(V4), "") + instance(vips(V4)),
        V4_ALONE,
        "must have a name",
        "1: keepalived skips a vrrp_instance that has no name",
    ),
    InstanceCase(
        "the same name twice, without a brace",
        instance(vips(V4)) + f"vrrp_instance VI_1\n {vips('192.0.2.20')}\n}}\n",
        f"{V4_ALONE} 192.0.2.20",
        "vrrp instance VI_1 already defined",
        "8: keepalived skips this vrrp_instance, since",
        since={(2, 2, 8): V4_ALONE},
    ),
    InstanceCase(
        "one address among both kinds",
        instance(excluded(V6) + "\n native_ipv6\n " + vips(V6)),
        V6_ALONE,
        since={(2, 3, 3): None},
    ),
]

AH = "authentication {\n auth_type AH\n auth_pass secret\n }\n "
AUTHENTICATION = [
    InstanceCase("by AH", instance(AH + vips(V4)), f"{V4_ALONE} AH"),
    InstanceCase(
        "by AH without a password",
        instance("authentication {\n auth_type AH\n }\n " + vips(V4)),
        V4_ALONE,
        "no password given",
    ),
    InstanceCase(
        "by AH with version 3",
        instance(f"{AH}version 3\n {vips(V4)}"),
        V4_ALONE,
        "version 3 does not support authentication",
    ),
    InstanceCase("by AH with IPv6", instance(AH + vips(V6)), V6_ALONE, "does not support"),
    InstanceCase(
        "by AH and strictly",
        instance(f"{AH}strict_mode\n {vips(V4)}"),
        V4_ALONE,
        "does not support authentication",
    ),
    InstanceCase(
        "by AH, where all are strict",
        "global_defs {\n vrrp_strict\n}\n" + instance(AH + vips(V4)),
        V4_ALONE,
        "does not support authentication",
    ),
]

PEER = "unicast_src_ip 192.0.2.2\n unicast_peer {\n 192.0.2.3\n }\n "
WITHOUT_INTERFACE = (
    "vrrp_instance VI_1 {\n virtual_router_id 51\n "
    + PEER
    + vips("192.0.2.10 dev eth0", "192.0.2.11")
    + "\n}\n"
)
WITHOUT_ADDRESS = "No VIP specified; at least one is required"
UNANSWERED = [
    InstanceCase(
        "the same router twice",
        instance(vips(V4)) + instance(vips("192.0.2.20"), "VI_2"),
        None,
        "VI_1 and VI_2 both use VRID 51 with IPv4 on interface eth0",
        "8: vrrp_instance VI_2 has the virtual_router_id 51 of VI_1",
    ),
    InstanceCase(
        "the same router in both families",
        instance(vips(V4)) + instance(vips(V6), "VI_2"),
        f"{V4_ALONE}; VI_2 inet6 2001:db8::10",
    ),
    InstanceCase(
        "the same router on two interfaces",
        instance(vips(V4)) + instance(vips("192.0.2.20"), "VI_2").replace("eth0", "eth1"),
        f"{V4_ALONE}; VI_2 inet 192.0.2.20",
    ),
    InstanceCase(
        "the same router in two groups",
        instance(vips(V4)) + instance(f"mcast_dst_ip 224.0.0.99\n {vips('192.0.2.20')}", "VI_2"),
        f"{V4_ALONE}; VI_2 inet 192.0.2.20",
    ),
    InstanceCase(
        "the same router by unicast and by multicast",
        instance(vips(V4)) + instance(PEER + vips("192.0.2.20"), "VI_2"),
        f"{V4_ALONE}; VI_2 inet 192.0.2.20",
    ),
    InstanceCase(
        "the same router by unicast with the same peer",
        instance(PEER + vips(V4)) + instance(PEER + vips("192.0.2.20"), "VI_2"),
        None,
        "duplicate VRID conflict",
        "12: vrrp_instance VI_2 has the virtual_router_id 51",
    ),
    InstanceCase(
        "no router",
        instance(vips(V4)).replace(" virtual_router_id 51\n", ""),
        None,
        "the virtual router id must be set",
        "1: vrrp_instance VI_1 has no virtual_router_id",
    ),
    InstanceCase(
        "router 256",
        instance(vips(V4), router=256),
        None,
        "VRID '256' not valid",
        "1: vrrp_instance VI_1 has no virtual_router_id",
    ),
    InstanceCase(
        "a router with letters",
        instance(vips(V4)).replace("51", "51x"),
        None,
        "VRID '51x' not valid",
        "1: vrrp_instance VI_1 has no virtual_router_id",
    ),
    InstanceCase(
        "no interface",
        instance(vips(V4)).replace(" interface eth0\n", ""),
        None,
        "Unknown interface!",
        "1: vrrp_instance VI_1 has no interface",
    ),
    InstanceCase(
        "the loopback",
        instance(vips(V4)).replace("eth0", "lo"),
        None,
        "cannot use a loopback interface",
        "1: vrrp_instance VI_1 has no interface",
    ),
    InstanceCase(
        "an interface of 16 characters",
        instance(vips(V4)).replace("eth0", "a" * 16),
        None,
        "too long - ignoring",
        "2: keepalived passes over interface 'aaaaaaaaaaaaaaaa'",
    ),
    InstanceCase(
        "no interface, by unicast",
        WITHOUT_INTERFACE,
        None,
        "Unknown interface!",
        since={(2, 2, 8): V4_ALONE},
    ),
    InstanceCase(
        "no interface, and no peer",
        "vrrp_instance VI_1 {\n virtual_router_id 51\n unicast_src_ip 192.0.2.2\n "
        + vips("192.0.2.10 dev eth0")
        + "\n}\n",
        None,
        says="1: vrrp_instance VI_1 has n",
    ),
    InstanceCase(
        "no address with version 3",
        instance("version 3"),
        None,
        WITHOUT_ADDRESS,
        "1: vrrp_instance VI_1 is left without a virtual_ipaddress, so that keepalived does not",
    ),
    InstanceCase(
        "no address, strictly",
        instance("strict_mode"),
        None,
        WITHOUT_ADDRESS,
        "1: vrrp_instance VI_1 is left without a virtual_ipaddress, so that keepalived does not",
    ),
    InstanceCase(
        "no address with IPv6",
        instance("native_ipv6\n " + vips(V4)),
        None,
        WITHOUT_ADDRESS,
        "1: vrrp_instance VI_1 is left without a virtual_ipaddress, so that keepalived does not",
    ),
    InstanceCase(
        "no address, all of version 3",
        "global_defs {\n vrrp_version 3\n}\n" + instance(""),
        None,
        WITHOUT_ADDRESS,
        "4: vrrp_instance VI_1 is left without a virtual_ipaddress",
    ),
    InstanceCase(
        "no address, on purpose",
        instance("no_virtual_ipaddress\n version 3"),
        None,
        WITHOUT_ADDRESS,
        since={(2, 2, 8): "VI_1 inet"},
    ),
    InstanceCase(
        "a word that is missing",
        instance(f"priority\n {vips(V4)}"),
        None,
        "missing a parameter after keyword `priority`",
        "4: 'priority' lacks a word",
    ),
    InstanceCase(
        "a word that is missing where no VRRP runs", "vrrp_script S {\n interval\n}\n", ""
    ),
]

STRUCTURE = [
    InstanceCase(
        "two names and a quoted brace, and nothing before",
        f'vrrp_instance A x"{{"\n {vips(V4)}\n}}\n{instance(vips(V4))}',
        DOUBTFUL,
        says="may crash on it",
        since={(2, 2, 8): V4_ALONE},
    ),
    InstanceCase(
        "a brace in quotes for a name, and nothing before",
        f'vrrp_instance"{{"\n {vips(V4)}\n}}\n{instance(vips(V4))}',
        DOUBTFUL,
        says="may crash on it",
        since={(2, 2, 8): V4_ALONE},
    ),
    InstanceCase(
        "no name, no brace, and nothing before",
        "vrrp_instance\n native_ipv6\n}\n",
        DOUBTFUL,
        says="may crash on it",
        since={(2, 2, 8): ""},
    ),
    InstanceCase(
        "in a sync group of a name that there is already",
        "vrrp_sync_group G {\n group {\n VI_1\n VI_2\n }\n}\n"
        f"vrrp_sync_group G {{\n x {{\n }}\n{instance(vips(V4), 'VI_2', router=52)}}}\n"
        f"{instance(vips(V4))}{instance(vips(V4), 'VI_3', router=53)}",
        "VI_1 inet 192.0.2.10;VI_3 inet 192.0.2.10",
    ),
    InstanceCase(
        "behind a second group of a sync group, which ends that",
        "vrrp_sync_group G {\n group {\n VI_1\n VI_2\n }\n group {\n VI_3\n }\n"
        f"{instance(vips(V4))}}}\n{instance(vips(V4), 'VI_2', router=52)}",
        "VI_1 inet 192.0.2.10;VI_2 inet 192.0.2.10",
    ),
    InstanceCase(
        "addresses of an instance that is there already, behind a quoted brace",
        f'{instance(vips(V4))}vrrp_instance VI_1 "{{"\n {vips("192.0.2.11")}\n'
        f"{instance(vips('192.0.2.12'), 'VI_2', router=52)}}}\n",
        "VI_1 inet 192.0.2.10 192.0.2.11 192.0.2.12",
        since={(2, 2, 8): "VI_1 inet 192.0.2.10;VI_2 inet 192.0.2.12"},
    ),
    InstanceCase(
        "a sync group without a name, behind a quoted brace",
        f'vrrp_sync_group "{{"\n group {{\n VI_1\n }}\n{instance(vips(V4))}}}\n'
        f"{instance(vips(V4), 'VI_2', router=52)}",
        DOUBTFUL,
        says="may crash on it",
        since={(2, 2, 8): "VI_1 inet 192.0.2.10;VI_2 inet 192.0.2.10"},
    ),
    InstanceCase(
        "in a track group without a name, and in one without its brace",
        f"track_group {{\n x {{\n }}\n{instance(vips(V4), 'VI_2', router=52)}}}\n"
        f"track_group G\n}}\n{instance(vips(V4))}",
        V4_ALONE,
    ),
    InstanceCase(
        "in a block that the parent takes for global_defs",
        f"global_defs\n{instance(vips(V4))}",
        "",
        says="keepalived does not start VRRP for vrrp_instance VI_1",
    ),
]

INSTANCE_CASES = [*STRUCTURE, *PLAIN, *FAMILY, *DROPPED, *AUTHENTICATION, *UNANSWERED]
