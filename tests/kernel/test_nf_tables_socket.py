"""Sockets to the real nf_tables: generations, transactions, and who waits for whom."""

import array
import errno
import os
import socket
import threading
import time
from contextlib import suppress

import pytest

from lvsmarkd.kernel.nf_tables import NamedTables, named_tables
from lvsmarkd.kernel.nf_tables_batch import (
    BatchRefusedError,
    LostRaceError,
    NftRequest,
    UnansweredError,
)
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.kernel.nf_tables_writer import KernelHeldError, NfTablesWriter
from lvsmarkd.netfilter.nftables.changes import NftChange, add, delete, prepared
from lvsmarkd.netfilter.nftables.objects import Elements, NftTable, TableFlag
from tests.harness.netns import as_nobody, run
from tests.harness.nft_tables import HOSTS, OURS, RANGES, addr

pytestmark = pytest.mark.usefixtures("netns")


def requests(*changes: NftChange) -> list[NftRequest]:
    return [each.request for each in prepared(changes)]


TABLE = requests(*add(NftTable(OURS)))
GONE = requests(*delete(OURS))


def test_every_transaction_makes_a_generation() -> None:
    with NfTablesSocket() as kernel:
        before = kernel.generation()
        kernel.commit(TABLE)
        run("nft", "add", "chain", "inet", "ours", "theirs")
        assert kernel.generation() == before + 2
        kernel.commit([])
        assert kernel.generation() == before + 2


def test_a_transaction_of_an_older_generation_is_not_done() -> None:
    with NfTablesSocket() as kernel:
        generation = kernel.generation()
        run("nft", "add", "table", "inet", "theirs")
        with pytest.raises(LostRaceError):
            kernel.commit(TABLE, generation)
        assert run("nft", "list", "tables").split() == ["table", "inet", "theirs"]
        kernel.commit(TABLE, kernel.generation())
        assert "inet ours" in run("nft", "list", "tables")


def test_nothing_of_a_transaction_is_done_where_a_part_is_refused() -> None:
    with NfTablesSocket() as kernel:
        with pytest.raises(BatchRefusedError) as caught:
            kernel.commit(TABLE + requests(*add(HOSTS)) + GONE + GONE)
        assert [(each.request, each.error) for each in caught.value.refusals] == [(3, errno.ENOENT)]
        assert run("nft", "list", "tables") == ""
        kernel.commit(TABLE)


def test_more_refusals_than_there_is_room_for_are_a_refusal() -> None:
    with NfTablesSocket() as kernel:
        with pytest.raises(BatchRefusedError) as caught:
            kernel.commit(GONE * 20_000)
        assert len(caught.value.refusals) > 100
        kernel.commit(TABLE)
        assert kernel.generation()


def test_an_answer_without_room_is_not_taken_for_done() -> None:
    with NfTablesSocket() as kernel, socket.socket(fileno=os.dup(kernel.fileno())) as same:
        # A question whose answer nobody reads, again and again, until there is no room.
        question = b"\x14\0\0\0\x10\x0a\x05\0\0\0\0\0\0\0\0\0\0\0\0\0"
        same.setblocking(False)
        for _ in range(5_000):
            with suppress(OSError):
                same.sendto(question, (0, 0))
        with pytest.raises(UnansweredError):
            kernel.commit(TABLE)
        kernel.commit(GONE)


def test_a_transaction_is_as_large_as_it_has_to_be() -> None:
    some = tuple(
        HOSTS.element(addr(f"10.0.{high}.{low}"), 6, 80, data=low)
        for high in range(100)
        for low in range(200)
    )
    with NfTablesSocket() as kernel:
        kernel.commit(TABLE + requests(*add(HOSTS, Elements(HOSTS, some))))
        assert run("nft", "list", "map", "inet", "ours", "hosts").count(" : 0x") == len(some)


def test_what_changes_while_it_is_read_is_read_again() -> None:
    with NfTablesSocket() as kernel:
        seen = []

        def read(generation: int) -> int:
            seen.append(generation)
            if len(seen) < 3:
                run("nft", "add", "table", "inet", f"t{len(seen)}")
            if len(seen) == 2:
                raise OSError(errno.ENOENT, "gone meanwhile")
            return generation

        assert kernel.steadily(read) == kernel.generation()
        assert len(seen) == 3


def test_what_is_not_there_though_nothing_changed_is_told() -> None:
    def read(_generation: int) -> None:
        raise FileNotFoundError(errno.ENOENT, "not there")

    with NfTablesSocket() as kernel, pytest.raises(FileNotFoundError):
        kernel.steadily(read)


def test_a_socket_that_somebody_kept_is_the_one_that_it_was() -> None:
    """As systemd keeps it: the descriptor is passed on, and who made it is gone."""
    ours, theirs = socket.socketpair()
    first = NfTablesSocket()
    port = first.port
    first.commit(requests(*add(NftTable(OURS, TableFlag.OWNER))))
    socket.send_fds(ours, [b"nft"], [first.fileno()])
    first.close()
    assert "inet ours" in run("nft", "list", "tables")
    _, ancillary, _, _ = theirs.recvmsg(16, socket.CMSG_LEN(4))
    (descriptor,) = array.array("i", ancillary[0][2])
    with NfTablesSocket(taken=descriptor) as again:
        assert again.port == port
        again.commit(requests(*add(HOSTS)))
        run("nft", "flush", "ruleset")
        assert "inet ours" in run("nft", "list", "tables")
    assert run("nft", "list", "tables") == ""
    ours.close()
    theirs.close()


def test_another_descriptor_is_not_taken_for_one() -> None:
    other = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    with pytest.raises(OSError, match="no such netlink socket"):
        NfTablesSocket(taken=other.fileno())
    other.close()


def test_nobody_may_and_that_is_told_of_the_whole() -> None:
    code = (
        "from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket\n"
        "from lvsmarkd.kernel.nf_tables_batch import NftRequest\n"
        "try: NfTablesSocket().commit([NftRequest(0, 1, b'')])\n"
        "except Exception as error: print(error.refusals)\n"
    )
    done = as_nobody(code)
    assert "NftRefusal(request=None, error=1" in done.stdout, done.stderr


def _hold(seconds: float) -> threading.Thread:
    """Have somebody else's transaction hold nf_tables for about so long, or longer."""
    with NfTablesSocket() as kernel:
        kernel.commit(TABLE + requests(*add(RANGES)))
        some = [
            RANGES.element(
                addr(f"10.{at >> 8}.{at & 255}.0"),
                6,
                1,
                to=(addr(f"10.{at >> 8}.{at & 255}.9"), 6, 9),
                data=1,
            )
            for at in range(int(4_000 * seconds))
        ]
        kernel.commit(requests(*add(Elements(RANGES, tuple(some)))))
        each = [request for one in some for request in requests(*delete(Elements(RANGES, (one,))))]
    other = NfTablesSocket()

    def delete_one_by_one() -> None:
        with other:
            other.commit(each)

    holder = threading.Thread(target=delete_one_by_one)
    holder.start()
    return holder


def test_nobody_waits_for_somebody_elses_transaction_longer_than_he_says() -> None:
    writer = NfTablesWriter(NfTablesSocket())
    reader = NfTablesSocket()
    holder = _hold(2)
    time.sleep(0.2)
    began = time.monotonic()
    with pytest.raises(KernelHeldError):
        writer.commit(requests(*add(NftTable(OURS))), patience=0.1)
    reader.generation()
    assert isinstance(named_tables(), NamedTables)
    assert time.monotonic() - began < 1, "nor does who reads"
    assert holder.is_alive()
    late = writer.submit(requests(*add(HOSTS)))
    holder.join()
    assert late.result(10) is None
    assert "hosts" in run("nft", "list", "ruleset")
    writer.close()
    reader.close()
