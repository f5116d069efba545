"""The slow full check: it finds what no event told of."""

import asyncio
from collections.abc import Callable
from random import Random

from msgspec import Struct

from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.source import SourceHealth

JITTER = 0.1
"""Part of the time by which each round is longer or shorter, so that a fleet of directors
that was started together does not look together for ever."""


class Timer(Struct):
    """Wakes every ``seconds``, give or take; a new value counts from the next round on."""

    health: SourceHealth
    seconds: float
    random: Random

    @property
    def name(self) -> str:
        """Its name."""
        return "timer"

    async def run(self, wake: Callable[[Wake], None]) -> None:
        """Wake until cancelled."""
        self.health.up(self.name)
        while True:
            await asyncio.sleep(self.seconds * self.random.uniform(1 - JITTER, 1 + JITTER))
            wake(Wake(Trigger.TIMER))
