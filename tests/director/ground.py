"""What stands around a director: clients, real servers, and the wires between.

``front`` is the segment of the clients, of the virtual addresses, and of the real servers by DR.
``back`` is that of the real servers by NAT, whose way out is the director.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from tests.director.guest import HERE, Guest, until

CLIENTS = ("101", "102", "103", "104")
NAT4, NAT6 = "192.0.2.10", "2001:db8:1::10"
DR4, DR6 = "192.0.2.20", "2001:db8:1::20"
FTP = "192.0.2.21"

PROGRAMS = "/usr/local/lib/director"
SCRIPT = f"""
modprobe -a ip_vs bridge veth
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.vs.conntrack=1 \\
    net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \\
    net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
for segment in front back; do
    ip link add $segment type bridge forward_delay 0
    ip link set $segment up
done
ip addr add 192.0.2.1/24 dev front
ip addr add 2001:db8:1::1/64 dev front nodad
ip addr add 198.51.100.1/24 dev back
ip addr add 2001:db8:2::1/64 dev back nodad
host() {{ # host NAME SEGMENT
    ip netns add $1
    ip -n $1 link set lo up
    ip link add $1 type veth peer name eth0 netns $1
    ip link set $1 master $2 up
    ip netns exec $1 sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
    ip -n $1 link set eth0 up
}}
host client front
for n in {" ".join(CLIENTS)}; do
    ip -n client addr add 192.0.2.$n/24 dev eth0
    ip -n client addr add 2001:db8:1::$n/64 dev eth0 nodad
done
for n in 1 2; do
    host nat$n back
    ip -n nat$n addr add 198.51.100.1$n/24 dev eth0
    ip -n nat$n addr add 2001:db8:2::1$n/64 dev eth0 nodad
    ip -n nat$n route add default via 198.51.100.1
    ip -n nat$n route add default via 2001:db8:2::1
    host dr$n front
    ip -n dr$n addr add 192.0.2.3$n/24 dev eth0
    ip -n dr$n addr add 2001:db8:1::3$n/64 dev eth0 nodad
    for vip in {DR4}/32 {FTP}/32 {DR6}/128; do
        ip -n dr$n addr add $vip dev lo
    done
    for name in nat$n dr$n; do
        systemd-run -q --no-block --unit=$name \\
            -p Type=notify -p NetworkNamespacePath=/run/netns/$name \\
            python3 {PROGRAMS}/servers.py $name {FTP}
    done
done
"""
_TAKE_AWAY = """
for name in nat1 nat2 dr1 dr2 client; do
    systemctl stop $name 2>/dev/null || true
    ip netns del $name
done
"""


@dataclass(frozen=True)
class Attempt:
    """What became of one connection, or of one question on a connection that is held."""

    kind: str
    to: str
    at: float
    took: float
    by: str = ""
    wrong: str = ""


class Ground:
    """All of it, beside the director in its machine."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def build(self) -> None:
        """Lay the wires, and start the servers."""
        for file in (HERE / "programs").glob("*.py"):
            self.guest.write(f"{PROGRAMS}/{file.name}", file.read_text())
        self.guest.sh(SCRIPT)
        servers = ("nat1", "nat2", "dr1", "dr2")
        until(
            lambda: self.guest.run("systemctl", "is-active", *servers, check=False).status == 0,
            "servers",
        )

    def take_away(self) -> None:
        """Leave the director alone with its two segments."""
        self.guest.sh(_TAKE_AWAY)

    def fetch(self, *wanted: tuple[str, int, str], backoff: float = 10) -> list[str]:
        """Ask for each address and port as that client, all at once; gives the name of who
        answers each, or nothing."""
        asked = [
            f"{address},{port},{f'2001:db8:1::{who}' if ':' in address else f'192.0.2.{who}'}"
            for address, port, who in wanted
        ]
        answers = json.loads(
            self.guest.run(
                *("ip", "netns", "exec", "client", "python3", f"{PROGRAMS}/fetch.py"),
                *(str(backoff), *asked),
            ).output
        )
        assert isinstance(answers, list)
        return answers

    def answers(self, address: str, port: int = 80, client: str = CLIENTS[0]) -> str:
        """Ask once; gives the name of who answers, or nothing."""
        scheme, host, source = "http", address, f"192.0.2.{client}"
        if ":" in address:
            host, source = f"[{address}]", f"2001:db8:1::{client}"
        if port == 443:
            scheme = "https"
        done = self.guest.run(
            *("ip", "netns", "exec", "client", "curl", "-s", "-k", "-m", "10"),
            *("--interface", source, f"{scheme}://{host}/"),
            check=False,
        )
        return done.output if done.status == 0 else ""

    def listen(self, *targets: str, rate: float = 10) -> None:
        """Begin a stream of connections that does not end until ``heard``."""
        self.guest.run(
            *("systemd-run", "-q", "--unit=stream", "-p", "SuccessExitStatus=SIGTERM"),
            *("-p", "NetworkNamespacePath=/run/netns/client", "-p", "TimeoutStopSec=20"),
            *("python3", f"{PROGRAMS}/stream.py", "/run/stream.json", str(rate), *targets),
        )
        until(lambda: len(self._lines()) > 5 * len(targets), "the stream")

    def heard(self) -> list[Attempt]:
        """End the stream; gives what became of it."""
        self.guest.run("systemctl", "stop", "stream")
        return [Attempt(**json.loads(line)) for line in self._lines()]

    def _lines(self) -> list[str]:
        return self.guest.sh("cat /run/stream.json 2>/dev/null || true").splitlines()

    def balanced(self) -> dict[str, int]:
        """What IPVS of its machine has counted; it tells so up to two seconds late."""
        return balanced(self.guest)

    def settled(self) -> dict[str, int]:
        """What it has counted, once all is told."""
        self.guest.sh("sleep 3")
        return self.balanced()


def balanced(guest: Guest) -> dict[str, int]:
    """Connections that IPVS has counted, by mark and family: ``80 4``, ``80 6``."""
    counted: dict[str, int] = {}
    for line in guest.sh("ipvsadm -Ln --stats --exact").splitlines():
        words = line.split()
        if words[:1] == ["FWM"]:
            six = words[2] == "IPv6"
            counted[f"{words[1]} {6 if six else 4}"] = int(words[3 if six else 2])
    return counted


def failed(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Those that got no answer."""
    return [attempt for attempt in attempts if attempt.wrong]


def outage(attempts: Iterable[Attempt]) -> float:
    """Seconds from the first connection that was hit to the first after the last of them. One is
    hit that failed, or whose first packet was lost: the second is sent a second later."""
    asked = sorted((one for one in attempts if one.kind == "new"), key=lambda one: one.at)
    hit = [number for number, one in enumerate(asked) if one.wrong or one.took >= 1]
    if not hit:
        return 0
    end = asked[hit[-1] + 1].at if hit[-1] + 1 < len(asked) else asked[-1].at + asked[-1].took
    return end - asked[hit[0]].at
