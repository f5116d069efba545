"""Golden directories: keepalived.conf and lvsmarkd.toml in; rules and findings out, to the letter.

A newcomer's best page: each directory's first line says what it shows. Where a change of the code
is meant to change what comes out: ``python -m tests.golden``, and read the diff.
"""

from pathlib import Path

import pytest

from tests.golden.rendering import INPUTS, rendered

HERE = Path(__file__).parent
DIRECTORIES = sorted(path.parent for path in HERE.glob("*/keepalived.conf"))


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.name)
def test_what_comes_out_is_what_stands_there(directory: Path) -> None:
    there = {p.name: p.read_text() for p in directory.iterdir() if p.name not in INPUTS}
    assert there == rendered(directory), "if it is meant: python -m tests.golden; read the diff"


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.name)
def test_the_first_line_says_what_it_shows(directory: Path) -> None:
    first = (directory / "keepalived.conf").read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")


def test_there_is_enough_to_learn_from() -> None:
    assert len(DIRECTORIES) >= 12
