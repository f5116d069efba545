"""Whether files changed, without reading them."""

import glob
import os
from collections.abc import Iterable

Stamp = tuple[int, int, int, int, int] | None
Stamps = dict[str, Stamp]


def stamps_of(files: Iterable[str], lookups: Iterable[str]) -> Stamps:
    """What the file system says of each file, and of each that matches a lookup now."""
    matching = (name for pattern in lookups for name in glob.glob(pattern))  # noqa: PTH207 - absolute patterns
    return {name: _stamp(name) for name in sorted({*files, *matching})}


def _stamp(name: str) -> Stamp:
    try:
        seen = os.stat(name)  # noqa: PTH116 - called for every file of every pass
    except OSError:
        return None
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
