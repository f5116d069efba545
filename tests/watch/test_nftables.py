"""nf_tables' events, from real programs in a namespace of their own."""

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from lvsmarkd.model.wake import Trigger
from lvsmarkd.watch.nftables import NftablesEvents
from lvsmarkd.watch.own_writers import OwnWriters
from lvsmarkd.watch.source import SourceFailedError
from tests.harness.netns import run
from tests.watch.hearing import Hearing, running

pytestmark = pytest.mark.netns


async def _run(*arguments: str, stdin: str = "") -> int:
    """Run a program to its end; gives its process number."""
    process = await asyncio.create_subprocess_exec(*arguments, stdin=PIPE)
    await process.communicate(stdin.encode())
    assert process.returncode == 0
    return process.pid


def _rules(count: int) -> str:
    lines = (f"-A BIG -d 10.0.{i >> 8}.{i & 255} -j MARK --set-mark 5\n" for i in range(count))
    return f"*mangle\n:BIG -\n{''.join(lines)}COMMIT\n"


def test_a_change_wakes_and_names_the_program(netns: None) -> None:
    async def check() -> None:
        hearing = Hearing()
        async with running(NftablesEvents(hearing, OwnWriters()), hearing):
            rule = ("iptables-nft", "-t", "mangle", "-A", "PREROUTING", "-j", "ACCEPT")
            pid = await _run(*rule)
            await hearing.until(lambda: hearing.wakes)
            await hearing.calm()
            pid = await _run(*(word.replace("-A", "-D") for word in rule))
            await hearing.until(lambda: hearing.wakes)
            (wake,) = hearing.wakes
            assert wake.trigger is Trigger.NETLINK
            assert wake.actor is not None
            assert (wake.actor.pid, wake.actor.name) == (pid, "iptables-nft")
            assert wake.actor.command == "iptables-nft -t mangle -D PREROUTING -j ACCEPT"

    asyncio.run(check())


@pytest.mark.parametrize(
    ("command", "wakes"),
    [
        ("nft add table ip mangle", True),
        ("nft add table ip6 filter", True),
        ("nft add table ip other", True),
        ("nft add table inet mangle", True),
        ("nft add table netdev x", True),
        ("nft add table arp filter", False),
        ("nft add table bridge filter", False),
        ("ip6tables-nft -t mangle -N X", True),
        ("iptables-nft -t raw -N X", True),
        ("ipset create x hash:ip", False),
    ],
)
def test_only_tables_that_matter_wake(netns: None, command: str, *, wakes: bool) -> None:
    async def check() -> None:
        hearing = Hearing()
        async with running(NftablesEvents(hearing, OwnWriters()), hearing):
            await _run(*command.split())
            if wakes:
                await hearing.until(lambda: hearing.wakes)
            else:
                await hearing.silence()

    asyncio.run(check())


def test_a_flush_of_everything_wakes(netns: None) -> None:
    async def check() -> None:
        hearing = Hearing()
        await _run("nft", "add table ip mangle; add chain ip mangle c")
        async with running(NftablesEvents(hearing, OwnWriters()), hearing):
            await _run("nft", "flush", "ruleset")
            await hearing.until(lambda: hearing.wakes)

    asyncio.run(check())


def test_a_big_restore_is_one_wake(netns: None) -> None:
    async def check() -> None:
        hearing = Hearing()
        async with running(NftablesEvents(hearing, OwnWriters()), hearing):
            await _run("iptables-nft-restore", "--noflush", stdin=_rules(10_000))
            await hearing.until(lambda: hearing.wakes)
            (wake,) = hearing.wakes
            assert wake.actor is not None
            # The kernel keeps 15 letters; the rest is there if the program still is.
            assert wake.actor.name in {"iptables-nft-re", "iptables-nft-restore"}
            assert hearing.overruns == []

    asyncio.run(check())


def test_our_own_changes_do_not_wake(netns: None) -> None:
    async def check() -> None:
        hearing = Hearing()
        own = OwnWriters()
        async with running(NftablesEvents(hearing, own), hearing):
            process = await asyncio.create_subprocess_exec(
                "iptables-nft-restore", "--noflush", stdin=PIPE
            )
            own.add(process.pid)
            await process.communicate(_rules(1).encode())
            await hearing.silence()

    asyncio.run(check())


def test_what_could_not_be_taken_is_told_and_the_source_goes_on(netns: None) -> None:
    hearing = Hearing()

    async def check() -> None:
        async with running(NftablesEvents(hearing, OwnWriters()), hearing):
            for _ in range(4):  # the loop does not read meanwhile
                run("iptables-nft-restore", stdin=_rules(10_000))
            await hearing.until(lambda: hearing.overruns)
            assert hearing.wakes
            await hearing.calm()
            await _run("iptables-nft", "-t", "mangle", "-N", "AFTER")
            await hearing.until(lambda: hearing.wakes)
            assert hearing.downs == []

    asyncio.run(check())


def test_without_the_right_it_says_which_is_missing(netns: None) -> None:
    script = Path(__file__).with_name("unprivileged.py")
    said = subprocess.run(
        ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable, script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "CAP_NET_ADMIN" in said


def test_a_refusal_is_no_crash(netns: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without nfnetlink refuses the socket itself."""
    monkeypatch.setattr("lvsmarkd.watch.nftables.NETLINK_NETFILTER", 31)

    async def check() -> None:
        hearing = Hearing()
        with pytest.raises(SourceFailedError, match="from this kernel"):
            await NftablesEvents(hearing, OwnWriters()).run(hearing.wake)
        assert hearing.ups == []

    asyncio.run(check())
