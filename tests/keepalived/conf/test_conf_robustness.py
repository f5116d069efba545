"""Whatever the bytes, a reading comes back, soon, and the right lines still count."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.keepalived import is_current, read
from lvsmarkd.model.keepalived import Completeness, Reading
from lvsmarkd.model.service import MAX_MARK
from tests.keepalived.cases import CASES, MAIN, Case, server


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("robustness") / MAIN


def reading_of(content: bytes, main: Path) -> Reading:
    main.write_bytes(content)
    reading = read(main)
    assert is_current(reading)
    assert all(0 < service.key.mark <= MAX_MARK for service in reading.services)
    for problem in reading.problems:
        str(problem).encode()
    return reading


@given(content=st.binary(max_size=4000))
def test_any_bytes_give_a_reading(content: bytes, main: Path) -> None:
    assert reading_of(content, main).completeness is not Completeness.UNREADABLE


WORDS = st.sampled_from(
    [
        *'{}"\\#!@$~\n\0\t\r-é',
        *("virtual_server ", "virtual_server_group ", "group ", "fwmark ", "5", "9" * 600),
        *("real_server 192.0.2.1 80", "vrrp_instance V ", "virtual_ipaddress ", "inet6"),
        *("include *", "@^x ", "$A=", "${A}", "$A ", "~SEQ", "~LST(", "lvsmarkd:"),
    ]
)


@given(pieces=st.lists(WORDS, max_size=80))
def test_any_words_give_a_reading(pieces: list[str], main: Path) -> None:
    reading_of("".join(pieces).encode(), main)


@given(case=st.sampled_from(CASES), end=st.integers(min_value=0, max_value=400))
def test_any_file_cut_off_gives_a_reading(case: Case, end: int, main: Path) -> None:
    reading_of(case.text.encode()[:end], main)


@given(text=st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])))
def test_a_comment_changes_nothing(text: str, main: Path) -> None:
    # Short of the length at which keepalived breaks lines.
    comment = "# x" + text.replace("\0", "")[:200] + "\n"
    reading = reading_of(comment.encode() + server(21).encode(), main)

    assert [service.key.mark for service in reading.services] == [21]


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "virtual_server fwmark 5 { real_server 192.0.2.1 80 { } }\n",
        "{\n",
        "}\n",
        '"\n',
        "$A=1 $A\n",
        "$A ${A} ${B} $\n",
        "@a @b @c\n",
        "include none\n",
        "virtual_server_group G { fwmark 7 }\n",
        "# lvsmarkd: a\n",
        "a{b}" * 250 + "\n",
    ],
)
def test_time_grows_with_the_size_only(line: str, main: Path) -> None:
    began = time.perf_counter()
    reading_of((line * (200_000 // len(line))).encode(), main)

    # Far above what it takes, and far below what a square of it would.
    assert time.perf_counter() - began < 10
