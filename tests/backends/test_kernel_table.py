"""Our table in the kernel, where the kernel or others do not do as they should."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.nftables import kernel_table
from lvsmarkd.backends.nftables.backend import NftablesBackend
from lvsmarkd.backends.nftables.kernel_table import TABLE, KernelTable, is_there
from lvsmarkd.backends.nftables.own_rules import table_limits
from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.judgement import judge
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.model.finding import Kind
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.nftables import transaction
from lvsmarkd.netfilter.nftables.changes import NftChange, add, delete
from lvsmarkd.netfilter.nftables.objects import NftTable, TableContents, TableFlag
from lvsmarkd.netfilter.nftables.transaction import write
from tests.harness.netns import run
from tests.harness.values import declare, flow, want

pytestmark = pytest.mark.netns
WEB = want(declare(80, flow("192.0.2.10", 80)), policy=Options(limits=table_limits()))


@pytest.fixture
def table(netns: None) -> Iterator[KernelTable]:
    del netns
    writers: list[int] = []
    made = KernelTable(writers.append)
    yield made
    made.close()


@pytest.fixture
def backend(table: KernelTable, tmp_path: Path) -> NftablesBackend:
    return NftablesBackend(table, Backup(tmp_path))


def converged(backend: NftablesBackend, wish: Desired) -> bool:
    assert backend.apply(judge(wish, backend.read())).error is None
    return judge(wish, backend.read()).steps == ()


def test_who_was_faster_loses_nothing_by_it(table: KernelTable) -> None:
    others = iter(range(3))

    def plan(found: TableContents) -> tuple[NftChange, ...]:
        if next(others, None) is not None:
            run("nft", "add table inet site")  # a generation of somebody else's
            run("nft", "delete table inet site")
        return () if found.table else add(NftTable(TABLE))

    table.change(plan)
    assert table.read().table is not None
    assert next(others, None) is None


def test_each_thread_that_writes_is_told_before(netns: None) -> None:
    del netns
    seen: list[bool] = []
    table = KernelTable(lambda _thread: seen.append(is_there()))
    table.change(lambda _found: add(NftTable(TABLE)))
    assert (seen, is_there()) == ([False], True)
    table.close()


def test_a_table_that_another_socket_owns_is_left_and_told(backend: NftablesBackend) -> None:
    other = NfTablesSocket()
    write(other, add(NftTable(TABLE, TableFlag.OWNER)))
    error = backend.apply(judge(WEB, backend.read())).error
    assert error is not None
    assert (error.trouble, "another program's socket" in str(error)) == (Trouble.GONE, True)
    other.close()
    assert converged(backend, WEB)


def test_a_table_of_somebody_elses_by_our_name_is_left_and_told(backend: NftablesBackend) -> None:
    run("nft", "add table inet lvsmarkd { chain mine { counter; }; }")
    before = run("nft", "list", "ruleset")
    plan = judge(WEB, backend.read())
    assert plan.steps == ()
    assert Kind.CONFLICT in {finding.kind for finding in plan.findings}
    assert run("nft", "list", "ruleset") == before
    assert converged(backend, want(policy=WEB.policy))
    assert run("nft", "list", "ruleset") == before


def test_what_cannot_be_read_is_unknown_and_what_cannot_be_written_is_told(
    backend: NftablesBackend, table: KernelTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = judge(WEB, backend.read())

    def fails(*_arguments: object) -> object:
        raise PermissionError(1, "Operation not permitted")

    for module in (kernel_table, transaction):
        monkeypatch.setattr(module, "read_contents", fails)
    assert not backend.read().whole
    assert judge(WEB, backend.read()).steps == ()
    error = backend.apply(plan).error
    assert error is not None
    assert error.trouble is Trouble.GONE
    with pytest.raises(FirewallError, match="Operation not permitted"):
        table.change(lambda _found: delete(TABLE))
