"""Configurations made to hurt: a reading ends, in bounded memory, and says what is wrong."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.bounds import MAX_DEPTH
from lvsmarkd.model.keepalived import Completeness
from tests.keepalived.cases import CONFIG_ID, MAIN, V6, Case, server
from tests.keepalived.confined import read_confined

pytestmark = pytest.mark.slow

KEPT = server(21)
"""A service before the trouble: it is read whatever follows it."""

LEVELS = range(30)
"""Of which each doubles the one after it."""


@pytest.mark.parametrize(
    ("text", "files", "named"),
    [
        ("include keepalived.conf\n", {}, "includes itself"),
        ("include a\n", {"a": "include b\n", "b": "include a\n"}, "includes itself"),
        ("include a*\n", {"a1": "include a*\n", "a2": "include a1\n"}, "includes itself"),
        (
            "include 0\n",
            {str(level): f"include {level + 1}\n" for level in range(MAX_DEPTH + 9)},
            f"{MAX_DEPTH} deep",
        ),
        ("~SEQ(I, 1, 1000000000) lb_algo rr\n", {}, "more than"),
        ("~SEQ(I, 1, 9223372036854775806) lb_algo rr\n", {}, "more than"),
        ("~SEQ(I, 1, 99999) ~SEQ(J, 1, 99999) ~SEQ(K, 1, 99999) weight $I$J$K\n", {}, "more than"),
        ("~SEQ(I, 1, 1000000000) include a\n", {"a": ""}, "more than"),
        ("$A=\\\n \\\nlb_algo rr \\\n$A\n$A\n", {}, "stands for itself|more than|too much"),
        ("$A=$A\nlb_algo $A\n", {}, "stands for itself|too much"),
        (
            "".join(f"$D{n}=${{D{n + 1}}}${{D{n + 1}}}\n" for n in LEVELS) + "$D30=x\n$D0\n",
            {},
            "stands for|too much",
        ),
        (
            "".join(f"$D{n}=\\\n$D{n + 1} \\\n$D{n + 1}\n" for n in LEVELS)
            + "$D30=\\\nx \\\ny\n$D0\n",
            {},
            "more than|too much",
        ),
    ],
    ids=[
        *("itself", "each other", "by wildcard", "deep"),
        *("long sequence", "longest sequence", "sequences in each other", "sequence of includes"),
        *("endless lines", "endless", "doubling", "doubling lines"),
    ],
)
def test_what_multiplies_comes_to_an_end_and_is_named(
    text: str, files: dict[str, str], named: str, tmp_path: Path
) -> None:
    confined = read_confined(Case("", KEPT + text, files=files).write(tmp_path))

    assert confined.completeness == Completeness.SUSPECT
    assert any(phrase in problem for problem in confined.problems for phrase in named.split("|"))
    assert confined.megabytes < 300
    assert len(confined.problems) < 1000


def test_ten_thousand_includes_are_read(tmp_path: Path) -> None:
    files = {f"d/{number:05}": server(number) for number in range(1, 10_001)}

    confined = read_confined(Case("", "include d/*\n", files=files).write(tmp_path))

    assert confined.completeness == Completeness.WHOLE
    assert confined.marks == [*range(1, 10_001)]
    assert confined.megabytes < 200


LARGE = 50 * 2**20


@pytest.mark.parametrize("name", [MAIN, "large"])
def test_what_is_too_large_is_not_read(name: str, tmp_path: Path) -> None:
    path = Case("", KEPT + "include large\n", files={"large": ""}).write(tmp_path)
    with (tmp_path / name).open("wb") as file:
        file.writelines([server(22).encode()] * (LARGE // len(server(22))))

    confined = read_confined(path)

    assert confined.completeness == (
        Completeness.UNREADABLE if name == MAIN else Completeness.SUSPECT
    )
    assert confined.marks == ([] if name == MAIN else [21])
    assert "is larger than" in confined.problems[0]
    assert confined.megabytes < 100


def _directory(path: Path) -> None:
    path.mkdir()


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [os.mkfifo, _directory, _socket, _device, _terminal, _loop])
def test_an_include_of_what_is_no_file_changes_nothing_else(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A short name: that of a socket is limited.
    monkeypatch.chdir(tmp_path)
    path = Case("", KEPT + "include odd\n" + server(22)).write(tmp_path)
    make(tmp_path / "odd")

    reading = read(path, CONFIG_ID)

    assert [service.key.mark for service in reading.services] == [21, 22]
    assert [problem.origin.line for problem in reading.problems] == [6]


BLOCK = "virtual_server fwmark 5 {\nreal_server 192.0.2.1 80 {\nHTTP_GET {\nurl {\n"


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        "{\n" * 100_000,
        "}\n" * 100_000,
        "site {\n" * 100_000 + "}\n" * 100_000,
        "vrrp_instance V {\n" * 100_000,
        BLOCK * 25_000,
        "virtual_server_group G {" * 100_000,
        "x" * 2**20,
        '"' * 2**20,
        "\\" * 2**20,
        "#" * 2**20,
        "@" * 2**20,
        "$A" * 2**19,
        "$A=b\n" + "$A " * 2**18,
        "a{b}" * 2**16,
        "~SEQ(" * 2**18,
        "~LST({" * 2**18,
        "include " + "{a,b}" * 40_000,
        "\0" * 2**20,
        "\xe9" * 2**20,
        "no such keyword\n" * 100_000,
        "virtual_server fwmark x {\n}\n" * 50_000,
    ],
    ids=lambda text: text[:12],
)
def test_what_is_deep_or_long_is_read_to_its_end(text: str, tmp_path: Path) -> None:
    confined = read_confined(Case("", KEPT + text + "\n").write(tmp_path))

    assert confined.completeness in (Completeness.WHOLE, Completeness.SUSPECT)
    assert confined.marks in ([21], [5, 21], [])
    assert confined.marks or "keepalived" in confined.problems[-1]
    assert confined.megabytes < 250
    assert len(confined.problems) < 1000


@pytest.mark.parametrize(
    "pattern",
    [
        "{a,b}" * 60,
        "{a,b,c,d,e,f,g,h}" * 50,
        "{" * 480 + "a" + "}" * 480,
        "{a," * 300 + "b" + "}" * 300,
        "*?" * 400,
        "*/" * 400,
        "*" * 900 + "b",
        "[" * 900,
        "[!" + "a" * 900 + "]",
        "../" * 300 + "*/*/*/*",
        "/proc/*/*/*/*",
        "/proc/self/root/proc/self/root/*/*/*/*",
    ],
    ids=lambda pattern: pattern[:12],
)
def test_a_pattern_that_multiplies_leads_to_bounded_work(pattern: str, tmp_path: Path) -> None:
    # A name that patterns of stars take long to refuse.
    path = Case("", f"{KEPT}include {pattern}\n", files={"a" * 200: ""}).write(tmp_path)

    confined = read_confined(path)

    # What stands in /proc at the moment may be anything, an error of keepalived's included.
    assert 21 in confined.marks or pattern.startswith("/proc")
    assert confined.megabytes < 300
    assert len(confined.problems) < 1000


def test_one_service_said_forty_thousand_times_is_one(tmp_path: Path) -> None:
    confined = read_confined(Case("", (server(21) + server(21, V6)) * 20_000).write(tmp_path))

    assert (confined.completeness, confined.marks) == (Completeness.WHOLE, [21])
    assert confined.megabytes < 600
