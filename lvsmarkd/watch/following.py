"""A trail kept under watch: the watches move along as links and directories change."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lvsmarkd.watch.directories import Attention, Directories, Happening
from lvsmarkd.watch.trail import Trail

_ROUNDS = 10
"""Walks in a row while things move: whoever renames in a circle gets events anyway."""


@dataclass(slots=True)
class Following:
    """What happens along a trail. ``walk`` walks it anew."""

    walk: Callable[[], Trail]
    directories: Directories
    trail: Trail = field(default_factory=Trail)

    def bisect_rejected(self) -> None:
        """Walk the trail and watch it, until every watch was in place before the walk."""
        for _ in range(_ROUNDS):
            self.trail = self.walk()
            if not self.directories.watch(self.trail.parts):
                return

    def sift(self, happened: list[Happening]) -> list[Happening]:
        """Those that may matter; where they concern names, the watches follow them."""
        concerning = [h for h in happened if any(map(self.trail.concerns, h.paths))]
        renamed = [path for h in concerning if h.renamed for path in h.paths]
        for path in renamed:
            self.directories.forget(path)
        if renamed:
            self.bisect_rejected()
        return concerning


@dataclass(frozen=True, slots=True)
class Inbox:
    """What happened and was not looked at yet; lives in the event loop's thread."""

    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _happened: list[Happening] = field(default_factory=list)

    def put(self, happening: Happening) -> None:
        """Something happened."""
        self._happened.append(happening)
        self.stirred.set()

    async def take(self) -> list[Happening]:
        """Wait until something happened, or somebody stirred; gives all of it."""
        await self.stirred.wait()
        self.stirred.clear()
        happened = [*self._happened]
        self._happened.clear()
        return happened


@contextmanager
def following(walk: Callable[[], Trail], attention: Attention, inbox: Inbox) -> Iterator[Following]:
    """Follow a trail; what happens goes to ``inbox``. Raises InotifyLimitError."""
    loop = asyncio.get_running_loop()

    def tell(happening: Happening) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(inbox.put, happening)

    with contextlib.closing(Directories(attention, tell)) as directories:
        followed = Following(walk, directories)
        followed.bisect_rejected()
        yield followed
