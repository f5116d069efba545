"""keepalived itself: a wake-up when it starts, ends, or reads its configuration again.

Its end is told by the kernel (pidfd), a reload by its copy of the configuration, which it
empties first, a start by its pid file. What none of these tells, a look every few seconds does.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lvsmarkd.keepalived.process.discovery import PID_FILES, PID_LOOKUPS, TICKS, find_keepalived
from lvsmarkd.model.running import Running, RunningKeepalived
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.attached import Attached, attached
from lvsmarkd.watch.directories import Attention, InotifyLimitError
from lvsmarkd.watch.following import Following, Inbox, following
from lvsmarkd.watch.source import Listener
from lvsmarkd.watch.trail import Trail, trail_of


def _find(known: Running | None) -> Running:
    return find_keepalived(known=known)


@dataclass(frozen=True, slots=True)
class KeepalivedProcess:
    """Wakes for the running keepalived. ``find`` looks for it, given what was found before.

    ``run_directory`` is where pid files come. ``poll`` is the time in seconds between two looks
    where nothing is told. A process or a copy that is younger than ``fresh`` seconds at the
    first look wakes: it may have come after the first pass.
    """

    listener: Listener
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
        inbox = Inbox()
        with self._pid_files(inbox) as places, ExitStack() as watches:
            process = Attached()
            known: Running | None = None
            said: str | None = None
            while True:
                found = await asyncio.to_thread(self.find, known)
                changed = found != known
                if not (same := _same(found, known)) or not process.whole:
                    watches.close()
                    process = Attached()
                    if isinstance(found, RunningKeepalived) and found.elsewhere is not True:
                        process = watches.enter_context(attached(found, inbox.stirred.set))
                if not same:
                    inbox.stirred.set()  # what happened before it was watched, a look tells
                changed = await process.reread() or changed
                if self._is_fresh(found, process) if known is None else changed:
                    wake(Wake(Trigger.KEEPALIVED))
                known = found
                said = self._say(places.trouble, found, process, said)
                await self._wait(inbox, places.watched)

    async def _wait(self, inbox: Inbox, watched: Following | None) -> None:
        """Wait until a look is worth it."""
        try:
            async with asyncio.timeout(self.poll):
                happened = await inbox.take()
        except TimeoutError:
            return
        if watched is not None:
            watched.sift(happened)

    def _say(self, trouble: str | None, found: Running, process: Attached, said: str | None) -> str:
        """Tell how much is heard, where that changed; gives what was told."""
        hidden = found.reason if isinstance(found, Unknown) else None
        now = "; ".join(filter(None, (trouble, hidden, process.trouble)))
        if now != said:
            if now:
                self.listener.down(self.name, now)
            else:
                self.listener.up(self.name)
        return now

    def _is_fresh(self, found: Running, process: Attached) -> bool:
        if not isinstance(found, RunningKeepalived):
            return False
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - found.started / TICKS
        read = time.time() - process.stamp[0] / 1e9 if process.stamp else age
        return min(age, read) < self.fresh

    @contextmanager
    def _pid_files(self, inbox: Inbox) -> Iterator["_Places"]:
        """The places of pid files under watch, or looked at only, at inotify's limits."""
        with ExitStack() as stack:
            watched = trouble = None
            try:
                watched = stack.enter_context(following(self._walk, Attention.WRITTEN, inbox))
            except InotifyLimitError as error:
                trouble = f"{error}; until then keepalived is looked for every {self.poll:g} s"
            yield _Places(watched, trouble)

    def _walk(self) -> Trail:
        files = tuple(str(self.run_directory / name) for name in PID_FILES)
        return trail_of(files, tuple(str(self.run_directory / name) for name in PID_LOOKUPS))


@dataclass(frozen=True, slots=True)
class _Places:
    watched: Following | None
    trouble: str | None


def _same(one: Running, other: Running | None) -> bool:
    return one.same_process(other) if isinstance(one, RunningKeepalived) else one == other
