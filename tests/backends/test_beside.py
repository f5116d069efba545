"""iptables beside what firewalld left, where nft does not tell what that is."""

import json
from pathlib import Path

import pytest

from lvsmarkd.backends.firewalld.beside import BesideFirewalld, EndedFirewalld
from lvsmarkd.backends.firewalld.names import OUR_CHAIN, TABLE, TABLE_KEY
from lvsmarkd.backends.migration import MigratingBackend
from lvsmarkd.model.notice import NoticeKind
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from tests.harness.paper import PaperFirewall

TABLES = f"table inet {TABLE}\n"
"""In nft's own language."""
EXPRESSION = [
    {
        "match": {
            "op": "==",
            "left": {"payload": {"protocol": "ip", "field": "daddr"}},
            "right": "192.0.2.10",
        }
    },
    {
        "match": {
            "op": "==",
            "left": {"payload": {"protocol": "tcp", "field": "dport"}},
            "right": 80,
        }
    },
    {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 80}},
]
RULE = {"table": TABLE, "chain": OUR_CHAIN, "handle": 7, "expr": EXPRESSION}
RULES = [{"rule": {"family": "inet", **RULE}}]


class Nft:
    """A program in nft's place: prints what it is told to, or fails."""

    def __init__(self, directory: Path) -> None:
        self.tables, self.table, self.program = (
            directory / "tables",
            directory / "table",
            directory / "nft",
        )
        self.program.write_text(
            f'#!/bin/sh\ncase "$*" in *tables) cat {self.tables};; *) cat {self.table};; esac\n'
        )
        self.program.chmod(0o755)
        self.says(TABLES, RULES)

    def says(self, tables: object, table: object) -> None:
        """What it prints from now on; None: it fails."""
        for file, text in ((self.tables, tables), (self.table, table)):
            file.unlink(missing_ok=True)
            if isinstance(text, str):
                file.write_text(text)
            elif text is not None:
                file.write_text(json.dumps({"nftables": text}))


@pytest.fixture
def nft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nft:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Nft(tmp_path)


@pytest.fixture
def backend() -> MigratingBackend:
    paper = PaperFirewall()
    return MigratingBackend(BesideFirewalld(paper, clears=True), lambda: EndedFirewalld(paper))


def left(seen: Snapshot) -> list[str]:
    chains = (chain for each in seen.previous for chain in each.chains.values())
    return [str(rule) for chain in chains for rule in chain.rules]


def kinds(seen: Snapshot) -> list[NoticeKind]:
    return [notice.kind for notice in seen.notices]


@pytest.mark.parametrize("answers", [(None, None), (TABLES, None), (TABLES, "nonsense\n")])
def test_what_was_seen_last_stands_while_nft_fails_and_that_is_said(
    nft: Nft, backend: MigratingBackend, answers: tuple[object, object]
) -> None:
    before = backend.read()
    assert len(left(before)) == 1
    assert kinds(before) == []
    nft.says(*answers)
    seen = backend.read()
    assert left(seen) == left(before)
    assert isinstance(seen.ruleset.tables[TABLE_KEY], Unknown)  # and what it marks, not known
    assert kinds(seen) == [NoticeKind.TABLE_UNREAD]
    nft.says(TABLES, [])
    assert left(backend.read()) == []
    assert kinds(backend.read()) == []


def test_a_table_that_is_not_there_is_not_there(nft: Nft, backend: MigratingBackend) -> None:
    nft.says("", None)
    assert left(backend.read()) == []
    assert kinds(backend.read()) == []
    assert backend.purge() == Plan()


def test_no_purge_says_that_all_is_gone_where_it_could_not_look(
    nft: Nft, backend: MigratingBackend
) -> None:
    nft.says(TABLES, None)
    with pytest.raises(FirewallError, match="could not be read") as failed:
        backend.purge()
    assert failed.value.trouble is Trouble.GONE
