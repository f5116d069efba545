"""Annotations, and the marks that each is about."""

from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.model.keepalived import Completeness
from tests.keepalived.cases import CONFIG_ID, Case, grouped, server

_GROUP = "virtual_server_group G {\n fwmark 21 # lvsmarkd: b\n # lvsmarkd: c\n fwmark 22\n}\n"


def _open(text: str) -> str:
    """A block without its last brace."""
    return text.rstrip().removesuffix("}")


# Text, and "text: marks" of each annotation in it.
FOUND = [
    (server(21, inside="# lvsmarkd: to 192.0.2.1 tcp 80"), ["to 192.0.2.1 tcp 80: 21"]),
    (server(21, inside="!lvsmarkd:a"), ["a: 21"]),
    # A file that is cut off may have half a declaration: that is another one.
    (server(21, inside="# lvsmarkd: to 192.0.2.1 tcp 80").partition("80")[0], []),
    (server(21, inside="weight 1 ## lvsmarkd:  a  "), ["a: 21"]),
    (server(21, inside="TCP_CHECK {\n # lvsmarkd: a\n }"), ["a: 21"]),
    (server(21).replace("80 {", "80 {\n TCP_CHECK {\n # lvsmarkd: a\n }"), ["a: 21"]),
    (server(21).replace("21 { lb_kind NAT", "21 { # lvsmarkd: a"), ["a: 21"]),
    (server(21).replace("21 {", "21 # lvsmarkd: a\n{"), ["a: 21"]),
    (server(21).rstrip() + " # lvsmarkd: a\n# lvsmarkd: b\n", ["a: 21", "b:"]),
    (server(21).replace("\n", " ") + "# lvsmarkd: a\n", ["a: 21"]),
    ("# lvsmarkd: a\n" + server(21), ["a:"]),
    ("# lvsmarkd: fwmark 5 to 192.0.2.1\n", ["fwmark 5 to 192.0.2.1:"]),
    ("vrrp_instance A {\n # lvsmarkd: a\n}\n", ["a:"]),
    (server("0x15", inside="# lvsmarkd: a"), ["a:"]),
    (_GROUP + grouped("G", inside="# lvsmarkd: d"), ["b: 21", "c: 21 22", "d: 21 22"]),
    (grouped("G", inside="# lvsmarkd: d") + _GROUP, ["d: 21 22", "b: 21", "c: 21 22"]),
    ("virtual_server_group G { # lvsmarkd: a\n fwmark 21\n} # lvsmarkd: b\n", ["a: 21", "b: 21"]),
    (grouped("H", inside="# lvsmarkd: d"), ["d:"]),
    (server(21, inside="@director2 weight 1 # lvsmarkd: a"), []),
    (server(21, inside="@^director1 # lvsmarkd: a"), []),
    (server(21, inside="@director1 # lvsmarkd: a"), ["a: 21"]),
    (server(21, inside='quorum_up "x # lvsmarkd: a"'), []),
    (server(21, inside="# about lvsmarkd: a\n # lvsmarkd a"), []),
    ("virtual_server 192.0.2.1 80 {\n # lvsmarkd: a\n}\n", ["a:"]),
    # The `}` of 21 is missing: what stands in the next block is not about 21.
    (
        _open(server(21, inside="# lvsmarkd: a")) + server(22, inside="# lvsmarkd: b"),
        ["a: 21", "b: 22"],
    ),
    (_open(server(21, inside="# lvsmarkd: a")) + _GROUP, ["a: 21", "b:", "c:"]),
]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_an_annotation_is_about_the_block_or_line_it_stands_in(
    text: str, expected: list[str], tmp_path: Path
) -> None:
    reading = read(Case("", text).write(tmp_path), CONFIG_ID)

    found = [
        f"{note.text}: {' '.join(map(str, note.marks))}".rstrip() for note in reading.annotations
    ]
    assert found == expected


def test_an_annotation_names_its_line(tmp_path: Path) -> None:
    path = Case("", server(21, inside="# lvsmarkd: a")).write(tmp_path)

    assert [str(note.origin) for note in read(path).annotations] == [f"{path}:2"]


_CUT = "# lvsmarkd: fwmark 21 to 192.0.2.1"


@pytest.mark.parametrize(
    ("text", "files", "cut"),
    [
        (f"{server(21)}{_CUT}", {}, "keepalived.conf:6"),
        (f"{server(21).rstrip()} {_CUT}", {}, "keepalived.conf:5"),
        (f"{server(21)}include a\n", {"a": f"{server(22)}{_CUT}"}, "a:6"),
        (f"$A=a\ninclude $A\n{server(21)}", {"a": f"{server(22)}{_CUT}"}, "a:6"),
        (f"{server(21)}# lvsm", {}, "keepalived.conf:6"),
    ],
)
def test_half_an_annotation_at_the_end_of_a_file_is_none(
    text: str, files: dict[str, str], cut: str, tmp_path: Path
) -> None:
    reading = read(Case("", text, files=files).write(tmp_path), CONFIG_ID)

    assert not reading.annotations
    assert reading.completeness is Completeness.SUSPECT
    (told,) = [str(p) for p in reading.problems if "in the middle of this annotation" in p.message]
    assert told.startswith(f"{tmp_path}/{cut}: ")


STOPS = [
    "virtual_server fwmark {\n}\n",
    "virtual_server_group G {\n fwmark\n}\n",
    "global_defs {\n umask\n}\n",
    "includem gone.conf\n",
    "$X=$X\n${X}\n",
    "$B=\\\n${A} \\\nalpha\n$A=$B ${_HASH}\n" + "$A\n" * 150,
    "~SEQ(n,1,3) includem gone.conf\n",
    "$X=\\\nincludem gone.conf \\\nalpha\n$X\n",
    "~SEQ(n,1,9223372036854775807,9223372036854775806) x\n",
    "\\!\n",
    server(8, inside="delay_loop"),
    server(8).replace("80 {", "80 {\n HTTP_GET {\n }"),
    server(8).replace("80 {", '80 {\n MISC_CHECK {\n misc_path "x\n }'),
]


@pytest.mark.parametrize("stop", STOPS)
def test_annotations_are_known_before_and_behind_what_stops_a_reading(
    stop: str, tmp_path: Path
) -> None:
    text = server(21, inside="# lvsmarkd: a") + stop + server(22, inside="# lvsmarkd: b")
    reading = read(Case("", text).write(tmp_path), CONFIG_ID)

    assert any(problem.fatal for problem in reading.problems)
    assert [(note.text, note.marks) for note in reading.annotations] == [("a", (21,)), ("b", (22,))]
    assert not reading.services
