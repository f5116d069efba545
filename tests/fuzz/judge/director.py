"""A director in a namespace: two cables to clients, VIPs, and a probe where IPVS looks.

The probe is a table of its own, which notes of each packet its source port, which is the packet's
name, and its mark: as it comes from the wire, at the end of PREROUTING, and at LOCAL_IN right
before IPVS (priority 99).
"""

import ctypes
import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from ipaddress import ip_interface, ip_network
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.kernel.nf_tables import NamedTables, named_tables
from lvsmarkd.model.host import HostView
from lvsmarkd.model.ruleset import Lister, Ruleset, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.iptables_save import save
from lvsmarkd.netfilter.whole_ruleset import WholeRuleset
from tests.fuzz.judge.packets import Packet, Wire
from tests.fuzz.judge.script import RefusedError, Script, load
from tests.harness.netns import enter_fresh, run

VIPS = (
    *("192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14"),
    *("2001:db8:10::10", "2001:db8:10::11", "2001:db8:10::12"),
)
PREFIXES = ("198.18.7.0/28", "2001:db8:18::/124")
"""Local by a route, no address of any interface."""
INTERFACES = ("eth0", "eth1")
_OWN = {
    "eth0": ("198.51.100.1/24", "2001:db8:77::1/64"),
    "eth1": ("203.0.113.1/24", "2001:db8:78::1/64"),
}
_MACS = {"eth0": "02:00:00:00:0e:00", "eth1": "02:00:00:00:0e:01"}
_ROUTES = (
    *("default via 198.51.100.2 dev eth0", "10.0.0.0/8 via 203.0.113.2 dev eth1"),
    *("default via 2001:db8:77::2 dev eth0", "fd00::/8 via 2001:db8:78::2 dev eth1"),
)
_NEIGHBOURS = {
    "eth0": ("198.51.100.2", "2001:db8:77::2"),
    "eth1": ("203.0.113.2", "2001:db8:78::2"),
}
HOST = HostView(
    frozenset(INTERFACES),
    tuple(
        ip_network(text, strict=False)
        for text in (
            *VIPS,
            *PREFIXES,
            *(address.partition("/")[0] for both in _OWN.values() for address in both),
            "127.0.0.0/8",
            "::1",
        )
    ),
    first_addresses={
        (name, Family.of(address.network)): address.ip
        for name, both in _OWN.items()
        for address in map(ip_interface, both)
    },
    queues=frozenset(),
    sockets=frozenset(),
)
PROBE = "lvsmarkd_oracle"
IPVS = 99
_PROBE = f"""table inet {PROBE} {{
    set wire {{ typeof th sport . meta mark; flags dynamic; size 65535; }}
    set late {{ typeof th sport . meta mark; flags dynamic; size 65535; }}
    set seen {{ typeof th sport . meta mark; flags dynamic; size 65535; }}
    chain eth0 {{
        type filter hook ingress device eth0 priority -2000;
        meta l4proto {{ tcp, udp }} add @wire {{ th sport . meta mark }}
    }}
    chain eth1 {{
        type filter hook ingress device eth1 priority -2000;
        meta l4proto {{ tcp, udp }} add @wire {{ th sport . meta mark }}
    }}
    chain late {{
        type filter hook prerouting priority 250;
        meta l4proto {{ tcp, udp }} add @late {{ th sport . meta mark }}
    }}
    chain seen {{
        type filter hook input priority {IPVS};
        iifname {{ eth0, eth1 }} meta l4proto {{ tcp, udp }} add @seen {{ th sport . meta mark }}
        iifname {{ eth0, eth1 }} drop
    }}
}}
"""
"""What it has seen it drops: no socket answers, and conntrack forgets the connection."""
_IPTABLES = (
    ("iptables-nft-save", Lister.IPTABLES_NFT, "ip"),
    ("ip6tables-nft-save", Lister.IPTABLES_NFT, "ip6"),
    ("iptables-legacy-save", Lister.IPTABLES_LEGACY, "ip"),
    ("ip6tables-legacy-save", Lister.IPTABLES_LEGACY, "ip6"),
)
_TABLES = ("raw", "mangle", "nat", "filter", "security")
_LISTED_WITHIN = 5.0
_NAMESPACE = "/proc/thread-self/ns/net"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Seen(Struct, frozen=True):
    """What a packet bore at the end of PREROUTING and where IPVS looks; None: it did not come."""

    late: int | None
    ipvs: int | None


class Director:
    """The director, which this very process is from then on; mounts must be private before.

    A ruleset of legacy's tables stays registered until the namespace ends: what is loaded after
    one begins in a fresh namespace.
    """

    def __init__(self) -> None:
        self._wire: Wire | None = None
        self._spent = False
        self._namespace = ""
        self._renew()

    def load(self, script: Script) -> None:
        """Have these rules in force and no others. Raises RefusedError."""
        if self._spent or self._namespace != os.readlink(_NAMESPACE) or not _cleared():
            self._renew()
        self._spent = any("-legacy" in line.split(maxsplit=1)[0] for line in script)
        try:
            load(script)
        except RefusedError:
            self._spent = True
            raise
        run("nft", "-f", "-", stdin=_PROBE)

    def read(self) -> Ruleset:
        """All that is in force, as lvsmarkd reads it, but the probe."""
        tables = {
            TableKey(source, family, name): table
            for program, source, family in _IPTABLES
            for name, table in save(program, source, family, tables=_TABLES).items()
        }
        return WholeRuleset(_but_the_probe).complete(Ruleset(tables))

    def send(self, packets: Sequence[Packet]) -> list[Seen]:
        """What became of each packet. No source port twice until the next rules are loaded."""
        assert self._wire is not None
        for packet in packets:
            self._wire.send(packet)
        end = time.monotonic() + _LISTED_WITHIN
        ports = {packet.source_port for packet in packets}
        while not ports <= (noted := _noted())["wire"].keys():
            assert time.monotonic() < end, "packets were lost on the wire"
            time.sleep(0.002)
        late, seen = noted["late"], noted["seen"]
        return [Seen(late.get(p.source_port), seen.get(p.source_port)) for p in packets]

    def close(self) -> None:
        """The namespaces end with the process."""
        if self._wire is not None:
            self._wire.close()

    def _renew(self) -> None:
        if self._wire is not None:
            self._wire.close()
        enter_fresh()
        _write("net/ipv6/conf/default/disable_ipv6", 1)
        clients = os.open(_NAMESPACE, os.O_RDONLY)
        enter_fresh()
        for which in ("all", "default"):
            _write(f"net/ipv4/conf/{which}/rp_filter", 0)
            _write(f"net/ipv6/conf/{which}/accept_ra", 0)
        _write("net/ipv6/conf/default/addr_gen_mode", 1)
        run("ip", "-batch", "-", stdin="\n".join(_links(f"/proc/{os.getpid()}/fd/{clients}")))
        run("ip", "-batch", "-", stdin="\n".join(_addresses()))
        self._wire = _in_namespace(clients)
        os.close(clients)
        self._namespace = os.readlink(_NAMESPACE)
        self._spent = False


def _but_the_probe() -> NamedTables | Unknown:
    found = named_tables()
    if isinstance(found, Unknown):
        return found
    return replace(found, tables=tuple(each for each in found.tables if each.name != PROBE))


def _cleared() -> bool:
    """Take all rules out; False where a set is still in use by some that are on their way out."""
    run("nft", "flush", "ruleset")
    run("ipset", "destroy", check=False)
    return run("ipset", "list", "-n") == ""


def _links(clients: str) -> Iterable[str]:
    for number, name in enumerate(INTERFACES):
        mac = _MACS[name]
        yield f"link add {name} address {mac} type veth peer name c{number} netns {clients}"
        yield f"link set {name} up"


def _addresses() -> Iterable[str]:
    yield from (f"addr add {vip} dev lo" for vip in VIPS if ":" not in vip)
    yield from (f"addr add {vip}/128 dev lo nodad" for vip in VIPS if ":" in vip)
    for name, addresses in _OWN.items():
        yield from (f"addr add {each} dev {name}{' nodad' * (':' in each)}" for each in addresses)
        for each in _NEIGHBOURS[name]:
            yield f"neigh add {each} lladdr 02:00:00:00:0c:00 dev {name} nud permanent"
    yield from (f"route add {each}" for each in _ROUTES)
    for each in PREFIXES:
        yield f"route add local {each} dev lo"


def _in_namespace(clients: int) -> Wire:
    """The far ends, which are in the namespace of the clients."""
    found: list[Wire] = []

    def there() -> None:
        assert _libc.setns(clients, _CLONE_NEWNET) == 0
        ends = {name: f"c{number}" for number, name in enumerate(INTERFACES)}
        for end in ends.values():
            run("ip", "link", "set", end, "up")
        found.append(Wire(ends, _MACS))

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    return found[0]


def _noted() -> dict[str, dict[int, int]]:
    """What the probe has noted: source ports and marks, by set."""
    listed = json.loads(run("nft", "-j", "list", "table", "inet", PROBE))["nftables"]
    noted: dict[str, dict[int, int]] = {}
    for each in listed:
        if "set" in each and each["set"]["name"] in {"wire", "late", "seen"}:
            pairs = (element["concat"] for element in each["set"].get("elem", ()))
            noted[each["set"]["name"]] = dict(pairs)
    return noted


def _write(path: str, value: int) -> None:
    Path("/proc/sys", path).write_text(str(value))
