"""Transactions with the real kernel: races, refusals, and what is read meanwhile."""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lvsmarkd.kernel.nf_tables_batch import LostRaceError
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.kernel.nf_tables_writer import NfTablesWriter
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.nftables import matches
from lvsmarkd.netfilter.nftables.changes import NftChange, add, delete
from lvsmarkd.netfilter.nftables.contents import look_up, read_contents
from lvsmarkd.netfilter.nftables.expressions import jump
from lvsmarkd.netfilter.nftables.objects import (
    Elements,
    NftElement,
    NftRule,
    NftSet,
    NftTable,
    TableContents,
)
from lvsmarkd.netfilter.nftables.transaction import (
    ContendedError,
    RefusedError,
    WhyRefused,
    rewrite,
    write,
)
from tests.harness.netns import run
from tests.harness.nft_tables import HOSTS, OURS, PRE, PREFIXES, RANGES, addr

pytestmark = pytest.mark.usefixtures("netns")


def host(number: int, data: int = 1) -> NftElement:
    return HOSTS.element(addr(f"10.0.{number >> 8}.{number & 255}"), 6, 80, data=data)


@contextmanager
def made(*sets: NftSet) -> Iterator[NfTablesSocket]:
    with NfTablesSocket() as kernel:
        write(kernel, add(NftTable(OURS), PRE, *sets))
        yield kernel


def refused(kernel: NfTablesSocket, *changes: NftChange) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        write(kernel, changes)
    return caught.value


def test_who_was_slower_reads_again_and_nothing_of_either_is_lost() -> None:
    with made(HOSTS) as kernel, NfTablesSocket() as reader:
        plans = []

        def plan(found: TableContents) -> tuple[NftChange, ...]:
            plans.append(len(found.elements["hosts"]))
            if len(plans) <= 3:
                element = f"10.9.9.{len(plans)} . tcp . 80 : 9"
                run("nft", f"add element inet ours hosts {{ {element} }}")
            if any(each.start == host(1).start for each in found.elements["hosts"]):
                return ()
            return add(Elements(HOSTS, (host(1),)))

        rewrite(reader, kernel, OURS, plan)
        assert plans == [0, 1, 2, 3]
        assert len(read_contents(reader, OURS).elements["hosts"]) == 4
        again = rewrite(reader, kernel, OURS, plan)
        assert len(again.elements["hosts"]) == 4


def test_two_who_count_up_in_one_element_lose_no_count() -> None:
    """Each reads a mark and writes the next: 50 times two are 100."""

    def count() -> None:
        with NfTablesSocket() as reader, NfTablesSocket() as writer:
            for _ in range(50):
                rewrite(reader, writer, OURS, _one_more, patience=30)

    with made(HOSTS) as kernel:
        write(kernel, add(Elements(HOSTS, (host(1, data=0),))))
        threads = [threading.Thread(target=count) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        (found,) = read_contents(kernel, OURS).elements["hosts"]
        assert found == host(1, data=100)


def _one_more(found: TableContents) -> tuple[NftChange, ...]:
    (old,) = found.elements["hosts"]
    assert isinstance(old.data, bytes)
    new = host(1, data=int.from_bytes(old.data, "little") + 1)
    return delete(Elements(HOSTS, (old,))) + add(Elements(HOSTS, (new,)))


def test_who_never_comes_to_his_turn_says_so() -> None:
    with made(HOSTS) as kernel, NfTablesSocket() as reader:

        def plan(_found: TableContents) -> tuple[NftChange, ...]:
            run("nft", "add table inet theirs")
            run("nft", "delete table inet theirs")
            return add(Elements(HOSTS, (host(1),)))

        with pytest.raises(ContendedError):
            rewrite(reader, kernel, OURS, plan, patience=0.2)
        assert look_up(reader, HOSTS, addr("10.0.0.1"), 6, 80) is None


def test_one_transaction_replaces_what_an_element_gives() -> None:
    with made(HOSTS) as kernel:
        write(kernel, add(Elements(HOSTS, (host(1), host(2)))))
        taken = refused(kernel, *add(Elements(HOSTS, (host(2), host(1, data=7)))))
        assert taken.refused[0].element == host(1, data=7)
        assert taken.refused[0].error == errno.EEXIST
        write(
            kernel, delete(Elements(HOSTS, (host(1),))) + add(Elements(HOSTS, (host(1, data=7),)))
        )
        assert look_up(kernel, HOSTS, addr("10.0.0.1"), 6, 80) == host(1, data=7)


def test_a_refusal_names_the_element_among_thousands() -> None:
    some = tuple(host(number) for number in range(3_000))
    with made(HOSTS) as kernel:
        write(kernel, add(Elements(HOSTS, (host(2_500, data=9),))))
        error = refused(kernel, *add(Elements(HOSTS, some)))
        (only,) = error.refused
        assert only.element == host(2_500)
        assert str(error) == "10.0.9.196 . 6 . 80 of map inet ours hosts: File exists"
        assert len(read_contents(kernel, OURS).elements["hosts"]) == 1, "nothing of it is done"
        gone = refused(kernel, *delete(Elements(HOSTS, (host(2_500), host(77)))))
        assert [each.element for each in gone.refused] == [host(77)]


@pytest.mark.parametrize("of", [RANGES, PREFIXES])
def test_a_range_that_overlaps_another_is_named(of: NftSet) -> None:
    rest = (6, 80) if of is RANGES else ()

    def range_of(first: int, last: int) -> NftElement:
        to = [addr(f"10.0.0.{last}"), *rest]
        return of.element(addr(f"10.0.0.{first}"), *rest, to=to, data=1)

    with made(of) as kernel:
        write(kernel, add(Elements(of, (range_of(10, 20), range_of(21, 22), range_of(250, 255)))))
        error = refused(kernel, *add(Elements(of, (range_of(30, 40), range_of(15, 25)))))
        assert error.refused[0].element == range_of(15, 25)
        assert "10.0.0.15-10.0.0.25" in str(error)
        write(kernel, delete(Elements(of, (range_of(21, 22),))))
        left = read_contents(kernel, OURS).elements[of.name]
        assert left == (range_of(10, 20), range_of(250, 255))


def test_a_refusal_names_the_change() -> None:
    away = (
        NftRule(OURS, "pre", jump("nowhere"), "") if False else NftRule(OURS, "pre", (jump("no"),))
    )
    absent = NftRule(OURS, "pre", (), handle=77)
    by_no_map = matches.set_mark_by(
        HOSTS, (matches.DADDR[Family.INET], matches.L4PROTO, matches.DPORT)
    )
    with made() as kernel:
        for changes, words in (
            (add(away), "add a rule of chain inet ours pre: No such file or directory"),
            (delete(absent), "delete rule 77 of chain inet ours pre: No such file or directory"),
            (add(NftRule(OURS, "pre", by_no_map)), "No such file or directory"),
            (delete(HOSTS), "delete map inet ours hosts: No such file or directory"),
            (add(NftTable(OURS)) + delete(PRE) * 2, "delete chain inet ours pre: No such file"),
        ):
            error = refused(kernel, *changes)
            assert words in str(error)
            assert (error.why, error.refused[0].element) == (WhyRefused.OTHER, None)


def test_a_set_that_is_full_says_so() -> None:
    small = NftSet(OURS, "small", HOSTS.key, HOSTS.data, size=2)
    with made(small) as kernel:
        elements = tuple(host(number) for number in range(5))
        error = refused(kernel, *add(Elements(small, elements)))
        assert error.refused[0].error == errno.ENFILE


def test_a_table_is_read_as_it_was_at_one_generation() -> None:
    """Somebody replaces all elements again and again: never some of these and some of those."""
    old, new = (tuple(host(number, data=mark) for number in range(300)) for mark in (1, 2))
    stop = threading.Event()

    def replace_again_and_again() -> None:
        with NfTablesSocket() as other:
            here, there = old, new
            while not stop.wait(0.01):
                write(other, delete(Elements(HOSTS, here)) + add(Elements(HOSTS, there)))
                here, there = there, here

    with made(HOSTS) as kernel:
        write(kernel, add(Elements(HOSTS, old)))
        other = threading.Thread(target=replace_again_and_again)
        other.start()
        try:
            seen = {read_contents(kernel, OURS, 20).elements["hosts"] for _ in range(20)}
        finally:
            stop.set()
            other.join()
        assert seen <= {old, new}


def test_a_table_that_comes_and_goes_is_there_or_not() -> None:
    stop = threading.Event()

    def come_and_go() -> None:
        with NfTablesSocket() as other:
            while not stop.wait(0.002):
                write(other, add(NftTable(OURS), PRE, HOSTS, Elements(HOSTS, (host(1),))))
                write(other, delete(OURS))

    with NfTablesSocket() as kernel:
        other = threading.Thread(target=come_and_go)
        other.start()
        try:
            for _ in range(50):
                found = read_contents(kernel, OURS, 20)
                whole = ((PRE,), (HOSTS,), {"hosts": (host(1),)})
                seen = (found.chains, found.sets, found.elements)
                assert seen == (whole if found.table else ((), (), {}))
        finally:
            stop.set()
            other.join()


def test_a_plan_that_a_writer_carries_out_is_guarded_all_the_same() -> None:
    with made(HOSTS) as kernel:
        writer = NfTablesWriter(NfTablesSocket())
        generation = kernel.generation()
        run("nft", "add table inet theirs")
        with pytest.raises(LostRaceError):
            write(writer, add(Elements(HOSTS, (host(1),))), generation)
        write(writer, add(Elements(HOSTS, (host(1),))), kernel.generation())
        assert look_up(kernel, HOSTS, addr("10.0.0.1"), 6, 80) == host(1)
        writer.close()
