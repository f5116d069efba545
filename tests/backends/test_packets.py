"""Real packets over a cable: each bears the mark it should, read back behind mangle."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsmarkd.backends.choose import choose
from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.protocols import Transport
from tests.harness.daemon import until
from tests.harness.netns import neighbour, run
from tests.harness.values import carry_out, declare, flow, want

SEND = """
import socket, sys
for word in sys.argv[1:]:
    kind, address, port = word.split(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    out = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    out.settimeout(1)
    try:
        out.connect((address, int(port)))
        out.send(b"x")
    except OSError:
        pass
"""
MARKS = (0, 7, 21, 80, 81)


@pytest.fixture
def client(variant: str) -> Iterator[str]:
    """The process id of a client behind a cable; its packets are counted by mark."""
    with neighbour() as pid:
        _connect(pid)
        yield pid


def _connect(pid: str) -> None:
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "c0", "netns", pid)
    for command in (
        "addr add 192.0.2.254/24 dev eth0",
        "addr add 2001:db8::fe/64 dev eth0 nodad",
        "addr add 192.0.2.10/32 dev eth0",
        "addr add 192.0.2.11/32 dev eth0",
        "addr add 2001:db8::10/128 dev eth0 nodad",
        "link set eth0 up",
    ):
        run("ip", *command.split())
    for command in (
        "addr add 192.0.2.1/24 dev c0",
        "addr add 2001:db8::1/64 dev c0 nodad",
        "link set c0 address 52:54:00:00:00:01",
        "link set c0 up",
    ):
        run("nsenter", "-t", pid, "-n", "ip", *command.split())
    counters = "\n".join(f"counter m{mark} {{ }}" for mark in MARKS)
    counts = "\n".join(f"meta mark {mark} counter name m{mark}" for mark in MARKS)
    for hook, match in (("prerouting", 'iifname "eth0"'), ("output", 'oifname "lo"')):
        run(
            *("nft", "-f", "-"),
            stdin=f"table inet {hook} {{\n{counters}\nchain c {{\n"
            f"type filter hook {hook} priority 0; policy accept;\n"
            f"{match} meta l4proto {{ tcp, udp }} jump d\n}}\nchain d {{\n{counts}\n}}\n}}\n",
        )
    until(lambda: "state UP" in run("ip", "link", "show", "eth0"))


def marks(hook: str = "prerouting") -> set[int]:
    """The marks that packets bore since the last time asked."""
    listing = json.loads(run("nft", "-j", "reset", "counters", "table", "inet", hook))
    return {
        int(entry["counter"]["name"][1:])
        for entry in listing["nftables"]
        if "counter" in entry and entry["counter"]["packets"]
    }


def send(client: str, *packets: str) -> set[int]:
    """Send packets from the client; gives the marks they bore when they arrived."""
    marks()
    run("nsenter", "-t", client, "-n", sys.executable, "-c", SEND, *packets)
    return marks()


def apply(wanted: Desired, directory: Path) -> None:
    backend = choose("iptables", state_directory=directory / "state")
    carry_out(backend, judge(wanted, backend.read()))


def test_each_flow_bears_its_mark_and_nothing_else_does(client: str, tmp_path: Path) -> None:
    apply(
        want(
            declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443)),
            declare(21, flow("192.0.2.11", 21), flow("192.0.2.11", 10000, 20000)),
            declare(81, flow("2001:db8::10", 53, transport=Transport.UDP)),
        ),
        tmp_path,
    )
    assert send(client, "tcp,192.0.2.10,80") == {80}
    assert send(client, "tcp,192.0.2.10,443") == {80}
    assert send(client, "tcp,192.0.2.11,21") == {21}
    assert send(client, "tcp,192.0.2.11,10000", "tcp,192.0.2.11,20000") == {21}
    assert send(client, "udp,2001:db8::10,53") == {81}
    assert send(client, "tcp,192.0.2.10,81", "udp,192.0.2.10,80", "tcp,192.0.2.11,80") == {0}
    assert send(client, "tcp,192.0.2.11,9999", "tcp,192.0.2.11,20001") == {0}
    assert send(client, "tcp,2001:db8::10,53", "udp,192.0.2.10,53") == {0}


def test_a_whole_destination_is_marked_whatever_the_protocol(client: str, tmp_path: Path) -> None:
    apply(want(declare(7, flow("192.0.2.8/29", transport=None))), tmp_path)
    assert send(client, "tcp,192.0.2.10,9", "udp,192.0.2.11,9") == {7}
    assert send(client, "udp,192.0.2.254,9") == {0}


def test_the_other_directors_packets_are_left_out(client: str, tmp_path: Path) -> None:
    mine = flow("192.0.2.10", 80, not_from_mac=("52:54:00:00:00:01",))
    others = flow("192.0.2.11", 80, not_from_mac=("52:54:00:00:00:02",))
    apply(want(declare(80, mine, others)), tmp_path)
    assert send(client, "tcp,192.0.2.10,80") == {0}
    assert send(client, "tcp,192.0.2.11,80") == {80}


def test_only_packets_that_come_in_by_the_interface_are_marked(client: str, tmp_path: Path) -> None:
    here = flow("192.0.2.10", 80, in_interface="eth0")
    there = flow("192.0.2.11", 80, in_interface="eth1")
    apply(want(declare(80, here, there)), tmp_path)
    assert send(client, "tcp,192.0.2.10,80") == {80}
    assert send(client, "tcp,192.0.2.11,80") == {0}


def test_the_directors_own_packets_are_marked_where_asked(client: str, tmp_path: Path) -> None:
    wanted = declare(80, flow("192.0.2.10", 80, not_from_mac=("52:54:00:00:00:02",)))
    for policy, expected in ((Options(), {0}), (Options(local=True), {80})):
        apply(want(wanted, policy=policy), tmp_path)
        marks("output")
        run(sys.executable, "-c", SEND, "tcp,192.0.2.10,80")
        assert expected <= marks("output")


def test_accept_lets_packets_in_where_input_drops_them(client: str, tmp_path: Path) -> None:
    run("iptables", "-w", "5", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    run("iptables", "-w", "5", "-P", "INPUT", "DROP")
    apply(want(declare(80, flow("192.0.2.10", 80), accept=True)), tmp_path)
    refused = "import socket\nsocket.create_connection(('192.0.2.{}', {}), 0.5)"
    for address, port, expected in ((10, 80, "refused"), (10, 81, "timed out")):
        done = subprocess.run(
            ["nsenter", "-t", client, "-n", sys.executable, "-c", refused.format(address, port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert expected in done.stderr.lower()
