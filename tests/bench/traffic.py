"""A client behind a veth pair that sends without a break, and what becomes of its packets."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.harness.daemon import until
from tests.harness.netns import run

PORT = 53
LONGEST = "900"
"""Seconds after which a client ends, whatever became of who started it."""
_SENDER = """
import socket, sys, time
rate, burst = int(sys.argv[1]), int(sys.argv[2])
to = [(address, int(sys.argv[3])) for address in sys.argv[4:]] * burst
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
began, sent = time.monotonic(), 0
while True:
    for target in to:
        try: out.sendto(b"x", target)
        except OSError: pass
    sent += len(to)
    ahead = sent / rate - (time.monotonic() - began)
    if ahead > 0: time.sleep(ahead)
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Packets of the stream: all; those that bore another mark than theirs behind mangle; those
    that reached INPUT behind every filter, where IPVS is; and of these, those without their mark.
    """

    sent: int = 0
    wrong: int = 0
    arrived: int = 0
    astray: int = 0

    def __sub__(self, before: "Counts") -> "Counts":
        return Counts(
            self.sent - before.sent,
            self.wrong - before.wrong,
            self.arrived - before.arrived,
            self.astray - before.astray,
        )

    @property
    def lost(self) -> int:
        """Packets that did not reach INPUT."""
        return self.sent - self.arrived


def vip(number: int) -> str:
    """The address of the n-th service; its mark is n, from 1 on."""
    return f"10.9.0.{number}"


def served(count: int) -> str:
    """A keepalived.conf of the services that the stream goes to."""
    return "".join(
        f"virtual_server fwmark {n} {{\n    # lvsmarkd: to {vip(n)} udp {PORT}\n    lb_kind DR\n"
        f"    real_server 198.51.100.1 {PORT} {{ }}\n}}\n"
        for n in range(1, count + 1)
    )


def counts() -> Counts:
    """Up to now."""
    listing = json.loads(run("nft", "-j", "list", "counters", "table", "ip", "bench"))
    return Counts(
        **{
            entry["counter"]["name"]: entry["counter"]["packets"]
            for entry in listing["nftables"]
            if "counter" in entry
        }
    )


@contextmanager
def stream(services: int, rate: int, burst: int = 1) -> Iterator[None]:
    """Send to each service in turn, ``burst`` rounds at once; it has begun when this begins."""
    with sender(services, rate, burst, _count):
        until(lambda: counts().sent > 0, "the stream")
        yield


@contextmanager
def sender(
    services: int, rate: int, burst: int, count: Callable[[list[str]], None]
) -> Iterator[None]:
    """The same, counted by what ``count`` sets up for the VIPs."""
    client = subprocess.Popen(["unshare", "--net", "sleep", LONGEST])
    sending = None
    try:
        time.sleep(0.3)
        inside = ("nsenter", "-t", str(client.pid), "-n")
        vips = [vip(n) for n in range(1, services + 1)]
        _cable(str(client.pid), inside, vips)
        count(vips)
        sending = subprocess.Popen(
            [
                *("timeout", LONGEST, *inside, sys.executable, "-c", _SENDER),
                *(str(rate), str(burst), str(PORT), *vips),
            ]
        )
        yield
    finally:
        for process in filter(None, (sending, client)):
            process.terminate()
            process.wait(10)


def _cable(pid: str, inside: tuple[str, ...], vips: list[str]) -> None:
    """Between this namespace, which has the VIPs, and the client's."""
    run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", pid)
    run("ip", "addr", "add", "10.9.0.254/16", "dev", "v0")
    run("ip", "link", "set", "v0", "up")
    for each in vips:
        run("ip", "addr", "add", f"{each}/32", "dev", "lo")
    mac = run("ip", "-br", "link", "show", "v0").split()[2]
    for command in (
        "ip addr add 10.9.1.1/16 dev v1",
        "ip link set v1 up",
        *(f"ip neigh add {each} lladdr {mac} dev v1" for each in vips),
    ):
        run(*inside, *command.split())


def _count(vips: list[str]) -> None:
    """Before all rules, behind mangle, and behind every filter; there the packets end."""
    right = ", ".join(f"{each} . {mark}" for mark, each in enumerate(vips, 1))
    unmarked = "ip daddr . meta mark != @right counter name"
    run(
        *("nft", "-f", "-"),
        stdin="table ip bench {\n"
        "counter sent { }\ncounter wrong { }\ncounter arrived { }\ncounter astray { }\n"
        f"set right {{ type ipv4_addr . mark; elements = {{ {right} }}; }}\n"
        "chain first {\ntype filter hook prerouting priority -390;\n"
        f"udp dport {PORT} counter name sent\n}}\n"
        "chain behind_mangle {\ntype filter hook prerouting priority 0;\n"
        f"udp dport {PORT} {unmarked} wrong\n}}\n"
        "chain last {\ntype filter hook input priority 95;\n"
        f"udp dport != {PORT} return\ncounter name arrived\n{unmarked} astray\ndrop\n}}\n}}\n",
    )
