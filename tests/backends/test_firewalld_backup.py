"""The copy of what firewalld has, made before the first write."""

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.firewalld.planes.files import TOLD, worth_keeping
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.model.rule import Plane

RUNTIME = Listing(Plane.RUNTIME, "public")
PERMANENT = Listing(Plane.PERMANENT, "public")


def test_the_files_are_in_a_tar_as_a_whole(tmp_path: Path) -> None:
    etc = tmp_path / "firewalld"
    (etc / "zones").mkdir(parents=True)
    (etc / "zones/public.xml").write_text("<zone/>")
    Backup(tmp_path / "backup").save_once(TOLD, lambda: worth_keeping(RUNTIME, PERMANENT, etc))
    [kept] = (tmp_path / "backup").glob("*.tar")
    with tarfile.open(kept) as tar:
        assert "./zones/public.xml" in tar.getnames()
    [told] = (tmp_path / "backup").glob("*.json")
    assert "files" not in json.loads(told.read_text())


def test_files_that_may_not_be_read_make_no_part_of_a_tar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc = tmp_path / "firewalld"
    etc.mkdir()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(etc))

    monkeypatch.setattr(tarfile.TarFile, "add", refuse)
    Backup(tmp_path / "backup").save_once(TOLD, lambda: worth_keeping(RUNTIME, PERMANENT, etc))
    assert list((tmp_path / "backup").glob("*.tar")) == []
    [told] = (tmp_path / "backup").glob("*.json")
    assert "may not read" in json.loads(told.read_text())["files"]


def test_an_earlier_copy_stays_and_no_second_one_is_made(tmp_path: Path) -> None:
    for contents in ({"more": b"m", "rules": b"1"}, {"rules": b"2"}):
        Backup(tmp_path).save_once("rules", contents.copy)
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"1", b"m"]


def test_what_is_removed_is_kept_each_time_that_it_says_something_else(tmp_path: Path) -> None:
    times = (datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in range(24))
    backup = Backup(tmp_path, lambda: next(times))
    kept = [backup.keep("p.xml", content) for content in (b"<a", b"<a", b"<b", b"<a")]
    assert [path.name[:11] for path in kept] == [
        "20261124T00",
        "20261124T00",
        "20261124T02",
        "20261124T03",
    ]
    assert [path.read_bytes() for path in kept] == [b"<a", b"<a", b"<b", b"<a"]
