"""Which tables nf_tables has, from the real kernel; nft is the witness."""

import json

import pytest

from lvsmarkd.kernel.nf_tables import NamedTables, named_tables
from lvsmarkd.model.unknown import Unknown
from tests.harness.netns import as_nobody, run

FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")


def _seen() -> NamedTables:
    found = named_tables()
    assert not isinstance(found, Unknown), found
    return found


def _names() -> set[tuple[str, str]]:
    return {(each.family, each.name) for each in _seen().tables}


@pytest.mark.usefixtures("netns")
def test_a_fresh_namespace_has_none() -> None:
    assert _seen() == NamedTables()


@pytest.mark.usefixtures("netns")
def test_tables_of_every_family_have_the_names_and_handles_that_nft_tells() -> None:
    for family in FAMILIES:
        run("nft", "add", "table", family, f"of_{family}")
    listed = json.loads(run("nft", "-j", "list", "tables"))["nftables"]
    witness = {
        (each["table"]["family"], each["table"]["name"], each["table"]["handle"])
        for each in listed
        if "table" in each
    }
    assert {(each.family, each.name, each.handle) for each in _seen().tables} == witness
    assert {family for family, _, _ in witness} == set(FAMILIES)


@pytest.mark.usefixtures("netns")
def test_what_iptables_made_is_among_them() -> None:
    run("iptables-nft", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "1")
    assert _names() == {("ip", "mangle")}


@pytest.mark.usefixtures("netns")
def test_two_looks_are_equal_just_where_nothing_changed_between_them() -> None:
    run("nft", "add", "table", "inet", "t")
    first = _seen()
    assert _seen() == first
    for change in ("add chain inet t c", "add rule inet t c accept", "flush chain inet t c"):
        before = _seen()
        run("nft", *change.split())
        assert _seen() != before
        assert _seen().tables == first.tables
    run("nft", "delete", "table", "inet", "t")
    run("nft", "add", "table", "inet", "t")
    assert _seen().tables != first.tables, "its handle is another one"


@pytest.mark.usefixtures("netns")
def test_many_tables_with_long_names_come_whole() -> None:
    wanted = {("inet", f"{'n' * 200}{number:03}") for number in range(600)}
    run("nft", "-f", "-", stdin="".join(f"add table {f} {n}\n" for f, n in wanted))
    assert _names() == wanted


def test_nobody_is_not_told_and_that_is_not_none(netns: None) -> None:
    run("nft", "add", "table", "inet", "t")
    ask = "from lvsmarkd.kernel.nf_tables import named_tables; print(named_tables())"
    done = as_nobody(ask)
    assert "Unknown" in done.stdout, done.stderr
    assert "Operation not permitted" in done.stdout


def test_without_time_they_are_unknown() -> None:
    assert named_tables(timeout=0) == Unknown("nf_tables does not tell its tables: timed out")
