"""Includes: which files were read, what was looked for, and whether that has changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lvsmarkd.keepalived import is_current, read
from lvsmarkd.model.keepalived import Completeness
from tests.keepalived.cases import CONFIG_ID, Case, server


def test_files_and_lookups_are_absolute_and_complete(tmp_path: Path) -> None:
    files = {"sub/a.conf": "include ../b.conf\ninclude *.none\n", "b.conf": server(21)}
    path = Case("", "include sub/{a,z}.conf\n", files=files).write(tmp_path)

    reading = read(path)

    sub = tmp_path / "sub"
    assert reading.files == (str(path), f"{sub}/a.conf", f"{sub}/../b.conf")
    assert reading.lookups == (
        f"{sub}/a.conf",
        f"{sub}/z.conf",
        f"{sub}/../b.conf",
        f"{sub}/*.none",
    )


def test_origins_name_the_included_file(tmp_path: Path) -> None:
    path = Case("", "\ninclude a.conf\n", files={"a.conf": "\n" + server(21)}).write(tmp_path)

    (service,) = read(path).services
    assert [str(origin) for origin in service.origins] == [f"{tmp_path}/a.conf:2"]


def test_a_file_that_includes_itself_is_read_once(tmp_path: Path) -> None:
    reading = read(Case("", server(21) + "include keepalived.conf\n").write(tmp_path))

    assert reading.completeness is Completeness.SUSPECT
    assert "includes itself" in reading.problems[0].message
    assert len(reading.services) == 1


@pytest.mark.slow
def test_includes_that_multiply_come_to_an_end(tmp_path: Path) -> None:
    files = {f"{level}.inc": f"include {level + 1}.inc\n" * 10 for level in range(20)}
    reading = read(Case("", "include 0.inc\n", files=files).write(tmp_path))

    assert reading.completeness is Completeness.SUSPECT
    assert "20000 files" in "".join(problem.message for problem in reading.problems)


def test_braces_that_multiply_come_to_an_end(tmp_path: Path) -> None:
    reading = read(Case("", "include " + "{a,b}" * 100 + "\n" + server(21)).write(tmp_path))

    assert len(reading.services) == 1


def _touch(directory: Path) -> None:
    (directory / "a.conf").write_text(server(22))


def _add_match(directory: Path) -> None:
    (directory / "new.conf").write_text("")


def _remove_match(directory: Path) -> None:
    (directory / "a.conf").unlink()


def _permit(directory: Path) -> None:
    (directory / "keepalived.conf").chmod(0o600)


def _replace(directory: Path) -> None:
    same = directory / "same"
    same.write_bytes((directory / "keepalived.conf").read_bytes())
    same.rename(directory / "keepalived.conf")


@pytest.mark.parametrize("change", [_touch, _add_match, _remove_match, _permit, _replace])
def test_a_reading_tells_of_every_change(change: Callable[[Path], None], tmp_path: Path) -> None:
    text = "include [an]*.conf\n" + server(21)
    reading = read(Case("", text, files={"a.conf": server(20)}).write(tmp_path), CONFIG_ID)
    assert is_current(reading)

    change(tmp_path)

    assert not is_current(reading)


def test_a_reading_tells_when_a_missing_file_appears(tmp_path: Path) -> None:
    reading = read(tmp_path / "keepalived.conf")
    assert is_current(reading)

    (tmp_path / "keepalived.conf").write_text(server(21))

    assert not is_current(reading)
