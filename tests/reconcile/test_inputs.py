"""The operator's files, changed while they are read for the first time."""

from pathlib import Path

import pytest

from lvsmarkd.declarations.settings import Loaded, load
from lvsmarkd.reconcile import settings_file
from lvsmarkd.reconcile.inputs import InputPaths, InputReader
from tests.harness.control import WEB


@pytest.mark.parametrize("name", ["lvsmarkd.toml", "conf.d/10.toml"])
def test_what_changes_while_the_settings_are_read_first_is_read_by_the_next_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "conf.d").mkdir()
    main, conf, changed = tmp_path / "lvsmarkd.toml", tmp_path / "keepalived.conf", tmp_path / name
    main.write_text("# nothing yet\n")
    conf.write_text(WEB)
    changed.write_text("[daemon]\nlinger_seconds = 1\n")

    def slow(path: Path, *, required: bool) -> Loaded:
        loaded = load(path, required=required)
        changed.write_text("[daemon]\nlinger_seconds = 20\n")
        return loaded

    monkeypatch.setattr(settings_file, "load", slow)
    reader = InputReader.open(InputPaths(main, conf))
    monkeypatch.setattr(settings_file, "load", load)
    reader.gather()
    assert reader.settings.daemon.linger_seconds == 20
