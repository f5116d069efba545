"""A question about packets, as an operator types it."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.declarations.question import parse_question
from lvsmarkd.model.explanation import PacketQuestion
from lvsmarkd.model.refusal import RefusalError
from lvsmarkd.model.service import Family


def asked(text: str) -> PacketQuestion:
    question = parse_question(text.split())
    assert isinstance(question, PacketQuestion)
    return question


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("80", 80),
        ("fwmark 80", 80),
        ("0x50", 80),
        ("0X50", 80),
        ("4294967295", 0xFFFFFFFF),
        ("007", 7),
    ],
)
def test_a_number_is_a_mark_as_people_and_listings_write_it(text: str, mark: int) -> None:
    assert parse_question(text.split()) == mark


@pytest.mark.parametrize(
    ("text", "packets"),
    [
        ("192.0.2.10", "192.0.2.10"),
        ("192.0.2.10 tcp", "192.0.2.10 tcp"),
        ("192.0.2.10 tcp 443", "192.0.2.10 tcp 443"),
        ("192.0.2.10 udp 5000-5010,53", "192.0.2.10 udp 53,5000-5010"),
        ("192.0.2.0/24 sctp 9", "192.0.2.0/24 sctp 9"),
        ("2001:db8::10 tcp 80", "2001:db8::10 tcp 80"),
        ("192.0.2.10 tcp from 203.0.113.5", "192.0.2.10 tcp"),
        ("192.0.2.10 tcp in eth0", "192.0.2.10 tcp"),
    ],
)
def test_what_packets_are_like(text: str, packets: str) -> None:
    assert str(asked(text).packets) == packets


def test_the_sender_and_the_interface_are_named_in_any_order() -> None:
    question = asked("192.0.2.10 tcp 443 from 203.0.113.5 in eth0")
    assert question == asked("192.0.2.10 in eth0 from 203.0.113.5 tcp 443")
    assert question.source == ip_address("203.0.113.5")
    assert question.interface == "eth0"
    assert question.family is Family.INET


def test_what_is_not_named_is_left_open() -> None:
    question = asked("2001:db8::10")
    assert (question.source, question.interface) == (None, None)
    assert question.family is Family.INET6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a mark, or an address"),
        ("0", "a mark from 1 to 4294967295"),
        ("4294967296", "a mark from 1 to 4294967295"),
        ("99999999999999999999999", "a mark, or an address"),
        ("80 tcp", "nothing after a mark"),
        ("fwmark", "a mark, or an address"),
        ("fwmark web", "a mark, or an address"),
        ("VI_1", "a mark, or an address"),
        ("192.0.2.300", "address"),
        ("192.0.2.10 icmp", '"tcp"'),
        ("192.0.2.10 frm 192.0.2.1", '"from"'),
        ("192.0.2.10 tcp http", "a port from 1 to 65535"),
        ("192.0.2.10 tcp 0", "a port from 1 to 65535"),
        ("192.0.2.10 443", '"tcp"'),
        ("192.0.2.10 from", 'an address after "from"'),
        ("192.0.2.10 from eth0", 'an address after "from"'),
        ("192.0.2.10 from 2001:db8::1", "an address of inet"),
        ("192.0.2.10 in", "the name of an interface"),
        ("192.0.2.10 in eth+", "wildcards are not known"),
        ("192.0.2.10 tcp 80 udp 53", "one transport at most"),
        ("192.0.2.10 from 192.0.2.1 from 192.0.2.2", "one sender at most"),
        ("192.0.2.10 in eth0 in eth1", "one interface at most"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_was_expected(text: str, words: str) -> None:
    with pytest.raises(RefusalError, match=words):
        parse_question(text.split())


@given(st.lists(st.text(max_size=8), max_size=6))
def test_whatever_is_typed_is_understood_or_refused(words: list[str]) -> None:
    try:
        question = parse_question(words)
    except RefusalError:
        return
    assert isinstance(question, int | PacketQuestion)
