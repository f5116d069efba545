"""Annotations in keepalived.conf."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.declarations import port_ranges
from lvsmarkd.declarations.annotation import parse
from lvsmarkd.model.declaration import Declaration
from lvsmarkd.model.keepalived import Annotation
from lvsmarkd.model.origin import Problem
from tests.declarations.strategies import ORIGIN, declarations
from tests.harness.values import qualified


def _parsed(text: str, *marks: int) -> Declaration:
    result = parse(Annotation(text, ORIGIN, marks))
    assert not isinstance(result, Problem), result
    (declaration,) = result
    return declaration


def _problem(text: str, *marks: int) -> Problem:
    result = parse(Annotation(text, ORIGIN, marks))
    assert isinstance(result, Problem), result
    return result


def test_the_block_says_the_mark() -> None:
    assert _parsed("to 192.0.2.10 tcp 80,443", 80) == Declaration(
        80, (ip_network("192.0.2.10"),), port_ranges.entry("tcp/80,443"), ORIGIN
    )


def test_fwmark_says_the_mark_wherever_it_stands() -> None:
    text = "fwmark 21 to 192.0.2.10 tcp 21,10000-20000"
    assert _parsed(text) == _parsed(text, 80) == _parsed(text, 1, 2)
    assert _parsed(text).mark == 21


def test_both_families_several_transports_and_every_option() -> None:
    assert _parsed(
        "to 192.0.2.10,2001:db8::10 tcp 80,443 udp 443 sctp accept"
        " not-from-mac 52-54-00-12-34-57,52:54:00:12:34:56 in-interface eth0",
        80,
    ) == Declaration(
        80,
        (ip_network("192.0.2.10"), ip_network("2001:db8::10")),
        (
            *port_ranges.entry("tcp/80,443"),
            *port_ranges.entry("udp/443"),
            *port_ranges.entry("sctp"),
        ),
        ORIGIN,
        accept=True,
        qualifiers=qualified("eth0", ("52:54:00:12:34:56", "52:54:00:12:34:57")),
    )


def test_without_a_transport_every_protocol_is_meant() -> None:
    assert _parsed("to VI_1", 80) == Declaration(80, ("VI_1",), (), ORIGIN)


def test_options_come_in_any_order_before_or_after_transports() -> None:
    assert _parsed("to VI_1 accept tcp 80 in-interface eth0", 80) == _parsed(
        "to VI_1 in-interface eth0 tcp 80 accept", 80
    )


@pytest.mark.parametrize(
    "text",
    [
        "to VI_1,VI_2 tcp 80,443",
        "to VI_1, VI_2 tcp 80, 443",
        "to VI_1 , VI_2   tcp 80 ,443",
        "to\tVI_1 ,VI_2 tcp 80 tcp 443",
        "to VI_1,VI_2,VI_1 tcp 443,80,80",
    ],
)
def test_blanks_repetition_and_order_of_ports_make_no_difference(text: str) -> None:
    assert _parsed(text, 80) == _parsed("to VI_1,VI_2 tcp 80,443", 80)


def test_underscores_are_as_good_as_dashes() -> None:
    assert _parsed("to VI_1 tcp not_from_mac 52:54:00:12:34:56 in_interface eth0", 80) == _parsed(
        "to VI_1 tcp not-from-mac 52:54:00:12:34:56 in-interface eth0", 80
    )


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("", ['found ""', '"to 192.0.2.10 tcp 80,443"']),
        ("   ", ['found ""']),
        ("hello", ['found "hello"', 'expected "to"', '"to 192.0.2.10 tcp 80,443"']),
        ("a note to myself", ['found "a"']),
        ("to", ["found nothing, expected an IPv4 or IPv6 address", 'after "to"']),
        ("to tcp 80", ['found "tcp"']),
        ("to 192.0.2.10, tcp 80", ['found "tcp"']),
        ("to 192.0.2.10,,VI_1", ['found ""']),
        ("to 192.0.2.300 tcp 80", ["0 to 255"]),
        ("to 192.0.2.10/24 tcp 80", ["write 192.0.2.0/24"]),
        ("to VI_1 tcp http", ['found "http"', "write 80"]),
        ("to VI_1 tcp 80-", ['found "80-"']),
        ("to VI_1 tcp 10000:20000", ["write 10000-20000"]),
        ("to VI_1 tcp 80,", ['found ""']),
        ("to VI_1 tcp 80 443", ["one list with commas, as tcp 80,443"]),
        ("to VI_1 tcp/80", ['found "tcp/80"', "`# lvsmarkd: to VI_1 tcp 80` is meant"]),
        ("to VI_1 tcp:80", ["`# lvsmarkd: to VI_1 tcp 80` is meant"]),
        ("to VI_1 80/tcp", ["`# lvsmarkd: to VI_1 tcp 80` is meant"]),
        ("to VI_1 80,443", ["`# lvsmarkd: to VI_1 tcp 80,443` is meant"]),
        ("fwmark 7 to VI_1 80", ["`# lvsmarkd: fwmark 7 to VI_1 tcp 80` is meant"]),
        ("TO VI_1 TCP 80", ["`# lvsmarkd: to VI_1 tcp 80` is meant"]),
        ("192.0.2.10 tcp 80", ["`# lvsmarkd: to 192.0.2.10 tcp 80` is meant"]),
        ("80 to VI_1 tcp 80", ["`# lvsmarkd: fwmark 80 to VI_1 tcp 80` is meant"]),
        ("fwmark=80 to VI_1", ["`# lvsmarkd: fwmark 80 to VI_1` is meant"]),
        ("mark 80 to VI_1", ["`# lvsmarkd: fwmark 80 to VI_1` is meant"]),
        ("fwmark: 80 to VI_1", ["`# lvsmarkd: fwmark 80 to VI_1` is meant"]),
        ("fwmark", ["found nothing", 'after "fwmark"']),
        ("fwmark 0x50 to VI_1", ["write 80"]),
        ("fwmark 0 to VI_1", ["found 0", "packet without a mark"]),
        ("fwmark 4294967296 to VI_1", ["found 4294967296"]),
        ("fwmark " + "9" * 5000 + " to VI_1", ["1 to 4294967295"]),
        ("fwmark 80 VI_1", ['found "VI_1"', 'expected "to"']),
        ("to VI_1 icmp", ['found "icmp"', '"tcp", "udp", "dccp", "sctp", "accept"']),
        ("to VI_1 acept", ["did you mean accept?"]),
        ("to VI_1 accept accept", ['"accept" stands there twice']),
        ("to VI_1 not-from-mac", ["expected a MAC address", 'after "not-from-mac"']),
        ("to VI_1 not-from-mac 525400123456", ["write 52:54:00:12:34:56"]),
        ("to VI_1 in-interface", ['after "in-interface"']),
        ("to VI_1 in-interface eth+", ["wildcards"]),
        ("to VI_1 not-from-macs 52:54:00:12:34:56", ["did you mean not-from-mac?"]),
    ],
)
def test_what_is_wrong_is_said_and_the_right_text_guessed(text: str, fragments: list[str]) -> None:
    problem = _problem(text, 80)
    assert problem.origin == ORIGIN
    assert problem.fatal
    assert problem.message.startswith("found ")
    for fragment in fragments:
        assert fragment in problem.message


def test_no_guess_is_offered_for_what_no_guess_mends() -> None:
    assert "lvsmarkd:" not in _problem("hello", 80).message
    assert "lvsmarkd:" not in _problem("dead beef", 80).message
    assert "lvsmarkd:" not in _problem("to 192.0.2.300", 80).message


def test_a_declaration_outside_of_blocks_needs_its_mark() -> None:
    problem = _problem("to VI_1 tcp 80")
    assert "put `fwmark N` first" in problem.message
    assert problem.marks == ()


def test_a_declaration_for_a_group_says_which_of_its_marks() -> None:
    problem = _problem("to VI_1 tcp 80", 5, 6)
    assert "(5, 6)" in problem.message
    assert "put `fwmark N` first" in problem.message
    assert problem.marks == (5, 6)


def test_a_problem_is_about_the_mark_that_the_text_names() -> None:
    assert _problem("fwmark 21 to VI_1 tcp http", 80).marks == (21,)
    assert _problem("fwmark 0 to VI_1", 80).marks == (80,)
    assert _problem("to VI_1 tcp http", 80).marks == (80,)


@given(declarations)
def test_what_is_rendered_reads_the_same(declaration: Declaration) -> None:
    assert _parsed(declaration.text()) == declaration


_places = ["fwmark", "to", "VI_1", "192.0.2.10", "::1/64", "in-interface", "eth0", *"=/:,"]
_ports = ["tcp", "udp", "80", "80,443", "1-2", "80/tcp", "tcp/80", "0x50"]
_words = st.sampled_from(
    [*_places, *_ports, "accept", "not-from-mac", "52:54:00:12:34:56"],
)


@given(st.one_of(st.text(), st.lists(_words).map(" ".join)), st.lists(st.integers(1, 9)))
def test_no_text_raises(text: str, marks: list[int]) -> None:
    parse(Annotation(text, ORIGIN, tuple(marks)))


@given(st.lists(_words).map(" ".join))
def test_what_is_guessed_can_be_followed(text: str) -> None:
    result = parse(Annotation(text, ORIGIN, (80,)))
    if isinstance(result, Problem) and "perhaps `# lvsmarkd: " in result.message:
        guess = result.message.split("perhaps `# lvsmarkd: ")[1].removesuffix("` is meant")
        _parsed(guess, 80)


@pytest.mark.parametrize("text", ["to 9.9.9.{}", "to 9.9.9.9 tcp {}", "fwmark {} to 9.9.9.9"])
def test_a_number_of_thousands_of_digits_is_a_problem_like_any_other(text: str) -> None:
    found = parse(Annotation(text.format("5" * 5000), ORIGIN, (80,)))
    assert isinstance(found, Problem)
