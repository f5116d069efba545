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
