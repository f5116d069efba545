"""Reading what the kernel sends, and who is behind it: bytes and /proc, no kernel needed."""

import asyncio
import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model.wake import Actor, Trigger, Wake
from lvsmarkd.watch.generations import (
    Concern,
    FirstMessage,
    Generation,
    NftablesMarshal,
    ReceiveError,
)
from lvsmarkd.watch.nftables import (
    Coalesced,
    firewalld_tables,
    iptables_tables,
    native_tables,
)
from lvsmarkd.watch.own_writers import FORGOTTEN_AFTER, KEPT, OwnWriters
from lvsmarkd.watch.process_info import printable, process_info

NEWRULE, NEWGEN = 10 << 8 | 6, 10 << 8 | 15


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 77) + body


def _rule(family: int, table: str) -> bytes:
    return _message(NEWRULE, bytes((family, 0, 0, 0)) + _attribute(1, table.encode() + b"\0"))


def _end(pid: int, name: str) -> bytes:
    attributes = _attribute(1, b"\0\0\0\7") + _attribute(2, pid.to_bytes(4, "big"))
    return _message(NEWGEN, bytes(4) + attributes + _attribute(3, name.encode() + b"\0"))


def _events(marshal: NftablesMarshal, *datagrams: bytes) -> list[Any]:
    return [message["event"] for datagram in datagrams for message in marshal.parse(datagram)]


def test_a_beginning_and_an_end_per_generation_over_datagrams() -> None:
    mine, other = _rule(2, "mangle"), _rule(2, "nat")
    assert _events(
        NftablesMarshal(iptables_tables),
        other + _end(1, "nft"),
        mine,
        mine + other + _end(2, "nft") + mine,
        _end(3, "iptables-nft"),
        _end(4, "nft"),
    ) == [
        FirstMessage(77),
        Generation(1, "nft", Concern.BESIDE),
        FirstMessage(77),
        Generation(2, "nft"),
        FirstMessage(77),
        Generation(3, "iptables-nft"),
    ]


def test_a_change_beside_is_told_as_such_unless_ours_are_in_the_same_transaction() -> None:
    wg, mine = _rule(1, "wg"), _rule(2, "mangle")
    bridge = _rule(7, "br")
    assert _events(NftablesMarshal(iptables_tables), bridge + _end(1, "nft")) == []
    assert _events(NftablesMarshal(iptables_tables), wg + mine + wg + _end(2, "nft")) == [
        FirstMessage(77),
        Generation(2, "nft", Concern.OWN),
    ]
    assert _events(NftablesMarshal(firewalld_tables), wg + _end(3, "nft"))[-1] == Generation(
        3, "nft", Concern.BESIDE
    )


def test_what_changes_beside_wakes_at_once_and_then_seldom() -> None:
    heard: list[Wake] = []

    async def storm() -> None:
        beside = Coalesced(heard.append, pause=0.2)
        for _ in range(5):
            beside.ask(Wake(Trigger.NETLINK))
        assert len(heard) == 1
        await asyncio.sleep(0.5)
        assert len(heard) == 2
        beside.ask(Wake(Trigger.NETLINK))
        beside.ask(Wake(Trigger.NETLINK))
        beside.cancel()
        await asyncio.sleep(0.5)

    asyncio.run(storm())
    assert len(heard) == 3


def test_an_error_of_the_socket_is_passed_on() -> None:
    # As pyroute2 packs it.
    error = struct.pack("IHHQIQQ", 28, 2, 0, 0, 105, 0, 0)
    assert _events(NftablesMarshal(iptables_tables), error) == [ReceiveError(105)]


@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 255))
def test_no_bytes_make_it_fail(noise: bytes, cut: int, flip: int) -> None:
    whole = bytearray(_rule(10, "filter") + _end(5, "x") + noise)
    whole[cut % len(whole)] = flip
    for event in _events(NftablesMarshal(iptables_tables), bytes(whole), bytes(whole[:cut])):
        assert isinstance(event, FirstMessage | Generation | ReceiveError)


def test_a_living_program_is_named_in_full() -> None:
    with subprocess.Popen(
        ["iptables-nft-restore", "-", "a\n\33b"],
        executable="/bin/cat",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        pid = process.pid
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()  # it is at work: the kernel has its name and arguments
        seen = process_info(pid)
        assert seen.actor("cat") == Actor(pid, "cat", "iptables-nft-restore - a??b")
        assert seen.actor("other") == Actor(pid, "other")
        process.kill()
    assert process_info(pid).actor("cat") == Actor(pid, "cat")


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("/usr/sbin/iptables-nft-restore", "iptables-nft-restore"),
        ("/usr/bin/python3", "iptables-nft-re"),
    ],
)
def test_a_name_that_the_kernel_cut_is_completed(tmp_path: Path, argument: str, name: str) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "comm").write_text("iptables-nft-re\n")
    (tmp_path / "7" / "cmdline").write_text(f"{argument}\0-w\0" + "5" * 300)
    actor = process_info(7, tmp_path).actor("iptables-nft-re")
    assert actor.name == name
    assert len(actor.command) == 200
    assert actor.command.startswith(f"{argument} -w 555")


def test_printable_keeps_a_line_a_line() -> None:
    assert printable("a\tb\u202ec\x00 d") == "a?b?c? d"
    assert printable("x" * 200) == "x" * 200
    assert printable("x" * 201) == "x" * 199 + "…"


def test_own_writers_are_few_and_forgotten() -> None:
    now = [0.0]
    own = OwnWriters(lambda: now[0])
    own.add(os.getpid())
    assert os.getpid() in own
    now[0] = FORGOTTEN_AFTER + 1
    assert os.getpid() not in own
    for pid in range(KEPT + 1):
        own.add(pid)
    assert 0 not in own
    assert KEPT in own


def test_with_a_table_of_our_own_every_other_one_is_beside() -> None:
    assert native_tables(NftFamily.INET, "lvsmarkd") is Concern.OWN
    for family, table in (
        (NftFamily.IP, "lvsmarkd"),
        (NftFamily.IP, "mangle"),
        (NftFamily.INET, "firewalld"),
    ):
        assert native_tables(family, table) is Concern.BESIDE
