"""What a source of wake-ups is, and how one that failed comes back."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from lvsmarkd.model.backoff import Backoff
from lvsmarkd.model.wake import Trigger, Wake

RESTARTS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before a failed source is started again: after the first failure in a row, the
second, and so on; the last one for ever."""
IN_PLACE = 0.5
"""Seconds after which a source that was started again is taken to hear what happens."""


class WakeSource(Protocol):
    """Something that tells when to look."""

    @property
    def name(self) -> str:
        """A short name for metrics and journal."""

    async def run(self, wake: Callable[[Wake], None]) -> None:
        """Wake until cancelled, from the event loop's thread. Raises when it cannot go on."""


class SourceHealth(Protocol):
    """Who wants to know how the sources are. Called from the event loop's thread."""

    def up(self, name: str) -> None:
        """The source hears everything from now on."""

    def down(self, name: str, reason: str) -> None:
        """The source hears nothing, or less than it should; ``reason`` says what to do."""

    def overrun(self, name: str) -> None:
        """More happened than the source could take; it woke, and goes on."""


class SourceFailedError(Exception):
    """A source cannot work; the message is a sentence for the operator."""


async def keep(
    source: WakeSource,
    wake: Callable[[Wake], None],
    health: SourceHealth,
    restarts: tuple[float, ...] = RESTARTS,
) -> None:
    """Run a source for ever: report a failure, wait, start it again.

    Each new start is followed by a wake-up, once the source is in place: what happened while
    it was down was heard by nobody.
    """
    backoff = Backoff(restarts)
    while True:
        began = monotonic()
        run = asyncio.ensure_future(source.run(wake))
        try:
            if backoff.failures:
                await asyncio.wait([run], timeout=IN_PLACE)
                wake(Wake(Trigger.RECHECK))
            await run
            reason = "it ended by itself"
        except SourceFailedError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - no source ever ends the daemon
            reason = f"{type(error).__name__}: {error}"
        finally:
            run.cancel()
            await asyncio.wait([run])
        if monotonic() - began > restarts[-1]:
            backoff = backoff.over()
        health.down(source.name, reason)
        backoff = backoff.failed(monotonic())
        await asyncio.sleep(backoff.delay)
