"""lvsmarkd and keepalived in the machine, and what the operator sees of them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvsmarkd.telemetry.message import Event
from tests.director.agent import PATIENCE
from tests.director.ground import DR4, DR6, FTP, NAT4, NAT6, balanced
from tests.director.guest import Guest, until

VIPS4, VIPS6 = (NAT4, DR4, FTP), (NAT6, DR6)
_POLICY = "/usr/sbin/policy-rc.d"
_CONF = "/etc/keepalived/keepalived.conf"


def vrrp(priority: int = 100, state: str = "MASTER") -> str:
    """The part of keepalived.conf that holds the virtual addresses."""
    four = "\n".join(f"        {vip}/24" for vip in VIPS4)
    # A /128 is never the source of a check; a real server behind DR would keep the answer.
    six = "\n".join(f"        {vip}/128" for vip in VIPS6)
    return f"""\
global_defs {{
    router_id director
}}
vrrp_instance VI_1 {{
    state {state}
    interface front
    virtual_router_id 51
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
{four}
    }}
    virtual_ipaddress_excluded {{
{six}
    }}
}}
"""


def service(mark: int, kind: str, servers: list[str], annotation: str = "", port: int = 80) -> str:
    """A virtual_server by mark: persistent, as bundles of ports are."""
    comment = f"    # lvsmarkd: {annotation}\n" if annotation else ""
    lines = "".join(
        f"    real_server {server} 0 {{\n        weight 1\n        TCP_CHECK {{\n"
        f"            connect_port {port}\n            connect_timeout 5\n        }}\n    }}\n"
        for server in servers
    )
    return (
        f"virtual_server fwmark {mark} {{\n{comment}    delay_loop 5\n    lb_algo rr\n"
        f"    lb_kind {kind}\n    persistence_timeout 300\n    protocol TCP\n{lines}}}\n"
    )


def nat(annotation: str = "") -> str:
    """HTTP and HTTPS by NAT, one mark in both families."""
    return service(80, "NAT", ["198.51.100.11", "198.51.100.12"], annotation) + service(
        80, "NAT", ["2001:db8:2::11", "2001:db8:2::12"]
    )


def dr(annotation: str = "") -> str:
    """The same by DR."""
    return service(81, "DR", ["192.0.2.31", "192.0.2.32"], annotation) + service(
        81, "DR", ["2001:db8:1::31", "2001:db8:1::32"]
    )


NAT_FLOWS = f"to {NAT4},{NAT6} tcp 80,443 accept"
DR_FLOWS = f"to {DR4},{DR6} tcp 80,443 accept"


@dataclass
class Director:
    """The two daemons in one machine."""

    guest: Guest

    def install(self, package: Path) -> str:
        """``dpkg -i``; gives what it says."""
        self.guest.put(package.read_bytes(), f"/root/{package.name}")
        return self.guest.run("dpkg", "-i", f"/root/{package.name}").output

    @contextmanager
    def no_restarts(self) -> Iterator[None]:
        """policy-rc.d forbids maintainer scripts to start and stop anything."""
        self.guest.write(_POLICY, "#!/bin/sh\nexit 101\n")
        self.guest.sh(f"chmod 755 {_POLICY}")
        yield
        self.guest.sh(f"rm {_POLICY}")

    def settings(self, text: str) -> None:
        self.guest.write("/etc/lvsmarkd/lvsmarkd.toml", text)

    def configure(self, text: str) -> None:
        """Write keepalived.conf."""
        self.guest.write(_CONF, text)

    def balance(self, *services: str) -> None:
        """Start keepalived, and wait until it is master and IPVS has these (``80 4``)."""
        self.guest.run("systemctl", "restart", "keepalived")
        self.master()
        until(lambda: set(services) <= self.loaded(), f"{services} in IPVS")

    def master(self, seconds: float = PATIENCE) -> float:
        """Wait until it has the virtual addresses; gives how long that took."""
        return until(lambda: NAT4 in self.guest.sh("ip addr show dev front"), "the VIPs", seconds)

    def loaded(self) -> set[str]:
        """Services in IPVS that have real servers."""
        found: set[str] = set()
        last = ""
        for line in self.guest.sh("ipvsadm -Ln").splitlines():
            if match := re.match(r"FWM +(\d+)( IPv6)?", line):
                last = f"{match[1]} {6 if match[2] else 4}"
            elif re.match(r" +-> +[\d\[]", line):
                found.add(last)
        return found

    def balanced(self, service: str) -> int:
        """Connections that its IPVS has counted for this service."""
        return balanced(self.guest)[service]

    def start(self) -> None:
        self.guest.run("systemctl", "start", "lvsmarkd")

    def metrics(self) -> dict[str, float]:
        """Each series by its name with labels; none while the daemon does not serve them."""
        page = self.guest.sh("curl -sf -m 10 http://127.0.0.1:10965/metrics || true")
        lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def covered(self, mark: int, family: str = "inet") -> float | None:
        """What the metric says."""
        wanted = f'lvsmarkd_mark_covered{{family="{family}",mark="{mark}"}}'
        return self.metrics().get(wanted)

    def keeps_in(self, firewall: str) -> bool:
        """Whether the metric says that it keeps its rules there."""
        wanted = f'lvsmarkd_backend_info{{backend="{firewall}'
        return any(name.startswith(wanted) and value for name, value in self.metrics().items())

    def journal(self, *events: Event) -> list[dict[str, Any]]:
        """Its entries of these kinds, or all, of this boot."""
        matches = [f"MESSAGE_ID={event}" for event in events]
        text = self.guest.sh(f"journalctl -b -o json -u lvsmarkd {' '.join(matches)}", check=False)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def said(self, event: Event, *words: str) -> bool:
        """Whether it said so, with all these words in the sentence or a field of its own: a time or
        a cursor of journald's may hold any number.
        """
        return any(
            all(any(word in str(value) for value in _own(entry)) for word in words)
            for entry in self.journal(event)
        )

    def ask(self, *arguments: str) -> str:
        """What one of its commands prints, whatever its exit status."""
        return self.guest.run("lvsmarkd", *arguments, check=False).output

    def ours(self) -> list[str]:
        """Rules of lvsmarkd, wherever they are."""
        listing = self.guest.sh(
            "set +e; for tables in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy;"
            " do $tables-save; done;"
            "ls /etc/firewalld/policies; cat /etc/firewalld/*/*.xml;"
            "if systemctl -q is-active firewalld; then firewall-cmd --list-all-policies;"
            " firewall-cmd --list-all-zones; fi 2>/dev/null; nft list ruleset; echo the end"
        )
        assert listing.endswith("the end\n")
        return [
            line
            for line in listing.splitlines()
            # The policy's empty object is known at runtime until the next reload.
            if "LVSMARKD" in line
            or "10965" in line
            or "lvsmarkd" in line.split()[:9]
            or "mark set 0x0000005" in line  # in nftables, 80 and 81 of our services
            if not line.startswith("lvsmarkd (active)")
        ]


def _own(entry: dict[str, Any]) -> list[object]:
    return [v for name, v in entry.items() if name == "MESSAGE" or name.startswith("LVSMARKD_")]
