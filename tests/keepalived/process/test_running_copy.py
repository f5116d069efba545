"""The copy that keepalived holds of its configuration says what its files said when it read."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.process.discovery import find_keepalived
from lvsmarkd.keepalived.process.running_copy import (
    find_copy,
    read_running_copy,
    stamp_at,
    stamp_of,
)
from lvsmarkd.model.keepalived import Completeness, Reading
from lvsmarkd.model.running import Build, RunningKeepalived
from lvsmarkd.model.unknown import Unknown
from tests.harness import netns as namespace
from tests.harness.keepalived import Director, Keepaliveds
from tests.keepalived.cases import CASES, CONFIG_ID, Case, server
from tests.keepalived.editions import EDITIONS, INSTALLED, build_asked, command_of
from tests.keepalived.oracle import HANGS_SECONDS, TIMEOUT_SECONDS

AT_A_TIME = 4
COPY = "/keepalived/consolidated_configuration"

netns = pytest.mark.netns


def myself(build: Build | None = None) -> RunningKeepalived:
    """This process, as if it were keepalived: it can hold a copy, too."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return RunningKeepalived(
        os.getpid(), ticks, None, None, CONFIG_ID, None, None, True, False, build
    )


def reading_of_copy(raw: bytes, build: Build | None = None) -> Reading:
    memory = os.memfd_create(COPY)
    try:
        os.pwrite(memory, raw, 0)
        reading = read_running_copy(myself(build))
    finally:
        os.close(memory)
    assert isinstance(reading, Reading)
    return reading


def copy_made(configuration: Path, keepalived: Sequence[str] = INSTALLED) -> bytes:
    """The copy that the real keepalived makes of a configuration, in a test of it."""
    memory = os.memfd_create("copy")
    try:
        subprocess.run(
            [
                *("prlimit", f"--cpu={HANGS_SECONDS}", "unshare", "--net", *keepalived),
                f"--config-fd={memory}",
                *("--config-test=/dev/null", "-i", CONFIG_ID, "-f", configuration.name),
            ],
            cwd=configuration.parent,
            pass_fds=[memory],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return os.pread(memory, 1 << 20, 0)
    finally:
        os.close(memory)


@pytest.fixture(scope="module", params=EDITIONS)
def edition(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return command_of(request.param)


@pytest.fixture(scope="module")
def build(edition: tuple[str, ...]) -> Build:
    return build_asked(edition)


@pytest.fixture(scope="module")
def made(
    edition: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, bytes]]:
    """Of every case its configuration and its copy."""
    paths = [case.write(tmp_path_factory.mktemp("configuration")) for case in CASES]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        copies = list(pool.map(lambda path: copy_made(path, edition), paths))
    return {case.name: both for case, *both in zip(CASES, paths, copies, strict=True)}  # type: ignore[misc]  # two are left of three


@netns
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_copy_reads_as_the_files_do(
    case: Case,
    build: Build,
    made: dict[str, tuple[Path, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, raw = made[case.name]
    monkeypatch.chdir(path.parent)
    from_files = read(path, CONFIG_ID, dialect=Dialect(build))
    if not from_files.services:
        return  # it ends on some of these after it has made a copy: no running one has that

    from_copy = reading_of_copy(raw, build)

    if case.name == "escaped hash at the start of a line":
        # In the copy it looks like the mark of a file: where it stood is lost.
        assert from_copy.completeness is Completeness.SUSPECT
        assert [s.key for s in from_copy.services] == [s.key for s in from_files.services]
        return
    assert from_copy.services == from_files.services, raw
    assert from_copy.instances == from_files.instances
    # With reload_check_config a copy may be of what was refused.
    refusable = "reload_check_config" in case.text
    whole = Completeness.SUSPECT if refusable else from_files.completeness
    assert from_copy.completeness is whole
    assert from_copy.files[0] == str(path)


@netns
def test_a_line_that_was_read_in_pieces_counts_once(
    edition: tuple[str, ...], build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Case("", "a" * 1500 + "\n" + server(21)).write(tmp_path)

    (service,) = reading_of_copy(copy_made(path, edition), build).services

    # From 2.4 on the piece is dropped, and nothing tells in the copy that it was one.
    line = 3 if Dialect(build).drops_unfit_lines else 2
    assert [str(origin) for origin in service.origins] == [f"{path}:{line}"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"#",
        b"# /k.conf\n",
        b"# /k.conf\nvirtual",
        b"# /k.conf\n# /a\n!\n",
        b"virtual_server fwmark 5\n",
        b"# /k.conf\n!\nmore\n",
        b"!\n!\n",
    ],
)
def test_what_is_not_the_whole_copy_is_suspect(raw: bytes) -> None:
    assert reading_of_copy(raw).completeness is Completeness.SUSPECT


def test_a_file_that_was_read_by_its_children_is_in_doubt_once_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    included = tmp_path / "a"
    included.write_text(server(21))
    raw = f"# k.conf\n@{CONFIG_ID} include a\n# a\n{server(21)}!\n!\n".encode()
    assert reading_of_copy(raw).completeness is Completeness.WHOLE

    included.write_text(server(22))
    os.utime(included, (2**33, 2**33))
    reading = reading_of_copy(raw)

    assert reading.completeness is Completeness.SUSPECT
    assert {service.key.mark for service in reading.services} == {21, 22}


def test_a_copy_that_is_being_rewritten_is_never_taken_for_the_whole() -> None:
    texts = [f"# /k.conf\n{server(21)}{server(mark) * 50}!\n".encode() for mark in (22, 23)]
    memory = os.memfd_create(COPY)
    done = threading.Event()

    def rewrite() -> None:
        """As keepalived does: emptied, then written by the buffer."""
        while not done.is_set():
            for text in texts:
                os.ftruncate(memory, 0)
                for start in range(0, len(text), 4096):
                    os.pwrite(memory, text[start : start + 4096], start)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        readings = [read_running_copy(myself()) for _ in range(150)]
    finally:
        done.set()
        writer.join()
    settled = read_running_copy(myself())
    os.close(memory)

    seen = [reading for reading in readings if isinstance(reading, Reading)]
    assert len(seen) == len(readings)
    whole = [r for r in seen if r.completeness is Completeness.WHOLE]
    assert len(whole) < len(seen)
    for reading in whole:
        assert [s.key.mark for s in reading.services] in ([21, 22], [21, 23])
    assert isinstance(settled, Reading)
    assert settled.completeness is Completeness.WHOLE


def test_a_process_without_a_copy_has_none() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        missing = read_running_copy(replace(myself(), pid=other.pid))
        assert stamp_of(other.pid) is None
        other.kill()
    assert missing == Unknown("is not there: keepalived keeps one from 2.2 on")


def test_the_copy_of_another_process_of_that_number_is_not_taken() -> None:
    memory = os.memfd_create(COPY)
    try:
        other = replace(myself(), started=1)
        assert isinstance(read_running_copy(other), Unknown)
        assert stamp_of(other.pid) == stamp_at(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)


def running(director: Director) -> RunningKeepalived:
    seen = find_keepalived()
    assert isinstance(seen, RunningKeepalived)
    assert seen.pid == director.pid
    return seen


def copied(seen: RunningKeepalived) -> Reading:
    reading = read_running_copy(seen)
    assert isinstance(reading, Reading), reading
    return reading


@netns
def test_it_holds_what_was_read_and_not_what_was_saved(
    keepaliveds: Keepaliveds, tmp_path: Path, netns: None
) -> None:
    text = "# a comment\n\ninclude conf.d/*.conf\n" + server(21, inside="# lvsmarkd: to x")
    path = Case("", text, files={"conf.d/a.conf": "\n" + server(22)}).write(tmp_path)
    with keepaliveds.running(path, "-i", CONFIG_ID) as director:
        seen = running(director)
        before = read(path, CONFIG_ID)
        same = replace(copied(seen), lookups=before.lookups, seen=before.seen)
        assert same == replace(before, annotations=())
        stamp = stamp_of(director.pid)

        (tmp_path / "conf.d/a.conf").write_text(server(23))
        assert [s.key.mark for s in copied(seen).services] == [22, 21]
        assert stamp_of(director.pid) == stamp

        director.reload()
        assert [str(s.origins[0]) for s in copied(seen).services] == [
            f"{tmp_path}/conf.d/a.conf:1",
            f"{path}:4",
        ]
        assert [s.key.mark for s in copied(seen).services] == [23, 21]
        assert stamp_of(director.pid) not in {None, stamp}

        director.stop()
        gone = read_running_copy(seen)
        assert isinstance(gone, Unknown)


@netns
def test_a_relative_configuration_is_named_by_its_whole_path(
    keepaliveds: Keepaliveds, tmp_path: Path, netns: None
) -> None:
    path = Case("", server(21)).write(tmp_path)
    with keepaliveds.running(path, use_file=["-fkeepalived.conf"]) as director:
        assert copied(running(director)).files == (str(path),)


@netns
def test_a_file_without_a_name_may_stand_in_for_memory(
    keepaliveds: Keepaliveds, tmp_path: Path, netns: None
) -> None:
    text = f"global_defs {{\n tmp_config_directory {tmp_path}\n}}\n" + server(21)
    path = Case("", text).write(tmp_path)
    with keepaliveds.running(path) as director:
        copy = find_copy(director.pid)
        assert isinstance(copy, str)
        assert os.readlink(copy).startswith(f"{tmp_path}/#")
        reading = copied(running(director))
        assert (reading.completeness, len(reading.services)) == (Completeness.WHOLE, 1)


CLEAN = """
virtual_server fwmark {mark} {{
    lb_algo rr
    lb_kind DR
    {more}
    real_server 198.51.100.7 {{
    }}
}}
"""


@netns
def test_with_reload_check_config_the_copy_may_be_one_that_was_refused(
    keepaliveds: Keepaliveds, tmp_path: Path, netns: None
) -> None:
    head = "global_defs {\n reload_check_config /dev/null\n}\n"
    path = Case("", head + CLEAN.format(mark=21, more="")).write(tmp_path)
    with keepaliveds.running(path) as director:
        path.write_text(head + CLEAN.format(mark=22, more="no_such_keyword"))
        director.reload(answer="failed validation")

        reading = copied(running(director))

        # What it refused is no service; 2.4.3 does not overwrite its copy.
        assert [s.key.mark for s in reading.services] in ([], [21])
        assert reading.completeness is Completeness.SUSPECT
        told = [p for p in reading.problems if "reload_check_config" in p.message]
        assert {problem.origin.line for problem in told} >= {2}


UNPRIVILEGED = """
from lvsmarkd.keepalived.process.running_copy import read_running_copy, stamp_of
from lvsmarkd.keepalived.process.discovery import find_keepalived
seen = find_keepalived()
print(stamp_of(seen.pid), read_running_copy(seen))
"""


@netns
@pytest.mark.parametrize(
    "who", [["--reuid=65534", "--clear-groups"], ["--bounding-set=-sys_ptrace"]]
)
def test_without_the_right_to_trace_it_says_what_is_missing(
    keepaliveds: Keepaliveds, tmp_path: Path, netns: None, who: list[str]
) -> None:
    path = Case("", server(21)).write(tmp_path)
    with keepaliveds.running(path):
        said = namespace.run("setpriv", *who, sys.executable, "-c", UNPRIVILEGED)
    assert said.startswith("None Unknown(")
    assert "CAP_SYS_PTRACE" in said
