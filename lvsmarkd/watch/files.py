"""The operator's files: a wake-up for every change of what we read, and for nothing else."""

import asyncio
from collections.abc import Callable
from time import time

from msgspec import Struct, field

from lvsmarkd.kernel.files import FileStamps
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.directories import ContentEvent, InotifyLimitError
from lvsmarkd.watch.path_watcher import EventQueue, watch_paths
from lvsmarkd.watch.source import SourceHealth
from lvsmarkd.watch.watched_paths import WatchedPaths, paths_to_watch


class _FollowRequest(Struct, frozen=True):
    """What is to be followed: absolute paths and absolute glob patterns."""

    files: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()
    stamps: FileStamps = field(default_factory=dict)
    """How the files were when this was asked for."""
    fresh: bool = False

    def watched_paths(self) -> WatchedPaths:
        """The way to them, as things are now."""
        return paths_to_watch(self.files, self.lookups)


class Files(Struct):
    """Follows files and patterns, through links and directories that come and go.

    A file that is new to it and was changed less than ``fresh`` seconds ago wakes: it may have
    been changed after it was read, or looked for in vain. Where inotify's limits are reached,
    it looks at the files every ``poll`` seconds instead, and tries inotify again every
    ``retry`` seconds.
    """

    health: SourceHealth
    fresh: float = 2.0
    poll: float = 2.0
    retry: float = 60.0
    _asked: _FollowRequest = field(default_factory=_FollowRequest)
    _followed: _FollowRequest = field(default_factory=_FollowRequest)
    _stamps: FileStamps = field(default_factory=dict)
    _queue: EventQueue = field(default_factory=EventQueue)
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return "files"

    def follow(self, files: tuple[str, ...], lookups: tuple[str, ...]) -> None:
        """Follow these from now on: those that were just read. May be called from any thread.

        Wakes if one of them changed since, or may have.
        """
        if (files, lookups) == (self._asked.files, self._asked.lookups):
            return
        stamps = paths_to_watch(files, lookups).stamps()
        since = (time() - self.fresh) * 1e9
        new = (stamp for end, stamp in stamps.items() if end not in self._stamps)
        fresh = any(stamp is not None and stamp[-1] > since for stamp in new)
        # One assignment: what the event loop's thread sees is whole.
        self._asked = _FollowRequest(files, lookups, stamps, fresh)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.pending.set)

    async def run(self, wake: Callable[[Wake], None]) -> None:
        """Wake until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            try:
                await self._observe(wake)
            except InotifyLimitError as error:
                instead = f"until then the files are looked at every {self.poll:g} s"
                self.health.down(self.name, f"{error}; {instead}")
                await self._poll(wake)

    async def _observe(self, wake: Callable[[Wake], None]) -> None:
        maybe = self._turn()
        with watch_paths(self._walk, ContentEvent.WRITTEN, self._queue) as watched:
            self.health.up(self.name)
            while True:
                # No event tells of what was before the watch. And no stamp tells two writes
                # within one tick of the file system's clock from one.
                stamps, self._stamps = self._stamps, watched.watched_paths.stamps()
                if maybe or stamps != self._stamps:
                    wake(Wake(Trigger.FILE))
                maybe = bool(watched.relevant(await self._queue.take()))
                if self._asked is not self._followed:
                    maybe |= self._turn()
                    watched.renew_watches()

    async def _poll(self, wake: Callable[[Wake], None]) -> None:
        looks = max(1, round(self.retry / self.poll))
        for _ in range(looks):
            await asyncio.sleep(self.poll)
            maybe = self._turn()
            stamps, self._stamps = self._stamps, self._walk().stamps()
            if maybe or stamps != self._stamps:
                wake(Wake(Trigger.FILE))

    def _turn(self) -> bool:
        """Turn to what was asked for last; tells whether it may have changed before that."""
        if self._asked is self._followed:
            return False
        self._followed = self._asked
        self._stamps = self._followed.stamps
        return self._followed.fresh

    def _walk(self) -> WatchedPaths:
        return self._followed.watched_paths()
