"""The loop: the first event at once, storms in gulps, looks again, no pass ever kills it."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from lvsmarkd.daemon.loop import Loop
from lvsmarkd.model.plan import AddRule, Plan
from lvsmarkd.model.report import Cause, Mode, Repair, Report, Result
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.wake import Trigger, Wake
from tests.harness.values import declare, flow, want

QUIET = Report(Trigger.TIMER, Result.IN_SYNC, Mode.ENFORCE, "paper", "1", Plan(), Plan())
[RULE] = want(declare(80, flow("192.0.2.1", 80))).rules
REPAIRED = replace(
    QUIET,
    result=Result.REPAIRED,
    repairs=(
        Repair(AddRule(ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING), RULE), Cause.DRIFT),
    ),
)


class Played:
    """A loop whose passes are played; what happened is written down."""

    def __init__(self, play: Callable[[int], Report], due: Callable[[], float | None]) -> None:
        self.passes: list[tuple[float, list[Wake]]] = []
        self.reports: list[Report] = []
        self.crashes: list[Exception] = []
        self.play = play
        self.loop = Loop(self.once, self.reports.append, due, self.crashes.append)

    def once(self, wakes: Sequence[Wake]) -> Report:
        self.passes.append((time.monotonic(), list(wakes)))
        return self.play(len(self.passes))


async def played(
    script: Callable[[Played], "asyncio.Future[None] | asyncio.Task[None]"],
    play: Callable[[int], Report] = lambda _n: QUIET,
    due: Callable[[], float | None] = lambda: None,
) -> Played:
    stage = Played(play, due)
    running = asyncio.create_task(stage.loop.run())
    async with asyncio.timeout(10):
        await script(stage)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return stage


def run(
    script: Callable[[Played], object],
    play: Callable[[int], Report] = lambda _n: QUIET,
    due: Callable[[], float | None] = lambda: None,
) -> Played:
    return asyncio.run(played(script, play, due))  # type: ignore[arg-type] # a coroutine function


async def passes(stage: Played, count: int) -> None:
    while len(stage.reports) + len(stage.crashes) < count:
        await asyncio.sleep(0.001)


def test_the_first_event_acts_at_once() -> None:
    async def script(stage: Played) -> None:
        await asyncio.sleep(0.05)
        start = time.monotonic()
        stage.loop.wake(Wake(Trigger.NETLINK))
        await passes(stage, 1)
        assert time.monotonic() - start < 0.1

    assert [w.trigger for w in run(script).passes[0][1]] == [Trigger.NETLINK]


def test_a_storm_is_taken_in_gulps_and_no_event_is_lost() -> None:
    sent = 3000

    async def script(stage: Played) -> None:
        for _ in range(sent):
            stage.loop.wake(Wake(Trigger.NETLINK))
            await asyncio.sleep(0)
        await asyncio.sleep(0.3)

    stage = run(script)
    assert 1 <= len(stage.passes) <= 14
    assert stage.passes[-1][1]


def test_an_event_during_a_pass_leads_to_another_pass() -> None:
    gate = threading.Event()

    def play(number: int) -> Report:
        if number == 1:
            gate.wait(5)
        return QUIET

    async def script(stage: Played) -> None:
        stage.loop.wake(Wake(Trigger.STARTUP))
        while not stage.passes:
            await asyncio.sleep(0.001)
        stage.loop.wake(Wake(Trigger.FILE))
        gate.set()
        await passes(stage, 2)

    assert [w.trigger for w in run(script, play).passes[1][1]] == [Trigger.FILE]


def test_wakes_while_passes_fail_do_not_put_the_next_try_off() -> None:
    def play(_number: int) -> Report:
        return replace(QUIET, result=Result.ERROR)

    async def script(stage: Played) -> None:
        for number in range(1, 6):
            stage.loop.wake(Wake(Trigger.NETLINK))
            await passes(stage, number)
        await asyncio.sleep(1.3)

    tries = [at for at, wakes in run(script, play).passes if wakes[0].trigger is Trigger.RECHECK]
    assert len(tries) == 1


def test_passes_that_raise_after_a_repair_are_tried_again_with_growing_delay() -> None:
    def play(number: int) -> Report:
        if number == 1:
            return REPAIRED
        raise ValueError("a bug of ours")

    async def script(stage: Played) -> None:
        stage.loop.wake(Wake(Trigger.STARTUP))
        await passes(stage, 2)  # the look again after the repair, a second later
        await asyncio.sleep(1.5)

    assert len(run(script, play).passes) <= 3


def test_a_pass_that_raises_is_a_bug_that_the_loop_survives() -> None:
    def play(number: int) -> Report:
        if number == 1:
            raise ValueError("a bug of ours")
        return QUIET

    async def script(stage: Played) -> None:
        stage.loop.wake(Wake(Trigger.STARTUP))
        await passes(stage, 2)  # the second comes by itself, a second later

    stage = run(script, play)
    assert [str(crash) for crash in stage.crashes] == ["a bug of ours"]
    assert [w.trigger for w in stage.passes[1][1]] == [Trigger.RECHECK]


def test_it_looks_again_a_second_after_a_write() -> None:
    async def script(stage: Played) -> None:
        stage.loop.wake(Wake(Trigger.NETLINK))
        await passes(stage, 2)

    stage = run(script, lambda n: REPAIRED if n == 1 else QUIET)
    assert 0.9 < stage.passes[1][0] - stage.passes[0][0] < 3


def test_all_passes_are_made_in_one_thread_which_is_not_the_loops() -> None:
    threads: set[threading.Thread] = set()

    def play(_number: int) -> Report:
        threads.add(threading.current_thread())
        return QUIET

    async def script(stage: Played) -> None:
        for count in range(1, 4):
            stage.loop.wake(Wake(Trigger.NETLINK))
            await passes(stage, count)
            await asyncio.to_thread(time.sleep, 0.001)  # somebody else's work in a thread

    run(script, play)
    assert len(threads) == 1
    assert threading.main_thread() not in threads


def test_what_was_put_off_is_done_when_it_is_due() -> None:
    due = time.monotonic() + 0.2

    async def script(stage: Played) -> None:
        await passes(stage, 1)

    stage = run(script, due=lambda: due if time.monotonic() < due else None)
    assert stage.passes[0][0] >= due


def test_asking_for_a_pass_waits_for_one_that_began_after_the_question() -> None:
    async def script(stage: Played) -> None:
        assert await stage.loop.pass_now(Wake(Trigger.CONTROL)) is QUIET

    run(script)


def test_a_pass_that_was_begun_is_ended_before_the_loop_is() -> None:
    ended = threading.Event()

    def play(_number: int) -> Report:
        time.sleep(0.2)
        ended.set()
        return QUIET

    async def script(stage: Played) -> None:
        stage.loop.wake(Wake(Trigger.STARTUP))
        while not stage.passes:
            await asyncio.sleep(0.001)

    run(script, play)
    assert ended.is_set()
