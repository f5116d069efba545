"""Paths kept under watch: the watches move along as links and directories change."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct, field

from lvsmarkd.watch.directories import ContentEvent, Directories, FileEvent
from lvsmarkd.watch.watched_paths import WatchedPaths

_ROUNDS = 10
"""Walks in a row while things move: whoever renames in a circle gets events anyway."""


class PathWatcher(Struct):
    """What happens to some paths. ``walk`` finds anew what is to be watched for them."""

    walk: Callable[[], WatchedPaths]
    directories: Directories
    watched_paths: WatchedPaths = field(default_factory=WatchedPaths)

    def renew_watches(self) -> None:
        """Walk and watch, until every watch was in place before the walk."""
        for _ in range(_ROUNDS):
            self.watched_paths = self.walk()
            if not self.directories.watch(self.watched_paths.by_directory):
                return

    def relevant(self, events: list[FileEvent]) -> list[FileEvent]:
        """Those that may matter; where they concern names, the watches follow them."""
        concerning = [
            event for event in events if any(map(self.watched_paths.concerns, event.paths))
        ]
        renamed = [path for event in concerning if event.renamed for path in event.paths]
        for path in renamed:
            self.directories.forget(path)
        if renamed:
            self.renew_watches()
        return concerning


class EventQueue(Struct, frozen=True):
    """What happened and was not looked at yet; lives in the event loop's thread."""

    pending: asyncio.Event = field(default_factory=asyncio.Event)
    _events: list[FileEvent] = field(default_factory=list)

    def put(self, event: FileEvent) -> None:
        """Something happened."""
        self._events.append(event)
        self.pending.set()

    async def take(self) -> list[FileEvent]:
        """Wait until something happened, or ``pending`` was set; gives all of it."""
        await self.pending.wait()
        self.pending.clear()
        events = [*self._events]
        self._events.clear()
        return events


@contextmanager
def watch_paths(
    walk: Callable[[], WatchedPaths], content_event: ContentEvent, queue: EventQueue
) -> Iterator[PathWatcher]:
    """Watch paths; what happens goes to ``queue``. Raises InotifyLimitError."""
    loop = asyncio.get_running_loop()

    def tell(event: FileEvent) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(queue.put, event)

    with contextlib.closing(Directories(content_event, tell)) as directories:
        followed = PathWatcher(walk, directories)
        followed.renew_watches()
        yield followed
