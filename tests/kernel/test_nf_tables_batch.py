"""A transaction as bytes, and what is made of the kernel's answers."""

import errno
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.kernel.netlink import NetlinkError, message, messages
from lvsmarkd.kernel.nf_tables_batch import (
    BatchRefusedError,
    LostRaceError,
    NftRefusal,
    NftRequest,
    UnansweredError,
    check_answers,
    packed_batch,
)

REQUESTS = (NftRequest(0, 1, b"\5\0\1\0a\0\0\0", 0x400), NftRequest(2, 1, b""))
FIRST = 7


def answer(at: int, code: int = 0, *, words: str = "", offset: int | None = None) -> bytes:
    """What the kernel says of message ``at`` of the transaction, which begins with 0."""
    said = b""
    if words:
        text = words.encode() + b"\0"
        said += struct.pack("=HH", 4 + len(text), 1) + text + bytes(-len(text) % 4)
    if offset is not None:
        said += struct.pack("=HHI", 8, 2, offset)
    about = struct.pack("=IHHII", 16, 0, 0, FIRST + at, 0)
    return message(2, 0x200 if said else 0, FIRST + at, struct.pack("=i", -code) + about + said)


def test_a_transaction_begins_and_ends_and_its_last_request_is_acknowledged() -> None:
    found = list(messages(packed_batch(REQUESTS, FIRST)))
    assert [(kind, flags, number) for kind, flags, number, _ in found] == [
        (0x10, 0x1, 7),
        (0xA00, 0x401, 8),
        (0xA02, 0x5, 9),
        (0x11, 0x1, 10),
    ]
    assert [body for *_, body in found] == [
        b"\0\0\0\x0a",
        b"\1\0\0\0\5\0\1\0a\0\0\0",
        b"\1\0\0\0",
        b"\0\0\0\x0a",
    ]


def test_it_names_the_generation_that_it_is_about() -> None:
    _, _, _, body = next(messages(packed_batch(REQUESTS, FIRST, 0x01020304)))
    assert body == b"\0\0\0\x0a" + struct.pack("=HH", 8, 1) + b"\1\2\3\4"


def test_it_is_done_where_the_last_is_acknowledged() -> None:
    check_answers([answer(2)], FIRST, 2)


def test_all_that_is_refused_is_told_at_once_with_its_place_and_words() -> None:
    datagrams = [
        answer(1, errno.ENOENT, offset=24) + answer(2, errno.EOPNOTSUPP, words="not so"),
        answer(2),
    ]
    with pytest.raises(BatchRefusedError) as caught:
        check_answers(datagrams, FIRST, 2)
    assert caught.value.refusals == (
        NftRefusal(0, errno.ENOENT, offset=4),
        NftRefusal(1, errno.EOPNOTSUPP, words="not so"),
    )
    assert str(caught.value) == f"{os.strerror(errno.ENOENT)}; not so"


def test_what_is_said_of_the_beginning_is_about_the_whole() -> None:
    with pytest.raises(BatchRefusedError) as caught:
        check_answers([answer(0, errno.EPERM)], FIRST, 2)
    assert caught.value.refusals == (NftRefusal(None, errno.EPERM),)


def test_somebody_who_was_faster_is_no_refusal() -> None:
    with pytest.raises(LostRaceError):
        check_answers([answer(0, errno.ERESTART)], FIRST, 2)


@pytest.mark.parametrize("datagrams", [[], [message(2, 0, FIRST - 1, bytes(20))]])
def test_without_an_answer_it_is_not_known_and_answers_to_others_are_none(
    datagrams: list[bytes],
) -> None:
    with pytest.raises(UnansweredError):
        check_answers(datagrams, FIRST, 2)


@given(st.binary(max_size=64))
def test_junk_is_no_answer(junk: bytes) -> None:
    with pytest.raises((NetlinkError, UnansweredError, BatchRefusedError)):
        check_answers([message(2, 0x200, FIRST, b"\xff" + junk)], FIRST, 2)
