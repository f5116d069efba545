"""What modules log, as it is read: on a terminal, and by systemd."""

import io
import logging

import pytest

from lvsmarkd.telemetry.logs import log_to


@pytest.mark.parametrize(
    ("journald", "line"), [(False, "warning: reloading\n"), (True, "<4>reloading\n")]
)
def test_each_line_has_its_level(
    monkeypatch: pytest.MonkeyPatch, *, journald: bool, line: str
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    stream = io.StringIO()
    log_to(stream, journald=journald)
    logging.getLogger("lvsmarkd.some.module").warning("reloading")
    assert stream.getvalue() == line
