"""The table that people read."""

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
