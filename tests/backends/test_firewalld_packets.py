"""Real packets through the real firewalld: by two zones, past what zones mark and refuse."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lvsmarkd.judge.judgement import judge
from tests.backends.grounds import FirewalldGround, firewalld_ground
from tests.backends.test_packets import SEND
from tests.harness.daemon import until
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import neighbour, run
from tests.harness.values import carry_out, declare, flow, want

pytestmark = pytest.mark.netns

VIP = "192.0.2.10"
WAYS = {"e0": ("10.0.0.1", "10.0.0.2"), "e1": ("10.0.1.1", "10.0.1.2")}
"""Interfaces of the director, each with its address and that of the client behind it."""


@pytest.fixture
def clients(netns: None) -> Iterator[dict[str, str]]:
    """The process id of a client behind each interface."""
    with ExitStack() as stack:
        pids = {name: stack.enter_context(neighbour()) for name in WAYS}
        _connect(pids)
        yield pids


def _connect(clients: dict[str, str]) -> None:
    """Each behind its interface, and a probe that counts what of theirs comes in."""
    for name, (ours, theirs) in WAYS.items():
        pid = clients[name]
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "c0", "netns", pid)
        for command in (f"addr add {ours}/24 dev {name}", f"link set {name} up"):
            run("ip", *command.split())
        for command in (
            f"addr add {theirs}/24 dev c0",
            "link set c0 up",
            f"route add {VIP} via {ours}",
        ):
            run("nsenter", "-t", pid, "-n", "ip", *command.split())
    run("ip", "addr", "add", f"{VIP}/32", "dev", "lo")
    for name in WAYS:
        until(lambda name=name: "state UP" in run("ip", "link", "show", name))  # type: ignore[misc] # bound early
    # Where IPVS would see it: behind every filter.
    run(
        *("nft", "-f", "-"),
        stdin="table inet probe {\nchain c {\ntype filter hook input priority 90;\n"
        f"ip daddr {VIP} meta mark 80 counter\nip daddr {VIP} meta mark != 80 counter\n}}\n}}\n",
    )


@pytest.fixture(params=["policy", "zone"])
def ground(
    request: pytest.FixtureRequest,
    clients: dict[str, str],
    real_firewalld: RealFirewalld,
    tmp_path: Path,
) -> Iterator[FirewalldGround]:
    for option in ((), ("--permanent",)):
        real_firewalld.cmd(*option, "--zone=public", "--add-interface=e0")
        real_firewalld.cmd(*option, "--zone=internal", "--add-interface=e1")
    zones = ("public", "internal") if request.param == "zone" else ()
    with firewalld_ground(
        real_firewalld, tmp_path / "state", str(request.param), zones=zones
    ) as made:
        yield made


def arrived(client: str, port: int = 80) -> tuple[int, int]:
    """How many of three packets arrive with mark 80, and how many with another."""
    before = _counts()
    run("nsenter", "-t", client, "-n", sys.executable, "-c", SEND, *[f"udp,{VIP},{port}"] * 3)
    marked, others = (after - was for after, was in zip(_counts(), before, strict=True))
    return marked, others


def _counts() -> list[int]:
    lines = run("nft", "list", "table", "inet", "probe").splitlines()
    return [int(line.split("packets ")[1].split()[0]) for line in lines if "packets" in line]


def test_packets_are_marked_and_let_in_by_every_zone(
    ground: FirewalldGround, clients: dict[str, str]
) -> None:
    web = flow(VIP, 80, transport=17)  # type: ignore[arg-type] # UDP: one packet, one count
    bare = want(declare(80, web), policy=ground.policy)
    carry_out(ground.backend, judge(bare, ground.backend.read()))
    # A mark opens no port: both zones refuse.
    assert [arrived(pid) for pid in clients.values()] == [(0, 0), (0, 0)]
    wish = want(declare(80, web, accept=True), policy=ground.policy)
    carry_out(ground.backend, judge(wish, ground.backend.read()))
    assert [arrived(pid) for pid in clients.values()] == [(3, 0), (3, 0)]
    # What a zone marks is overtaken.
    for option in ((), ("--permanent",)):
        ground.bed.cmd(
            *option,
            "--zone=public",
            f"--add-rich-rule=rule family=ipv4 destination address={VIP} mark set=7",
        )
    assert arrived(clients["e0"]) == (3, 0)
    ground.bed.cmd("--reload")
    assert [arrived(pid) for pid in clients.values()] == [(3, 0), (3, 0)]
    # What the operator refuses stays refused.
    ground.bed.cmd(
        "--zone=public",
        f"--add-rich-rule=rule family=ipv4 destination address={VIP} drop",
    )
    assert [arrived(pid) for pid in clients.values()] == [(0, 0), (3, 0)]
