"""inotify, by watchdog: directories, each by itself, and what happens to the names in them."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum

from msgspec import Struct
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileClosedNoWriteEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import ObservedWatch  # noqa: TC002 - a name like any other
from watchdog.observers.inotify import InotifyObserver

from lvsmarkd.kernel.files import FileIdentity  # noqa: TC001 - a name like any other
from lvsmarkd.watch.source import SourceFailedError

_NAMES: tuple[type[FileSystemEvent], ...] = (
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
)


_LIMITS = {
    errno.ENOSPC: "inotify has no watch left: raise the sysctl fs.inotify.max_user_watches",
    errno.EMFILE: "inotify has no instance left: raise the sysctl fs.inotify.max_user_instances"
    " (or the limit of open files, LimitNOFILE=)",
}


class InotifyLimitError(SourceFailedError):
    """A limit of inotify is reached; the message names the setting."""


class ContentEvent(Enum):
    """What is asked of the kernel, besides names that come, go and move."""

    WRITTEN = FileClosedEvent
    """Files that were open for writing and are closed now. Not each write: the file is half
    done then. Nor opening and reading: our own would wake us for ever."""
    READ = FileClosedNoWriteEvent
    """Files that were open for reading only and are closed now."""


class FileEvent(Struct, frozen=True):
    """Something happened to these paths."""

    paths: tuple[str, ...]
    renamed: bool
    """A name came, went or moved; otherwise a file's content is what it is about."""


class Directories(FileSystemEventHandler):
    """A set of watched directories. ``tell`` is called from a thread of watchdog's.

    A directory is watched by the identity it had then: one that was deleted and made again
    needs a new watch. A move out of a watched directory is told 0.5 s late (watchdog waits
    for its other half). Raises InotifyLimitError, also from ``watch``.
    """

    def __init__(self, content_event: ContentEvent, tell: Callable[[FileEvent], None]) -> None:
        self._filter: list[type[FileSystemEvent]] = [*_NAMES, content_event.value]
        self._tell = tell
        self._watches: dict[str, tuple[ObservedWatch, FileIdentity]] = {}
        with inotify_limits():
            self._observer = InotifyObserver()
        self._observer.start()

    def watch(self, wanted: Iterable[str]) -> bool:
        """Watch exactly these real directories; tells whether any of the watches is new."""
        wanted = set(wanted)
        for path in self._watches.keys() - wanted:
            self._drop(path)
        new = [self._ensure(path) for path in sorted(wanted)]
        return any(new)

    def forget(self, path: str) -> None:
        """Whatever is at or below ``path`` is not what was watched there."""
        for known in [*self._watches]:
            if known == path or known.startswith(path + "/"):
                self._drop(known)

    def close(self) -> None:
        """Stop, and wait for the threads."""
        self._observer.stop()
        self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog."""
        paths = tuple(os.fsdecode(p) for p in (event.src_path, event.dest_path) if p)
        self._tell(FileEvent(paths, isinstance(event, _NAMES)))

    def _ensure(self, path: str) -> bool:
        try:
            seen = os.stat(path)  # noqa: PTH116 - a text
            identity = (seen.st_dev, seen.st_ino)
            if path in self._watches:
                if self._watches[path][1] == identity:
                    return False
                self._drop(path)
            with inotify_limits():
                watch = self._observer.schedule(self, path, event_filter=self._filter)
        except (FileNotFoundError, NotADirectoryError):
            return True  # it went meanwhile: the way is to be walked again
        self._watches[path] = (watch, identity)
        return True

    def _drop(self, path: str) -> None:
        watch, _identity = self._watches.pop(path)
        self._observer.unschedule(watch)


@contextmanager
def inotify_limits() -> Iterator[None]:
    """Raises InotifyLimitError for an OSError that says so."""
    try:
        yield
    except OSError as error:
        if error.errno not in _LIMITS:
            raise
        raise InotifyLimitError(_LIMITS[error.errno]) from error
