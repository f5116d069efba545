"""What modules log goes where the messages go, with its level."""

import logging
from typing import TextIO

_PREFIXES = {logging.CRITICAL: "<2>", logging.ERROR: "<3>", logging.WARNING: "<4>"}
"""How systemd is told the priority of a line (sd-daemon(3))."""


class _Lines(logging.Formatter):
    def __init__(self, *, journald: bool) -> None:
        super().__init__()
        self._journald = journald

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if self._journald:
            return f"{_PREFIXES.get(record.levelno, '<6>')}{text}"
        return f"{record.levelname.lower()}: {text}"


def log_to(stream: TextIO, *, journald: bool) -> None:
    """Write what is logged from now on to a stream, which may lead into the journal."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines(journald=journald))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
