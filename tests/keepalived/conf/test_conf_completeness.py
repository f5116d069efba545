"""How far a reading can be trusted, whatever stands in the place of keepalived.conf."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.model.keepalived import Completeness, Reading
from tests.keepalived.cases import CONFIG_ID, MAIN, Case, grouped, server


def reading_of(text: str, directory: Path) -> Reading:
    return read(Case("", text).write(directory), CONFIG_ID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n\t\n",
        "# nothing left\n",
        "\0" * 100,
        "lorem ipsum dolor\n",
        server(21)[:-2],
        server(21) + "virtual_server fwmark 22 {\n",
        server(21) + "vrrp_instance A {\n virtual_ipaddress {\n 192.0.2.1\n }\n",
        server(21) + "virtual_server {\n}\n",
        server(21) + "virtual_server fwmark 22 ",
        server(21) + "virtual_server fwmark 22\n",
        server(21) + "virtual_server fw",
        server(21) + "virt",
        "SSL\n",
    ],
)
def test_what_looks_cut_off_or_emptied_is_suspect(text: str, tmp_path: Path) -> None:
    reading = reading_of(text, tmp_path)

    assert reading.completeness is Completeness.SUSPECT
    assert reading.problems


@pytest.mark.parametrize(
    "text",
    [
        server(21),
        "global_defs {\n}\n",
        server(21).rstrip(),
        server(21) + "}\n",
        server(21) + "# end",
    ],
)
def test_what_is_complete_is_whole(text: str, tmp_path: Path) -> None:
    assert reading_of(text, tmp_path).completeness is Completeness.WHOLE


@pytest.mark.parametrize(
    ("included", "completeness"),
    [
        ("virtual_server fwmark 2", Completeness.SUSPECT),
        ("virtual_server fwmark 22 {\n}\n!", Completeness.WHOLE),
        (server(22).rstrip(), Completeness.WHOLE),
        (server(22) + "# end", Completeness.WHOLE),
        ("", Completeness.WHOLE),
    ],
)
def test_an_included_file_that_ends_in_the_middle_of_a_line_is_cut_off_too(
    included: str, completeness: Completeness, tmp_path: Path
) -> None:
    text = f"{server(21)}include a\n{server(23)}"
    reading = read(Case("", text, files={"a": included}).write(tmp_path), CONFIG_ID)

    assert reading.completeness is completeness
    cut_off = [p.origin.file for p in reading.problems if "cut off" in p.message]
    assert cut_off == ([f"{tmp_path}/a"] if completeness is Completeness.SUSPECT else [])


def test_services_of_a_suspect_file_are_kept(tmp_path: Path) -> None:
    assert len(reading_of(server(21) + server(22)[:-2], tmp_path).services) == 2


def test_addresses_that_keepalived_never_comes_to_the_end_of_make_it_suspect(
    tmp_path: Path,
) -> None:
    def group(addresses: str) -> str:
        return f"virtual_server_group G {{\n {addresses} 80\n fwmark 21\n}}\n{grouped('G')}"

    found = [
        (reading.completeness, [service.key.mark for service in reading.services])
        for reading in (
            reading_of(group(addresses), tmp_path)
            for addresses in ("10.0.0.0/12", "10.0.0.0-10.16.0.0", "2001:db8::/32")
        )
    ]

    assert found[0] == (Completeness.WHOLE, [21])
    assert found[1] == (Completeness.SUSPECT, [21])
    assert found[2][0] is Completeness.WHOLE  # of IPv6 the last 16 bits are run through


def test_the_block_left_open_is_named_by_its_line(tmp_path: Path) -> None:
    (problem,) = reading_of(server(21) + server(22)[:-2], tmp_path).problems

    assert (problem.origin.line, "never closed" in problem.message) == (6, True)


def _missing(_path: Path) -> None:
    pass


def _directory(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _executable(path: Path) -> None:
    path.write_text(server(21))
    path.chmod(0o744)


@pytest.mark.parametrize(
    "make", [_missing, _directory, _pipe, _socket, _device, _loop, _executable]
)
def test_what_is_no_configuration_file_is_unreadable(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A short name: that of a socket is limited.
    monkeypatch.chdir(tmp_path)
    make(Path(MAIN))

    reading = read(Path(MAIN))

    assert reading.completeness is Completeness.UNREADABLE
    assert reading.files == (str(tmp_path / MAIN),)
    assert [problem.fatal for problem in reading.problems] == [True]


def test_the_copy_that_keepalived_holds_in_memory_is_read_though_it_is_executable() -> None:
    memory = os.memfd_create("consolidated_configuration")
    with os.fdopen(memory, "wb") as file:
        file.write(server(21).encode())
        file.flush()
        reading = read(Path(f"/proc/self/fd/{memory}"))

    assert [service.key.mark for service in reading.services] == [21]


def test_bytes_that_are_no_text_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / MAIN).write_bytes(b"# \xff\xfe\xe4\n" + server(21).encode())

    reading = read(tmp_path / MAIN)

    assert [service.key.mark for service in reading.services] == [21]
    assert reading.completeness is Completeness.WHOLE


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A directory of files that some may read, and we are among the others: root reads all."""
    del tmp_path  # it is root's own
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        root = os.geteuid() == 0
        yield Path(name)
        if root:
            os.seteuid(0)
        for entry in Path(name).iterdir():
            entry.chmod(0o755)


def _as_nobody() -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)


@pytest.mark.parametrize(
    ("closed", "mode"), [("d/a.conf", 0o000), ("d", 0o000), ("d", 0o600), ("d", 0o200)]
)
@pytest.mark.parametrize("how", ["include d/*.conf", "includea d/*.conf", "includer d/a.conf"])
def test_an_include_that_only_keepalived_may_look_at_is_not_known_and_no_stop(
    how: str, closed: str, mode: int, shared: Path
) -> None:
    text = f"{server(21)}{how}\n"
    path = Case("", text, files={"d/a.conf": server(22)}).write(shared)
    (shared / closed).chmod(mode)
    _as_nobody()
    reading = read(path, CONFIG_ID)

    assert [service.key.mark for service in reading.services] == [21]
    assert reading.completeness is Completeness.SUSPECT
    assert all("Permission denied" in problem.message for problem in reading.problems)
    assert not any(problem.fatal for problem in reading.problems)


def test_an_include_that_cannot_be_read_makes_it_suspect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Case("", "include a.conf\n" + server(21), files={"a.conf": ""}).write(tmp_path)
    opened = os.open

    def refusing(name: str, *rest: int) -> int:
        # Root may read everything: the refusal itself has to be made.
        if name.endswith("a.conf"):
            raise PermissionError(13, "Permission denied")
        return opened(name, *rest)

    monkeypatch.setattr(os, "open", refusing)
    reading = read(path)

    assert reading.completeness is Completeness.SUSPECT
    assert "Permission denied" in reading.problems[0].message
    assert len(reading.services) == 1
