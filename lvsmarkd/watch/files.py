"""The operator's files: a wake-up for every change of what we read, and for nothing else."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import time

from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.directories import Attention, InotifyLimitError
from lvsmarkd.watch.following import Inbox, following
from lvsmarkd.watch.source import Listener
from lvsmarkd.watch.trail import Stamps, Trail, trail_of


@dataclass(frozen=True, slots=True)
class _Request:
    """What is to be followed: absolute paths and absolute glob patterns."""

    files: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()
    stamps: Stamps = field(default_factory=dict, compare=False)
    """How the files were when this was asked for."""
    fresh: bool = field(default=False, compare=False)

    def trail(self) -> Trail:
        """The way to them, as things are now."""
        return trail_of(self.files, self.lookups)


@dataclass(slots=True)
class Files:
    """Follows files and patterns, through links and directories that come and go.

    A file that is new to it and was changed less than ``fresh`` seconds ago wakes: it may have
    been changed after it was read, or looked for in vain. Where inotify's limits are reached,
    it looks at the files every ``poll`` seconds instead, and tries inotify again every
    ``retry`` seconds.
    """

    listener: Listener
    fresh: float = 2.0
    poll: float = 2.0
    retry: float = 60.0
    _asked: _Request = field(default_factory=_Request)
    _followed: _Request = field(default_factory=_Request)
    _stamps: Stamps = field(default_factory=dict)
    _inbox: Inbox = field(default_factory=Inbox)
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return "files"

    def follow(self, files: tuple[str, ...], lookups: tuple[str, ...]) -> None:
        """Follow these from now on: those that were just read. May be called from any thread.

        Wakes if one of them changed since, or may have.
        """
        request = _Request(files, lookups)
        if request == self._asked:
            return
        stamps = request.trail().stamps()
        since = (time() - self.fresh) * 1e9
        new = (stamp for end, stamp in stamps.items() if end not in self._stamps)
        fresh = any(stamp is not None and stamp[-1] > since for stamp in new)
        # One assignment: what the event loop's thread sees is whole.
        self._asked = _Request(files, lookups, stamps, fresh)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._inbox.stirred.set)

    async def run(self, wake: Callable[[Wake], None]) -> None:
        """Wake until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            try:
                await self._observe(wake)
            except InotifyLimitError as error:
                instead = f"until then the files are looked at every {self.poll:g} s"
                self.listener.down(self.name, f"{error}; {instead}")
                await self._poll(wake)

    async def _observe(self, wake: Callable[[Wake], None]) -> None:
        maybe = self._turn()
        with following(self._walk, Attention.WRITTEN, self._inbox) as watched:
            self.listener.up(self.name)
            while True:
                # No event tells of what was before the watch. And no stamp tells two writes
                # within one tick of the file system's clock from one.
                stamps, self._stamps = self._stamps, watched.trail.stamps()
                if maybe or stamps != self._stamps:
                    wake(Wake(Trigger.FILE))
                maybe = bool(watched.sift(await self._inbox.take()))
                if self._asked is not self._followed:
                    maybe |= self._turn()
                    watched.bisect_rejected()

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

    def _walk(self) -> Trail:
        return self._followed.trail()
