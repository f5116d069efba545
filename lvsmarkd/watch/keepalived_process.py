"""keepalived itself: a wake-up when it starts, ends, or reads its configuration again.

Its end is told by the kernel (pidfd), a reload by its copy of the configuration, which it
empties first, a start by its pid file. What none of these tells, a look every few seconds does.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from lvsmarkd.keepalived.process.discovery import PID_FILES, PID_LOOKUPS, TICKS, find_keepalived
from lvsmarkd.model.running import Running, RunningKeepalived
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.directories import ContentEvent, InotifyLimitError
from lvsmarkd.watch.path_watcher import EventQueue, PathWatcher, watch_paths
from lvsmarkd.watch.process_watch import ProcessWatch, watch_process
from lvsmarkd.watch.source import SourceHealth
from lvsmarkd.watch.watched_paths import WatchedPaths, paths_to_watch


def _find(known: Running | None) -> Running:
    return find_keepalived(known=known)


class KeepalivedProcess(Struct, frozen=True):
    """Wakes for the running keepalived. ``find`` looks for it, given what was found before.

    ``run_directory`` is where pid files come. ``poll`` is the time in seconds between two looks
    where nothing is told. A process or a copy that is younger than ``fresh`` seconds at the
    first look wakes: it may have come after the first pass.
    """

    health: SourceHealth
    find: Callable[[Running | None], Running] = _find
    run_directory: Path = Path("/run")
    poll: float = 15.0
    fresh: float = 2.0

    @property
    def name(self) -> str:
        """Its name."""
        return "keepalived"

    async def run(self, wake: Callable[[Wake], None]) -> None:
        """Wake until cancelled."""
        queue = EventQueue()
        with self._pid_files(queue) as pid_files, ExitStack() as watches:
            process = ProcessWatch()
            known: Running | None = None
            said: str | None = None
            while True:
                found = await asyncio.to_thread(self.find, known)
                changed = found != known
                if not (same := _same(found, known)) or not process.whole:
                    watches.close()
                    process = ProcessWatch()
                    if isinstance(found, RunningKeepalived) and found.elsewhere is not True:
                        process = watches.enter_context(watch_process(found, queue.pending.set))
                if not same:
                    queue.pending.set()  # what happened before it was watched, a look tells
                changed = await process.reread() or changed
                if self._is_fresh(found, process) if known is None else changed:
                    wake(Wake(Trigger.KEEPALIVED))
                known = found
                said = self._say(pid_files.trouble, found, process, said)
                await self._wait(queue, pid_files.watched)

    async def _wait(self, queue: EventQueue, watched: PathWatcher | None) -> None:
        """Wait until a look is worth it."""
        try:
            async with asyncio.timeout(self.poll):
                events = await queue.take()
        except TimeoutError:
            return
        if watched is not None:
            watched.relevant(events)

    def _say(
        self, trouble: str | None, found: Running, process: ProcessWatch, said: str | None
    ) -> str:
        """Tell how much is heard, where that changed; gives what was told."""
        hidden = found.reason if isinstance(found, Unknown) else None
        now = "; ".join(filter(None, (trouble, hidden, process.trouble)))
        if now != said:
            if now:
                self.health.down(self.name, now)
            else:
                self.health.up(self.name)
        return now

    def _is_fresh(self, found: Running, process: ProcessWatch) -> bool:
        if not isinstance(found, RunningKeepalived):
            return False
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - found.started / TICKS
        read = time.time() - process.stamp[0] / 1e9 if process.stamp else age
        return min(age, read) < self.fresh

    @contextmanager
    def _pid_files(self, queue: EventQueue) -> Iterator["_PidFiles"]:
        """The places of pid files under watch, or looked at only, at inotify's limits."""
        with ExitStack() as stack:
            watched = trouble = None
            try:
                watched = stack.enter_context(watch_paths(self._walk, ContentEvent.WRITTEN, queue))
            except InotifyLimitError as error:
                trouble = f"{error}; until then keepalived is looked for every {self.poll:g} s"
            yield _PidFiles(watched, trouble)

    def _walk(self) -> WatchedPaths:
        files = tuple(str(self.run_directory / name) for name in PID_FILES)
        return paths_to_watch(files, tuple(str(self.run_directory / name) for name in PID_LOOKUPS))


class _PidFiles(Struct, frozen=True):
    watched: PathWatcher | None
    trouble: str | None


def _same(one: Running, other: Running | None) -> bool:
    return one.same_process(other) if isinstance(one, RunningKeepalived) else one == other
