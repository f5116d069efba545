"""Files of our own, in directories that may be another user's: read without following links,
written whole or not at all.
"""

import os
from contextlib import suppress
from pathlib import Path

_MOST = 16384
"""Bytes that most such files have at most; a path of keepalived's takes the most of it."""


def read_own(path: Path, most: int = _MOST) -> str:
    """What the file says, up to ``most`` bytes. No link is followed, and nothing waited for, as a
    pipe would have one.

    Raises OSError, and ValueError where it is no text.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    # A directory opens too, and is none that a file object is made of.
    try:
        content = bytearray()
        while len(content) < most and (read := os.read(descriptor, most - len(content))):
            content += read
    finally:
        os.close(descriptor)
    return content.decode()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, for its owner alone. Raises OSError."""
    unfinished = path.with_suffix(".unfinished")
    try:
        # The directory may be another user's: no link of theirs is followed.
        unfinished.unlink(missing_ok=True)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
