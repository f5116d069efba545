"""The table that people read."""

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


def test_a_fight_says_who_undoes_what_and_that_it_is_put_back() -> None:
    fight = {"rule": "the jump", "repairs": 3, "actors": ["a (pid 1)", "b (pid 2)"]}
    assert fight_line(fight) == (
        "one of a (pid 1), b (pid 2) undoes “the jump” again and again (3 repairs): it is put back"
        " each time; make one of the two stop"
    )
