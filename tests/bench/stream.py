"""An unbroken stream of packets to services that stay, while others come, go and are damaged."""

import json
import random
import subprocess
import sys
import time

from tests.bench.ground import fresh, rule_of, services
from tests.harness.daemon import Daemon, until
from tests.harness.netns import run as tool

STAY = 20
CHURN = 250
CHANGES = 200
RATE = 5000
SENDER = """
import socket, sys, time
to = [(f"10.9.0.{n}", 53) for n in range(1, int(sys.argv[1]) + 1)]
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
began, sent = time.monotonic(), 0
while True:
    for target in to:
        try: out.sendto(b"x", target)
        except OSError: pass
    sent += len(to)
    ahead = sent / int(sys.argv[2]) - (time.monotonic() - began)
    if ahead > 0: time.sleep(ahead)
"""


def stay() -> str:
    """The services that the stream goes to."""
    return "".join(
        f"virtual_server fwmark {n} {{\n    # lvsmarkd: to 10.9.0.{n} udp 53\n"
        f"    real_server 198.51.100.1 53 {{ }}\n}}\n"
        for n in range(1, STAY + 1)
    )


def counters() -> tuple[int, int]:
    """Packets of the stream: all, and those that bore another mark than theirs."""
    listing = json.loads(tool("nft", "-j", "list", "counters", "table", "ip", "bench"))
    found = {
        entry["counter"]["name"]: entry["counter"]["packets"]
        for entry in listing["nftables"]
        if "counter" in entry
    }
    return found["seen"], found["wrong"]


def cable() -> subprocess.Popen[bytes]:
    """A client behind a veth pair that sends until it is killed; counters behind mangle."""
    client = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    time.sleep(0.3)
    pid = str(client.pid)
    tool("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", pid)
    tool("ip", "addr", "add", "10.9.0.254/16", "dev", "v0")
    tool("ip", "link", "set", "v0", "up")
    mac = tool("ip", "-br", "link", "show", "v0").split()[2]
    for command in (
        "ip addr add 10.9.1.1/16 dev v1",
        "ip link set v1 up",
        *(f"ip neigh add 10.9.0.{n} lladdr {mac} dev v1" for n in range(1, STAY + 1)),
    ):
        tool("nsenter", "-t", pid, "-n", *command.split())
    wrong = "\n".join(
        f"ip daddr 10.9.0.{n} meta mark != {n} counter name wrong" for n in range(1, STAY + 1)
    )
    tool(
        *("nft", "-f", "-"),
        stdin="table ip bench {\ncounter seen { }\ncounter wrong { }\nchain c {\n"
        "type filter hook prerouting priority 0; policy accept;\nudp dport != 53 return\n"
        f"counter name seen\n{wrong}\ndrop\n}}\n}}\n",
    )
    return client


def play(variant: str) -> None:
    """One variant."""
    directory = fresh(variant)
    client = cable()
    chance = random.Random(80)  # noqa: S311 - a script, the same each time
    with Daemon(directory, PATH=f"{directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin") as daemon:
        daemon.settings("[daemon]\nlinger_seconds = 0.2\n")
        daemon.conf.write_text(stay() + services(CHURN))
        daemon.start()
        sender = subprocess.Popen(
            [
                "nsenter",
                "-t",
                str(client.pid),
                "-n",
                sys.executable,
                "-c",
                SENDER,
                str(STAY),
                str(RATE),
            ]
        )
        until(lambda: counters()[0] > 0, "the stream")
        seen, wrong = counters()
        deleted = 0
        for number in range(CHANGES):
            daemon.conf.write_text(stay() + services(chance.randint(CHANGES, CHURN)))
            time.sleep(0.03)
            done = subprocess.run(
                [
                    f"iptables-{variant}",
                    "-w",
                    "5",
                    "-t",
                    "mangle",
                    "-D",
                    "LVSMARKD",
                    *rule_of(number),
                ],
                capture_output=True,
                check=False,
                timeout=20,
            )
            deleted += done.returncode == 0
            time.sleep(0.03)
        time.sleep(1)
        now, off = counters()
        sender.kill()
        sender.wait()
        daemon.stop()
    client.kill()
    client.wait()
    print(
        f"iptables-{variant}: {CHANGES} changes of the file, {deleted} rules of others deleted:"
        f" {now - seen} packets of {STAY} untouched services, {off - wrong} unmarked"
    )


def main() -> None:
    """Both variants."""
    print()
    for variant in ("nft", "legacy"):
        play(variant)


if __name__ == "__main__":
    main()
