"""Marks that keepalived hands out itself: what is known of them, and what is said about them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.model.keepalived import Reading, ReservedMark, ReservedMarks
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import Family, ServiceKey
from tests.harness.netns import run
from tests.keepalived.cases import CONFIG_ID, Case, automatic, grouped, server
from tests.keepalived.oracle import Oracle

START = "nftables_ipvs\n nftables_ipvs_start_fwmark"
GROUPS = (
    "virtual_server_group G {\n 192.0.2.1 80\n 192.0.2.7-9 443\n}\n"
    "virtual_server_group B {\n 198.51.100.1 80\n 2001:db8::1 80\n}\n"
)
USES = (
    grouped("G", inside="protocol TCP")
    + grouped("B", inside="protocol TCP\n lb_kind TUN")
    + grouped("G", inside="protocol UDP")
)


def _read(text: str, directory: Path) -> Reading:
    return read(Case("", text).write(directory), CONFIG_ID)


def test_what_is_known_of_each_mark(tmp_path: Path) -> None:
    text = automatic("nftables_ipvs balanced\n nftables_ipvs_start_fwmark 60") + GROUPS + USES
    file = str(tmp_path / "keepalived.conf")
    inet, inet6 = Family.INET, Family.INET6

    assert _read(text, tmp_path).reserved == ReservedMarks(
        "balanced",
        60,
        Origin(file, 2),
        (
            ReservedMark(60, (ServiceKey(inet, 60),), "G", Transport.TCP, Origin(file, 13)),
            ReservedMark(
                61,
                (ServiceKey(inet, 61), ServiceKey(inet6, 61)),
                "B",
                Transport.TCP,
                Origin(file, 18),
            ),
            ReservedMark(62, (ServiceKey(inet, 62),), "G", Transport.UDP, Origin(file, 24)),
        ),
    )


def test_without_it_nothing_is_reserved(tmp_path: Path) -> None:
    assert _read(GROUPS + USES, tmp_path).reserved is None


def test_with_nothing_to_mark_the_table_is_known(tmp_path: Path) -> None:
    reserved = _read(automatic() + server(8), tmp_path).reserved
    assert reserved is not None
    assert (reserved.table, reserved.start, reserved.marks) == ("keepalived_ipvs", 1000, ())


@pytest.mark.netns
def test_keepalived_marks_the_addresses_so(netns: None, tmp_path: Path) -> None:
    text = automatic("nftables_ipvs balanced\n nftables_ipvs_start_fwmark 60") + GROUPS + USES
    scratch, directory = tmp_path / "scratch", tmp_path / "configuration"
    scratch.mkdir()
    directory.mkdir()
    configuration = Case("", text).write(directory)
    Oracle.build(tmp_path).ask(configuration, CONFIG_ID, scratch, here=True)

    found = set(_elements(json.loads(run("nft", "-j", "list", "ruleset"))["nftables"]))

    assert found == {
        ("ip", "balanced", "tcp_map", "192.0.2.1", 80, 60),
        ("ip", "balanced", "tcp_map", "192.0.2.7-192.0.2.9", 443, 60),
        ("ip", "balanced", "tcp_map", "198.51.100.1", 80, 61),
        ("ip6", "balanced", "tcp_map", "2001:db8::1", 80, 61),
        ("ip", "balanced", "udp_map", "192.0.2.1", 80, 62),
        ("ip", "balanced", "udp_map", "192.0.2.7-192.0.2.9", 443, 62),
    }


def _elements(ruleset: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, str, int, int]]:
    for mapping in (item["map"] for item in ruleset if "map" in item):
        for key, mark in mapping["elem"]:
            address, port = key["concat"]
            text = address if isinstance(address, str) else "-".join(address["range"])
            yield mapping["family"], mapping["table"], mapping["name"], text, port, mark


@pytest.mark.parametrize(
    ("text", "line", "words", "marks"),
    [
        (automatic(f"{START} 60") + GROUPS + USES + server(60), 29, "share one service", (60,)),
        (
            automatic() + GROUPS + USES + "virtual_server_group M {\n fwmark 1002 inet\n}\n"
            + grouped("M"),
            29,
            "gives fwmark 1002 inet to udp of group G",
            (1002,),
        ),
        (automatic("nftables_ipvs_start_fwmark 60\n nftables_ipvs"), 2, "stands before", ()),
        (automatic(f"{START} 60\n nftables_ipvs_start_fwmark"), 4, "exits", ()),
        (
            automatic()
            + GROUPS
            + USES.replace("80 {", "80 {\n TCP_CHECK {\n fwmark 1001\n }", 1),
            16,
            "marks its own packets with 1001",
            (1001,),
        ),
    ],
)  # fmt: skip
def test_what_is_said(
    text: str, line: int, words: str, marks: tuple[int, ...], tmp_path: Path
) -> None:
    told = [p for p in _read(text, tmp_path).problems if words in p.message]
    assert [(p.origin.line, p.marks) for p in told] == [(line, marks)]


@pytest.mark.parametrize(
    "text",
    [
        automatic() + GROUPS + USES + server(1003) + server(999),
        # Another family is another service.
        automatic() + GROUPS + USES + server(1000, "2001:db8::7"),
        automatic("nftables_ipvs_start_fwmark 60\n nftables_ipvs\n nftables_ipvs_start_fwmark 70"),
    ],
)
def test_what_is_well_is_not_mentioned(text: str, tmp_path: Path) -> None:
    reading = _read(text, tmp_path)
    assert not [p for p in reading.problems if "fwmark" in p.message], reading.problems


def test_where_keepalived_would_not_run_nothing_is_reserved(tmp_path: Path) -> None:
    reading = _read(automatic() + GROUPS + USES + "virtual_server {\n}\n", tmp_path)
    assert reading.reserved is None
