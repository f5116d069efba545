"""Whether another process is in our network namespace, and whether that forwards."""

import json
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsmarkd.kernel.network import forwards_ipv4, same_network
from tests.harness.daemon import until
from tests.harness.netns import run

NOBODY = 65534


@pytest.fixture
def processes(netns: None) -> Iterator[tuple[int, int]]:
    """One in our network namespace, and one in another."""
    here = subprocess.Popen(["sleep", "60"])
    there = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    until(lambda: same_network(there.pid) is False, "its namespace")
    yield here.pid, there.pid
    for process in (here, there):
        process.kill()
        process.wait()


@pytest.mark.netns
def test_a_process_of_another_network_namespace_is_told_apart(processes: tuple[int, int]) -> None:
    here, there = processes
    assert same_network(here) is True
    assert same_network(there) is False


@pytest.mark.netns
def test_who_may_not_trace_it_is_told_too(processes: tuple[int, int]) -> None:
    child = os.fork()
    if child == 0:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        seen = [same_network(pid) for pid in processes]
        os._exit(0 if seen == [True, False] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_what_cannot_be_seen_is_not_known(tmp_path: Path) -> None:
    assert same_network(os.getpid(), tmp_path) is None


def _counted(chain: str) -> int:
    told = json.loads(run("nft", "-j", "list", "chain", "ip", "seen", chain))["nftables"]
    (rule,) = (each["rule"] for each in told if "rule" in each)
    return next(int(e["counter"]["packets"]) for e in rule["expr"] if "counter" in e)


def _packet(mac: str, source: str, to: str) -> bytes:
    """A UDP packet on the wire."""
    ends = socket.inet_aton(source) + socket.inet_aton(to)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0) + ends
    total = sum(struct.unpack("!10H", head))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    head = head[:10] + checksum.to_bytes(2) + head[12:]
    frame = bytes.fromhex(str(mac).replace(":", "")) + b"\x02\0\0\0\0\x01\x08\x00"
    datagram: bytes = struct.pack("!HHHH", 80, 1024, 8, 0)
    return frame + bytes(head) + datagram


@pytest.mark.netns
def test_an_answer_for_others_is_seen_at_no_hook_of_ipvs_unless_its_interface_forwards(
    netns: None,
) -> None:
    """What IPVS by NAT needs: at FORWARD it sees the answers of real servers."""
    run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    run("ip", "addr", "add", "192.0.2.1/24", "dev", "v0")
    for name in ("v0", "v1"):
        run("ip", "link", "set", name, "up")
    run("ip", "route", "add", "203.0.113.0/24", "dev", "v0")
    tables = "".join(
        f"add chain ip seen {hook} {{ type filter hook {hook} priority 90; }}\n"
        f"add rule ip seen {hook} ip daddr 203.0.113.7 counter\n"
        for hook in ("prerouting", "input", "forward")
    )
    run("nft", "-f", "-", stdin="add table ip seen\n" + tables)
    (link,) = json.loads(run("ip", "-j", "link", "show", "v0"))

    def answer() -> tuple[int, int, int]:
        """Of a real server: how often one was seen, up to now."""
        before = _counted("prerouting")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind(("v1", 0))
            wire.send(_packet(link["address"], "192.0.2.9", "203.0.113.7"))
            until(lambda: _counted("prerouting") > before, "it comes")
        return _counted("prerouting"), _counted("input"), _counted("forward")

    for name in ("all", "v0"):
        run("sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0")
    run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    assert forwards_ipv4(["v0"]) is False
    assert answer() == (1, 0, 0)
    run("sysctl", "-qw", "net.ipv4.conf.v0.forwarding=1")
    assert forwards_ipv4(["v0"]) is True
    assert answer() == (2, 0, 1)
    run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv4.conf.default.forwarding=1")
    assert forwards_ipv4(["v1"]) is True, "one that comes up later will"
    assert forwards_ipv4([]) is None
    assert forwards_ipv4(["gone"]) is None
