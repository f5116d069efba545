"""inotify on one file that has no name, only an open descriptor in another process.

watchdog watches names in directories; a link of /proc/PID/fd leads to no name. So its binding
is used here without its observers: one watch, heard by the event loop.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from watchdog.observers.inotify_c import (
    InotifyConstants,
    inotify_add_watch,
    inotify_init,
)

from lvsmarkd.watch.directories import inotify_limits

_CHANGES = (
    InotifyConstants.IN_MODIFY | InotifyConstants.IN_CLOSE_WRITE | InotifyConstants.IN_DELETE_SELF
)
_ENOUGH = 1 << 16
"""Bytes of events read at once; what they say does not matter, only that there are some."""


@contextmanager
def inode_changes(path: str, tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` in the event loop's thread for what happens to the file behind ``path``.

    A memfd tells of being cut (a reload begins with that) and of its end; of being written
    only before Linux 6.14. Raises OSError where it cannot be watched, InotifyLimitError at
    inotify's limits.
    """
    with inotify_limits():
        events = _checked(inotify_init())
    try:
        os.set_inheritable(events, False)  # noqa: FBT003 - it has no name
        os.set_blocking(events, False)
        with inotify_limits():
            _checked(inotify_add_watch(events, os.fsencode(path), _CHANGES))
        loop = asyncio.get_running_loop()
        loop.add_reader(events, _heard, events, tell)
        try:
            yield
        finally:
            loop.remove_reader(events)
    finally:
        os.close(events)


def _heard(events: int, tell: Callable[[], None]) -> None:
    os.read(events, _ENOUGH)
    tell()


def _checked(result: int) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
