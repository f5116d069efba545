"""The grammar of generated vrrp_instances: every word that has a say in family and addresses."""

from random import Random

from tests.fuzz.grammar import Lines

_V4 = ("192.0.2.1", "192.0.2.10", "192.0.2.11", "198.51.100.7", "10.77.0.1")
_V6 = ("2001:db8::7", "2001:db8::10", "fe80::1", "2001:db8:0:0::10")
_ODD = (
    *("192.0.2.300", "www.example.org", "192.0.2.1-9", "192.0.2.1-192.0.2.3", "::ffff:192.0.2.1"),
    *("1.2.3", "192.0.2.01", "[2001:db8::7]", "fe80::1%eth0", ":", "-", "/24", "2001:db8::/x::"),
    *("2001:db8::1-5", "192.0.2.1,192.0.2.2", '""', "0.0.0.1", "::", "$V", "${W}", "192.0.2.1:80"),
)
_PREFIXES = (
    *("/24", "/24", "/32", "/64", "/128", "/33", "/129", "/255.255.255.0", "/", "/x", "/24x"),
    *("/-1", "/024", "/24/25", "/ 24", "/0"),
)
_GROUPS = ("224.0.0.18", "224.0.0.99", "ff02::12", "ff02::99", "ff05::12", "192.0.2.1", "x")
_DEVICES = ("eth0", "eth0", "eth0", "eth1", "eth1", "lo")
_OPTIONS = (
    *("dev {d}", "dev {d}", "dev {d}", "dev", "dev {d} dev {d}", "scope link", "scope global"),
    *("scope", "scope nowhere", "scope 253", "brd +", "brd -", "brd 192.0.2.255", "brd", "brd x"),
    *("broadcast 192.0.2.255", "broadcast +", "brd 2001:db8::ff", "label {d}:1", "label"),
    *("label eth0:far_too_long", "label exactly_15_char", "label 16_characters_xx"),
    *("peer {a}", "peer {a}/24", "peer", "peer x", "peer {a} peer {a}", "peer {a} peer dev {d}"),
    *("home", "-nodad", "mngtmpaddr", "noprefixroute", "autojoin", "no_track", "use_vmac"),
    *("preferred_lft 5", "preferred_lft forever", "preferred_lft", "preferred_lft x", "nodad"),
    *("track_group G", "fwmark 21", "label {d}:2 label {d}:3", "{a}", "#x", "! x", '"dev" {d}'),
)
_SETTINGS = (
    *("state BACKUP", "state MASTER", "priority 100", "priority 255", "advert_int 1"),
    *("nopreempt", "preempt", "no_accept", "accept", "garp_master_delay 5", "dont_track_primary"),
    *("version 2", "version 3", "version 4", "version 3x", "strict_mode"),
    *("strict_mode true", "strict_mode off", "strict_mode maybe", "use_vmac", "unknown 3"),
    *("no_virtual_ipaddress", "unicast_fault_no_peer", "check_unicast_src", "native_ipv6"),
    *("native_ipv6", "track_src_ip", "notify_master /bin/true", "smtp_alert"),
    *("old_unicast_checksum never", "old_unicast_checksum"),
)
_LACKING = (
    *("interface", "priority", "version", "mcast_dst_ip", "unicast_src_ip", "virtual_router_id"),
    *("state", "advert_int", "notify_backup", "preempt_delay", "down_timer_adverts"),
)
"""On which keepalived exits."""
_AUTHENTICATIONS = (
    *("auth_type AH", "auth_type AH", "auth_type PASS", "auth_type ah", "auth_pass x"),
    *("auth_pass secret", "auth_pass secret", 'auth_pass ""', "unknown"),
)
_GLOBALS = (
    *("vrrp_strict", "vrrp_version 3", "vrrp_version 2", "vrrp_version 5", "dynamic_interfaces"),
    *("vrrp_mcast_group4 224.0.0.99", "vrrp_mcast_group6 ff02::99", "vrrp_mcast_group4 192.0.2.1"),
    *("router_id x", "vrrp_mcast_group6 ff05::12", "dynamic_interfaces allow_if_changes"),
)


def plain_address(chance: Random, version: int = 0) -> str:
    """An address without its prefix."""
    if chance.random() < 0.05:
        return chance.choice(_ODD)
    return chance.choice(_V6 if (version or chance.choice((4, 4, 6))) == 6 else _V4)


def virtual_address(chance: Random, version: int) -> str:
    """A line of virtual_ipaddress."""
    version = version if chance.random() < 0.8 else chance.choice((4, 6))
    line = plain_address(chance, version)
    if chance.random() < 0.6:
        usual = "/24" if version == 4 else "/64"
        line += usual if chance.random() < 0.7 else chance.choice(_PREFIXES)
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        option = chance.choice(_OPTIONS)
        line += " " + option.format(d=chance.choice(_DEVICES), a=plain_address(chance, version))
    return line


def addresses(chance: Random, version: int) -> Lines:
    """A block of addresses, seldom by another name."""
    names = ("virtual_ipaddress",) * 30 + ("virtual_ipaddress_excluded",) * 10
    name = chance.choice((*names, "virtual_ipadress", "static_ipaddress"))
    inside = [virtual_address(chance, version) for _ in range(chance.choice((0, 1, 1, 2, 3, 5)))]
    return [f"{name} {{", *inside, "}"]


def family_words(chance: Random, version: int) -> Lines:
    """What has a say in the family besides the addresses."""
    address = plain_address(chance, version if chance.random() < 0.7 else 0)
    kind = chance.random()
    if kind < 0.25:
        return [f"{chance.choice(('mcast_src_ip', 'unicast_src_ip'))} {address}"]
    if kind < 0.55:
        options = ("", "", "", " min_ttl 3", " max_ttl", "/24", "-9")
        peers = [
            plain_address(chance, version) + chance.choice(options)
            for _ in range(chance.choice((0, 1, 1, 2)))
        ]
        return ["unicast_peer {", *peers, "}"]
    if kind < 0.7:
        return [f"mcast_dst_ip {chance.choice(_GROUPS)}"]
    if kind < 0.8:
        words = ("bridge", "private", "ipvl0", address, f"{address}/24", f"{address}/200")
        return [" ".join(["use_ipvlan", *chance.choices(words, k=chance.choice((1, 1, 2, 3)))])]
    return [chance.choice(("native_ipv6", "version 2", "version 3", "strict_mode"))]


def authentication(chance: Random) -> Lines:
    """An authentication block."""
    inside = chance.choices(_AUTHENTICATIONS, k=chance.choice((1, 2, 2, 2, 3)))
    if chance.random() < 0.03:
        inside.append(chance.choice(("auth_type", "auth_pass")))
    return ["authentication {", *inside, "}"]


def instance(chance: Random, number: int) -> Lines:
    """A vrrp_instance; most have what keepalived needs."""
    version = chance.choice((4, 4, 4, 6))
    parts: list[Lines] = []
    if chance.random() < 0.98:
        device = chance.choice((*_DEVICES, "eth9")) if chance.random() < 0.1 else "eth0"
        parts.append([f"interface {device}"])
    if chance.random() < 0.99:
        odd = chance.choice(("51", "0", "256", "5x", "0x33", "+7", "-1", '" 8"', "052"))
        parts.append([f"virtual_router_id {odd if chance.random() < 0.03 else 10 + number}"])
    parts += [addresses(chance, version) for _ in range(chance.choice((1, 1, 1, 2, 2, 3)))]
    parts += [family_words(chance, version) for _ in range(chance.choice((0, 0, 1, 1, 2)))]
    parts += [[chance.choice(_SETTINGS)] for _ in range(chance.choice((0, 0, 1, 2)))]
    if chance.random() < 0.2:
        parts.append(authentication(chance))
    if chance.random() < 0.02:
        parts.append([chance.choice(_LACKING)])
    chance.shuffle(parts)
    inside = [line for part in parts for line in part]
    name = chance.choice((f"VI_{number}",) * 12 + ("VI_0", "VI_1", '"VI 0"', "VI_0 x", ""))
    return [f"vrrp_instance {name} {{", *inside, "}"]


_AROUND = (
    *("vrrp_sync_group G", "vrrp_sync_group G", "vrrp_sync_group H", "vrrp_sync_group"),
    *("track_group G", "track_group G", "track_group G H"),
)


def around(chance: Random) -> Lines:
    """A block of another kind that has a name, mostly well formed."""
    inside: Lines = []
    for _ in range(chance.choice((0, 1, 1, 2))):
        inside += ["group {", *chance.sample(("VI_0", "VI_1", "VI_2"), 2), "}"]
    if chance.random() < 0.2:
        inside.insert(chance.randint(0, len(inside)), "x {")
        inside.append("}")
    return [chance.choice(_AROUND) + chance.choice((" {",) * 8 + ("", ' "{"')), *inside, "}"]


def vrrp_document(chance: Random) -> Lines:
    """Several instances, with what stands before them."""
    lines: Lines = []
    if chance.random() < 0.2:
        lines += ["global_defs {", *chance.choices(_GLOBALS, k=chance.choice((1, 1, 2))), "}"]
    if chance.random() < 0.2:
        lines += [f"$V={virtual_address(chance, 4)}", f"$W={plain_address(chance)}"]
    for number in range(chance.choice((1, 1, 2, 2, 3))):
        if chance.random() < 0.1:
            lines += around(chance)
        lines += instance(chance, number)
    return lines
