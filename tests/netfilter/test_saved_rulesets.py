"""Files that nft loads and that hold the guard's table."""

import os
from pathlib import Path

import pytest

from lvsmarkd.netfilter.saved_rulesets import SavedRulesets

OTHERS = "flush ruleset\ntable inet filter {\n\tchain input { }\n}\n"
GUARD = "table inet lvsmarkd_guard { # progname lvsmarkd\n\tflags owner,persist\n}\n"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "nftables.conf"


def found(conf: Path, looked: SavedRulesets | None = None) -> list[str]:
    looked = looked or SavedRulesets((conf,))
    return [str(origin).removeprefix(f"{conf.parent}/") for origin in looked.with_guard()]


@pytest.mark.parametrize("text", ["", OTHERS, "# table inet lvsmarkd_guard\n", "table ip x { }\n"])
def test_others_tables_are_nothing(conf: Path, text: str) -> None:
    assert found(conf) == []
    conf.write_text(text)
    assert found(conf) == []


@pytest.mark.parametrize("head", ["", "add ", "  create "])
def test_the_table_is_found_where_it_begins(conf: Path, head: str) -> None:
    conf.write_text(OTHERS + head + GUARD)
    assert found(conf) == ["nftables.conf:5"]


def test_it_is_found_in_what_is_included(conf: Path) -> None:
    (conf.parent / "d").mkdir()
    conf.write_text('include "d/*.nft"\ninclude "nftables.conf"\ninclude "/nowhere/*"\n')
    (conf.parent / "d" / "a.nft").write_text(OTHERS)
    (conf.parent / "d" / "b.nft").write_text(GUARD)
    assert found(conf) == ["d/b.nft:1"]


def test_a_file_that_changes_is_looked_at_again(conf: Path) -> None:
    looked = SavedRulesets((conf,))
    assert found(conf, looked) == []
    conf.write_text(GUARD)
    assert found(conf, looked) == ["nftables.conf:1"]
    conf.write_text(OTHERS)
    os.utime(conf, ns=(1, 1))
    assert found(conf, looked) == []


def test_bytes_of_all_kinds_are_no_trouble(conf: Path) -> None:
    conf.write_bytes(b"\xff\xfe\0" + GUARD.encode() + b'include "\xff[["\n')
    assert found(conf) in ([], ["nftables.conf:1"])
