"""A file, as the kernel tells of it: which one it is, and whether it has changed."""

import glob
import os
from collections.abc import Iterable, Mapping

from lvsmarkd.model.shortage import is_shortage

FileIdentity = tuple[int, int]
"""Device and inode: two paths of the same identity lead to the same file."""

FileStamp = tuple[int, int, int, int, int]
"""What differs once a file was changed: device, inode, size, and when (ns since the epoch) it
was written and its inode was. Reading a file changes none of it."""

FileStamps = Mapping[str, FileStamp | None]
"""The stamps of some files by their paths."""


def file_identity(path: str | os.PathLike[str]) -> FileIdentity | None:
    """Which file a path leads to; None where it leads to none, or we may not know.

    Raises OSError where descriptors or memory are lacking: that tells nothing of the file.
    """
    try:
        seen = os.stat(path)  # noqa: PTH116 - a text as often as not
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if is_shortage(error):
            raise
        return None
    return seen.st_dev, seen.st_ino


def file_stamp(path: str | os.PathLike[str]) -> FileStamp | None:
    """The state of a file now; None where it is not there, or we may not know."""
    try:
        seen = os.stat(path)  # noqa: PTH116 - called for every file of every pass
    except (OSError, ValueError):
        return None
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def stamps_of(files: Iterable[str], lookups: Iterable[str]) -> FileStamps:
    """The stamp of each file, and of each that matches an absolute glob pattern now."""
    matching = (name for pattern in lookups for name in glob.glob(pattern))  # noqa: PTH207 - absolute patterns
    return {name: file_stamp(name) for name in sorted({*files, *matching})}
