"""The table that people read."""

import pytest

from lvsmarkd.cli.commands.status import fight_line
from lvsmarkd.cli.output import table


def test_numbers_stand_right_all_else_left_and_a_cell_may_have_lines() -> None:
    rows = [["80", "no", "192.0.2.1\n192.0.2.10", "a.conf:1"], ["1000", "unknown", "-", ""]]
    assert list(table(["mark", "covered", "flows", "where"], rows)) == [
        "mark  covered  flows       where",
        "  80  no       192.0.2.1   a.conf:1",
        "               192.0.2.10",
        "1000  unknown  -",
    ]


def test_colours_take_no_room() -> None:
    lines = list(table(["mark", "covered", "by"], [["80", "\x1b[31mNO\x1b[0m", "x"]]))
    assert lines[1] == "  80  \x1b[31mNO\x1b[0m       x"


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (None, "it is left alone until resume"),
        (1e9 + 60, "it is left alone until 2001-09-"),
        (1e9, "it is repaired when it is undone again"),
    ],
)
def test_a_fight_says_who_undoes_what_and_until_when_it_is_left_alone(
    until: float | None, said: str
) -> None:
    fight = {"rule": "the jump", "repairs": 3, "until": until, "actors": ["a (pid 1)", "b (pid 2)"]}
    line = fight_line(fight, 1e9)
    assert line.startswith(
        "one of a (pid 1), b (pid 2) undoes “the jump” again and again (3 repairs): " + said
    )
