"""The loop that schedules passes: one at a time, the first event at once, none put off for ever.

It never dies of a pass. What a pass puts off (a lingering rule, a fight, a failure) and the
looks again after our own writes become wake-ups of their own.
"""

import asyncio
import logging
import resource
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from msgspec import Struct, field

from lvsmarkd.model.backoff import Backoff
from lvsmarkd.model.report import Report, Result
from lvsmarkd.model.token_bucket import TokenBucket, WorkBudget
from lvsmarkd.model.wake import Trigger, Wake

ERROR_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds after a pass that failed, or could not see all, at which it is tried again."""
RECHECKS = (1.0, 5.0, 30.0)
"""Seconds after a write at which we look again: other programs read, wait, and write back."""
STUCK = 120.0
"""Seconds after which a pass cannot be still at work: its calls are bounded far below."""
WAKES = 1000
"""Wake-ups kept for one pass; of a longer storm, the first ones and the first of each trigger tell
enough."""

log = logging.getLogger(__name__)


def cpu_seconds() -> float:
    """What this process and the programs that it ran have taken so far."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


class PassFailedError(Exception):
    """A pass that somebody waited for raised, which is a bug of ours; the journal tells it."""

    def __init__(self) -> None:
        super().__init__("the pass failed: see the journal")


class Loop(Struct):
    """Runs ``pass_once`` for every wake-up, in a thread of its own; ``done`` hears of each.

    ``next_due`` says when (monotonic) something put off is due. ``crashed`` hears of a pass
    that raised, which is a bug of ours.

    It belongs to the event loop's thread: only ``pass_once`` is called from the other one, which
    ``run`` starts, and ``healthy`` may be asked from any.
    """

    pass_once: Callable[[Sequence[Wake]], Report]
    done: Callable[[Report], None]
    next_due: Callable[[], float | None]
    crashed: Callable[[Exception], None]
    queued: Callable[[Wake], None] = lambda _wake: None
    bucket: TokenBucket = field(default_factory=TokenBucket)
    budget: WorkBudget = field(default_factory=lambda: WorkBudget(0.05))
    cpu: Callable[[], float] = cpu_seconds
    _wakes: list[Wake] = field(default_factory=list)
    _event: asyncio.Event = field(default_factory=asyncio.Event)
    _looks: list[float] = field(default_factory=list)
    _backoff: Backoff = field(default_factory=lambda: Backoff(ERROR_DELAYS))
    _busy_since: float | None = None
    _waiters: list[asyncio.Future[Report]] = field(default_factory=list)

    def wake(self, wake: Wake) -> None:
        """Ask for a pass. Call it from the event loop's thread."""
        if len(self._wakes) < WAKES or all(w.trigger is not wake.trigger for w in self._wakes):
            self._wakes.append(wake)
        self.queued(wake)
        self._event.set()

    async def pass_now(self, wake: Wake) -> Report:
        """Ask for a pass that begins from now on, and wait for what it comes to.

        Raises PassFailedError.
        """
        waiter: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self.wake(wake)
        return await waiter

    def healthy(self) -> bool:
        """Whether the loop makes progress."""
        return self._busy_since is None or monotonic() - self._busy_since < STUCK

    def follow(self, cpu_share: float) -> None:
        """Passes may take this much of a core from now on."""
        if cpu_share != self.budget.share:
            self.budget = WorkBudget(cpu_share)

    async def run(self) -> None:
        """Run passes until cancelled; a pass that was begun is waited for."""
        # The thread of the passes. What it may touch: daemon/app.py, reconcile/reconciler.py.
        with ThreadPoolExecutor(1, "pass") as thread:
            await self._run(thread)

    async def _run(self, thread: ThreadPoolExecutor) -> None:
        while True:
            if await self._wait():
                now = monotonic()
                wait, self.bucket = self.bucket.take(now)
                if wait := max(wait, self.budget.wait(now)):
                    await asyncio.sleep(wait)
            wakes, self._wakes = self._wakes, []
            waiters, self._waiters = self._waiters, []
            self._event.clear()
            report = await self._pass(thread, wakes or [Wake(Trigger.RECHECK)])
            for waiter in waiters:
                if waiter.done():
                    continue
                if report is None:
                    waiter.set_exception(PassFailedError())
                else:
                    waiter.set_result(report)

    async def _wait(self) -> bool:
        """Wait for a wake-up or for the next time that is due; tells whether it was the first."""
        now = monotonic()
        retry = self._backoff.until if self._backoff.failures else None
        dues = [*self._looks, retry, self.next_due()]
        due = min((d for d in dues if d is not None), default=None)
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - now)):
                await self._event.wait()
        except TimeoutError:
            return False
        return True

    async def _pass(self, thread: ThreadPoolExecutor, wakes: list[Wake]) -> Report | None:
        self._busy_since = monotonic()
        # Here, not where a pass ends: one that raises must not leave a look that is due for ever.
        self._looks = [look for look in self._looks if look > self._busy_since]
        used = self.cpu()
        work = asyncio.get_running_loop().run_in_executor(thread, self.pass_once, wakes)
        try:
            report = await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise
        except Exception as error:  # noqa: BLE001 - the loop never dies of a pass
            self.crashed(error)
            self._failed(monotonic())
            return None
        finally:
            self._busy_since = None
            self.budget = self.budget.spend(monotonic(), self.cpu() - used)
        self._schedule(report)
        try:
            self.done(report)
        except Exception as error:  # noqa: BLE001 - what cannot be told must not end the daemon
            self.crashed(error)
        return report

    def _schedule(self, report: Report) -> None:
        now = monotonic()
        if report.repairs:
            self._looks = [now + seconds for seconds in RECHECKS]
        if report.result is Result.ERROR or report.blind:
            self._failed(now)
        else:
            self._backoff = self._backoff.over()

    def _failed(self, now: float) -> None:
        """Wait longer where it was due. A pass that something else woke in between may fail as
        often as it likes: else a storm of events would put the next try off.
        """
        if self._backoff.due(now):
            self._backoff = self._backoff.failed(now)
