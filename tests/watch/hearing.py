"""What a source under test said, and waiting for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from lvsmarkd.model.wake import Wake
from lvsmarkd.watch.source import WakeSource

PATIENCE = 5.0
QUIET = 0.2
"""Seconds without a word that are taken for silence: a wake-up takes some milliseconds."""


@dataclass(slots=True)
class Hearing:
    wakes: list[Wake] = field(default_factory=list)
    ups: list[str] = field(default_factory=list)
    downs: list[tuple[str, str]] = field(default_factory=list)
    overruns: list[str] = field(default_factory=list)

    def wake(self, wake: Wake) -> None:
        self.wakes.append(wake)

    def up(self, name: str) -> None:
        self.ups.append(name)

    def down(self, name: str, reason: str) -> None:
        self.downs.append((name, reason))

    def overrun(self, name: str) -> None:
        self.overruns.append(name)

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not what():
                await asyncio.sleep(0.002)

    async def silence(self) -> None:
        """Nothing was said, and nothing is."""
        await asyncio.sleep(QUIET)
        assert self.wakes == []

    async def calm(self) -> None:
        """Wait until nothing more is said, then forget it."""
        said = -1
        while said != len(self.wakes):
            said = len(self.wakes)
            await asyncio.sleep(QUIET / 2)
        self.wakes.clear()


@asynccontextmanager
async def running(source: WakeSource, hearing: Hearing) -> AsyncIterator[None]:
    task = asyncio.create_task(source.run(hearing.wake))
    try:
        await hearing.until(lambda: hearing.ups or task.done())
        if task.done():
            await task
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
