"""Small files that the daemon keeps for its next run, in directories that may be another user's."""

import os
from pathlib import Path

_MOST = 16384
"""Bytes that such a file has at most; a path of keepalived's takes the most of it."""


def read_own(path: Path) -> str:
    """What the file says. No link is followed, and nothing waited for, as a pipe would have one.

    Raises OSError, and ValueError where it is no text.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_MOST).decode()


def write_own(path: Path, text: str) -> None:
    """Write the file, whole or not at all. No link is followed. Raises OSError."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with unfinished.open("x") as file:
        file.write(text)
    unfinished.replace(path)
