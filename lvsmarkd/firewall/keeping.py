"""Files that are kept for the operator: whole or not at all, and only for him to read."""

import os
from contextlib import suppress
from pathlib import Path

from lvsmarkd.firewall.backend import FirewallError, Trouble


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


def keep(path: Path, content: bytes) -> None:
    """Write a file of the state directory so that it is there whole or not at all.

    Raises FirewallError (GONE) where that cannot be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, content)
    except OSError as error:
        raise FirewallError(
            Trouble.GONE,
            f"the rules as they are could not be saved to {path} ({error.strerror}), and"
            " nothing is written before they are: make the directory writable",
        ) from error
