"""The copy of what firewalld has, made before the first write."""

import json
import tarfile
from pathlib import Path

import pytest

from lvsmarkd.backends.firewalld.backup import Backup
from lvsmarkd.backends.firewalld.listing import Listing
from lvsmarkd.model.rule import Plane

RUNTIME = Listing(Plane.RUNTIME, "public")
PERMANENT = Listing(Plane.PERMANENT, "public")


def test_the_files_are_in_a_tar_as_a_whole(tmp_path: Path) -> None:
    etc = tmp_path / "firewalld"
    (etc / "zones").mkdir(parents=True)
    (etc / "zones/public.xml").write_text("<zone/>")
    Backup(tmp_path / "backup", etc).save_once(RUNTIME, PERMANENT)
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
    Backup(tmp_path / "backup", etc).save_once(RUNTIME, PERMANENT)
    assert list((tmp_path / "backup").glob("*.tar")) == []
    [told] = (tmp_path / "backup").glob("*.json")
    assert "may not read" in json.loads(told.read_text())["files"]
