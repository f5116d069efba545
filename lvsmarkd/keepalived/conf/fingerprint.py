"""Whether anything that a reading rests on has changed since."""

from pathlib import Path

from lvsmarkd.keepalived.conf.globbing import matches_of
from lvsmarkd.model.keepalived import Reading

_Status = tuple[int, int, int, int, int]


def fingerprint(reading: Reading) -> object:
    """A value that compares equal as long as the files of ``reading`` have not changed.

    It looks at the files as they are now: status of each, and matches of each include. To
    miss no change, take it *before* reading anew and keep it with the new reading; a change
    in between then shows the next time.
    """
    return (
        tuple(_status(file) for file in reading.files),
        tuple(tuple(matches_of(lookup).names) for lookup in reading.lookups),
    )


def changed_since(reading: Reading, when: int) -> bool:
    """Whether a file of ``reading`` was changed at, or after, a time (ns since the epoch)."""
    seen = (_status(file) for file in reading.files)
    return any(status is not None and max(status[3:]) >= when for status in seen)


def _status(file: str) -> _Status | None:
    try:
        status = Path(file).stat()
    except (OSError, ValueError):
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
