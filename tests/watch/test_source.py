"""The timer, and the keeping of sources that fail."""

import asyncio
from collections.abc import Callable
from random import Random

from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.source import SourceFailedError, keep
from lvsmarkd.watch.timer import JITTER, Timer
from tests.watch.hearing import Hearing, running


class _Longest(Random):
    """Gives the upper end of a range."""

    def uniform(self, a: float, b: float) -> float:
        self.asked = (a, b)
        return b


class _Fails:
    """Fails so many times, each in another way, then works."""

    name = "fails"

    def __init__(self, hearing: Hearing, *failures: Exception | None) -> None:
        self.hearing = hearing
        self.failures = list(failures)
        self.ended = False

    async def run(self, wake: Callable[[Wake], None]) -> None:  # noqa: ARG002 - it has to
        if self.failures:
            failure = self.failures.pop(0)
            if failure is None:
                return
            raise failure
        self.hearing.up(self.name)
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


def test_the_timer_wakes_again_and_again() -> None:
    async def check() -> None:
        hearing = Hearing()
        timer = Timer(hearing, 0.01, _Longest())
        async with running(timer, hearing):
            await hearing.until(lambda: len(hearing.wakes) >= 3)
        assert set(hearing.wakes) == {Wake(Trigger.TIMER)}

    asyncio.run(check())


def test_the_timer_jitters_and_takes_another_pace() -> None:
    async def check() -> None:
        hearing = Hearing()
        random = _Longest()
        timer = Timer(hearing, 0.01, random)
        async with running(timer, hearing):
            await hearing.until(lambda: hearing.wakes)
            timer.seconds = 60.0
            await hearing.calm()
            await hearing.silence()
        assert random.asked == (1 - JITTER, 1 + JITTER)

    asyncio.run(check())


def test_a_source_that_fails_is_started_again_and_wakes_once_it_is_in_place() -> None:
    async def check() -> None:
        hearing = Hearing()
        source = _Fails(hearing, SourceFailedError("why"), ValueError("bug"), None)
        task = asyncio.create_task(keep(source, hearing.wake, hearing, (0.0, 0.01)))
        await hearing.until(lambda: hearing.ups and len(hearing.wakes) == 3)
        assert hearing.downs == [
            ("fails", "why"),
            ("fails", "ValueError: bug"),
            ("fails", "it ended by itself"),
        ]
        assert set(hearing.wakes) == {Wake(Trigger.RECHECK)}
        task.cancel()
        await asyncio.wait([task])
        assert source.ended

    asyncio.run(check())


def test_a_source_that_works_is_left_alone() -> None:
    async def check() -> None:
        hearing = Hearing()
        task = asyncio.create_task(keep(_Fails(hearing), hearing.wake, hearing))
        await hearing.until(lambda: hearing.ups)
        await hearing.silence()
        assert hearing.downs == []
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(check())
