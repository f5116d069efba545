"""Tables that nobody else changes, by the real kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.kernel.nf_tables_writer import NfTablesWriter
from lvsmarkd.netfilter.nftables.changes import NftChange, add, delete, flush
from lvsmarkd.netfilter.nftables.contents import read_contents
from lvsmarkd.netfilter.nftables.objects import Elements, NftTable, TableFlag
from lvsmarkd.netfilter.nftables.ownership import Ownership, ownership, supported_flags
from lvsmarkd.netfilter.nftables.transaction import RefusedError, WhyRefused, write
from tests.harness.daemon import until
from tests.harness.netns import as_nobody, run
from tests.harness.nft import EDITIONS, Nft
from tests.harness.nft_tables import HOSTS, OURS, PRE, addr, needs

pytestmark = pytest.mark.usefixtures("netns")

BOTH = TableFlag.OWNER | TableFlag.PERSIST
ONE = Elements(HOSTS, (HOSTS.element(addr("10.0.0.1"), 6, 80, data=5),))
ALL = (PRE, HOSTS, ONE)


def whose(kernel: NfTablesSocket, port: int) -> Ownership:
    return ownership(read_contents(kernel, OURS).table, port)


def test_the_kernel_says_what_it_has_and_nothing_stays_of_the_question() -> None:
    with NfTablesSocket() as kernel:
        found = supported_flags(kernel)
        assert found in {BOTH, TableFlag.OWNER, TableFlag(0)}
        assert run("nft", "list", "tables") == ""
        for flags in (TableFlag.OWNER, BOTH):
            if flags & found == flags:
                write(kernel, add(NftTable(OURS, flags)))
                assert read_contents(kernel, OURS).table == NftTable(OURS, flags, owner=kernel.port)
                write(kernel, delete(OURS))
            else:
                with pytest.raises(RefusedError) as caught:
                    write(kernel, add(NftTable(OURS, flags)))
                assert caught.value.why is WhyRefused.NOT_SUPPORTED


def test_nobody_may_ask_and_that_is_not_the_answer() -> None:
    code = (
        "from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket\n"
        "from lvsmarkd.netfilter.nftables.ownership import supported_flags\n"
        "try: print(supported_flags(NfTablesSocket()))\n"
        "except Exception as error: print(error.why, error)\n"
    )
    assert "FORBIDDEN Operation not permitted" in as_nobody(code).stdout


@pytest.mark.parametrize(
    "changes",
    [
        delete(OURS),
        flush(HOSTS),
        delete(ONE),
        add(Elements(HOSTS, (HOSTS.element(addr("10.0.0.2"), 6, 80, data=5),))),
        add(NftTable(OURS, TableFlag.DORMANT)),
        add(NftTable(OURS, TableFlag.OWNER)),
    ],
    ids=["deleted", "flushed", "element deleted", "element added", "dormant", "claimed"],
)
def test_another_socket_does_nothing_to_it_and_is_told_whose_it_is(
    changes: tuple[NftChange, ...],
) -> None:
    needs(TableFlag.OWNER)
    with NfTablesSocket() as owner, NfTablesSocket() as other:
        write(owner, add(NftTable(OURS, TableFlag.OWNER), *ALL))
        before = read_contents(owner, OURS)
        with pytest.raises(RefusedError) as caught:
            write(other, changes)
        assert caught.value.why is WhyRefused.OWNED
        assert "the table belongs to another program's socket" in str(caught.value)
        assert read_contents(other, OURS) == before
        assert whose(other, owner.port) is Ownership.OURS
        assert whose(other, other.port) is Ownership.OTHERS


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_flush_of_all_goes_by_it(edition: str) -> None:
    needs(TableFlag.OWNER)
    nft = Nft.of(edition)
    with NfTablesSocket() as owner:
        write(owner, add(NftTable(OURS, TableFlag.OWNER), *ALL))
        nft.load("table inet theirs { chain c { }; }")
        nft.run("flush", "ruleset")
        assert run("nft", "list", "tables").split() == ["table", "inet", "ours"]
        assert read_contents(owner, OURS).elements == {"hosts": ONE.elements}


def test_it_ends_with_its_socket() -> None:
    needs(TableFlag.OWNER)
    with NfTablesSocket() as owner:
        write(owner, add(NftTable(OURS, TableFlag.OWNER), *ALL))
    with NfTablesSocket() as other:
        assert whose(other, other.port) is Ownership.ABSENT


def test_a_writer_keeps_it_until_it_is_closed() -> None:
    needs(TableFlag.OWNER)
    writer = NfTablesWriter(NfTablesSocket())
    write(writer, add(NftTable(OURS, TableFlag.OWNER), *ALL))
    with NfTablesSocket() as other:
        assert whose(other, writer.port) is Ownership.OURS
        with pytest.raises(RefusedError):
            write(other, delete(OURS))
        write(writer, delete(ONE))
        writer.close()
        assert whose(other, 1) is Ownership.ABSENT


def test_one_that_persists_stays_as_it_is_and_the_next_takes_it_over() -> None:
    needs(BOTH)
    with NfTablesSocket() as first:
        write(first, add(NftTable(OURS, BOTH), *ALL))
        before = read_contents(first, OURS)
    with NfTablesSocket() as second, NfTablesSocket() as third:
        assert whose(second, second.port) is Ownership.ORPHAN
        write(second, add(NftTable(OURS, BOTH)))
        found = read_contents(third, OURS)
        assert (found.chains, found.sets, found.elements) == (
            before.chains,
            before.sets,
            before.elements,
        )
        assert ownership(found.table, second.port) is Ownership.OURS
        with pytest.raises(RefusedError) as caught:
            write(third, add(NftTable(OURS, BOTH)))
        assert caught.value.why is WhyRefused.OWNED


def test_a_take_over_that_fails_is_none() -> None:
    needs(BOTH)
    with NfTablesSocket() as first:
        write(first, add(NftTable(OURS, BOTH), *ALL))
    with NfTablesSocket() as second:
        other = HOSTS.element(addr("10.0.0.1"), 6, 80, data=6)
        with pytest.raises(RefusedError):
            write(second, add(NftTable(OURS, BOTH), Elements(HOSTS, (other,))))
        assert whose(second, second.port) is Ownership.ORPHAN
        write(second, add(NftTable(OURS, BOTH)) + delete(ONE) + add(Elements(HOSTS, (other,))))
        assert whose(second, second.port) is Ownership.OURS
        assert read_contents(second, OURS).elements == {"hosts": (other,)}


def test_a_plain_table_becomes_owned_by_one_transaction_that_makes_it_anew() -> None:
    needs(TableFlag.OWNER)
    with NfTablesSocket() as kernel:
        write(kernel, add(NftTable(OURS), *ALL))
        assert whose(kernel, kernel.port) is Ownership.PLAIN
        with pytest.raises(RefusedError) as caught:
            write(kernel, add(NftTable(OURS, TableFlag.OWNER)))
        assert caught.value.why is WhyRefused.NOT_SUPPORTED
        write(kernel, delete(OURS) + add(NftTable(OURS, TableFlag.OWNER), *ALL))
        assert whose(kernel, kernel.port) is Ownership.OURS


def test_a_daemon_that_is_killed_leaves_what_persists_and_takes_the_rest_along(
    tmp_path: Path,
) -> None:
    needs(TableFlag.OWNER)
    with NfTablesSocket() as kernel:
        persists = supported_flags(kernel) == BOTH
    code = (
        "import sys, time\n"
        "from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket\n"
        "from lvsmarkd.netfilter.nftables.changes import add\n"
        "from lvsmarkd.netfilter.nftables.objects import NftTable\n"
        "from lvsmarkd.netfilter.nftables.transaction import write\n"
        "from tests.netfilter.nftables.test_nft_ownership import ALL, BOTH, OURS, TableFlag\n"
        "kernel = NfTablesSocket()\n"
        f"write(kernel, add(NftTable(OURS, {'BOTH' if persists else 'TableFlag.OWNER'}), *ALL))\n"
        "print('made', flush=True)\n"
        "time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    with child, NfTablesSocket() as kernel:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "made\n"
            assert whose(kernel, kernel.port) is Ownership.OTHERS
        finally:
            child.kill()
        child.wait()
        expected = Ownership.ORPHAN if persists else Ownership.ABSENT
        until(lambda: whose(kernel, kernel.port) is expected, f"it to be {expected}")
