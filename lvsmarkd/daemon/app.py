"""The daemon: everything wired together, from the first pass to the last word.

Threads, and what each may touch:

the event loop's      all of the daemon: App, Loop, Telemetry, Watchers, Pause, the control socket.
                      Of the reconciler and its inputs only ``next_due``, ``settings``, ``files``
                      and ``lookups``, between two passes (``_done``), and ``look``, which is
                      frozen, at any time
of the passes         Reconciler.run with the inputs, the backend and the state (see there). It
                      starts in Loop.run, is one for all passes, and touches of the rest only
                      Pause.active, OwnWriters.add and the methods of Telemetry that say so
of HTTP               starts in telemetry/http.py: reads Metrics, under its lock, and
                      Telemetry.health
of D-Bus              starts in backends/firewalld/client/adapter.py, with its own loop; others
                      reach it by the adapter's methods, which wait for its answer
of inotify            starts in watch/directories.py: only passes on what it hears
of the look-ups       asyncio.to_thread in watch/: reads /proc and IPVS for a watcher, which waits
of explanations       asyncio.to_thread in _explain, one at a time: has what a pass saw, frozen
of two families       in IptablesBackend.read, while the thread of the passes waits for them
of nf_tables          starts in kernel/nf_tables_writer.py: writes the guard's transactions, while
                      the thread of the passes waits, some seconds at most; calls OwnWriters.add

What one thread wants of another is a wake-up or a frozen value.
"""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic, time
from typing import Any

from lvsmarkd.daemon import control_server
from lvsmarkd.daemon.control import Answer
from lvsmarkd.daemon.loop import Loop, PassFailedError
from lvsmarkd.daemon.pause import Pause, since_boot
from lvsmarkd.daemon.runtime_directory import RuntimeDirectory
from lvsmarkd.daemon.telemetry import Telemetry
from lvsmarkd.daemon.watchers import Watchers
from lvsmarkd.declarations.settings import Settings
from lvsmarkd.model.explanation import Explanation, PacketQuestion
from lvsmarkd.model.refusal import RefusalError
from lvsmarkd.model.report import Mode, Report
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.reconcile.inputs import InputReader
from lvsmarkd.reconcile.paths import DaemonPaths
from lvsmarkd.reconcile.reconciler import LastLook, Reconciler
from lvsmarkd.telemetry.form import report_form

LONGEST_PAUSE = 366 * 86_400
"""Seconds. Longer than a year is without end."""


class App:
    """One run of the daemon. The lock is held already, and lvsmarkd.toml was read.

    All but ``_pass`` and ``_mode`` belongs to the event loop's thread.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it is wired from
        self,
        inputs: InputReader,
        reconciler: Reconciler,
        paths: DaemonPaths,
        telemetry: Telemetry,
        watchers: Watchers,
        pause: Pause,
    ) -> None:
        self.inputs = inputs
        self.reconciler = reconciler
        self.paths = paths
        self.telemetry = telemetry
        self.watchers = watchers
        self.pause = pause
        self._last: Report | None = None
        self._server: asyncio.Server | None = None
        self._stopping = asyncio.Event()
        self._reloads: set[asyncio.Task[None]] = set()
        self._explaining = asyncio.Lock()
        self.loop = Loop(
            self._pass, self._done, self._next_due, self._crashed, self.telemetry.queued
        )

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. The rules stay."""
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, self._stopping.set)
        running.add_signal_handler(signal.SIGHUP, self._reload)
        self.pause.load()
        settings = self.inputs.settings
        self.telemetry.started(self._mode(settings), self.loop.healthy)
        self.telemetry.follow(settings.metrics.listen, settings.daemon.resync_seconds)
        await self._listen()
        # The watchers first: what happens during the first pass must not be missed.
        self.watchers.start(self.loop.wake)
        self.loop.wake(Wake(Trigger.STARTUP))
        tasks = [
            asyncio.create_task(self.loop.run(), name="passes"),
            asyncio.create_task(self.telemetry.pulse(), name="pulse"),
            asyncio.create_task(RuntimeDirectory(self.paths, self._listen).keep(), name="runtime"),
        ]
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        self.telemetry.stopping()
        if self._server is not None:
            self._server.close()
        await self.watchers.stop()
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        self.reconciler.close()  # no pass is under way any more
        self.telemetry.stopped()
        self.paths.socket.unlink(missing_ok=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    async def _listen(self) -> None:
        """Listen at the control socket, also where somebody has removed it, and with it a pause.

        Raises OSError.
        """
        if self._server is not None:
            self._server.close()
            now = since_boot()
            if self.pause.active(now):
                self.pause.begin(now, self.pause.left(now))
        self._server = await control_server.serve(self.paths.socket, self._answer)

    def _pass(self, wakes: Sequence[Wake]) -> Report:
        """The one method that the thread of the passes calls, and what it gives to the
        reconciler: ``_mode``, which asks the pause and changes nothing.
        """
        return self.reconciler.run(wakes, self._mode)

    def _next_due(self) -> float | None:
        due = self.reconciler.next_due()
        if (left := self.pause.left(since_boot())) is None:
            return due
        # The end of a pause is acted on at once, and a timer may be a little early.
        ends = monotonic() + left + 0.01
        return ends if due is None else min(due, ends)

    def _mode(self, settings: Settings) -> Mode:
        """In either thread."""
        if self.pause.active(since_boot()):
            return Mode.PAUSED
        return settings.daemon.mode

    def _done(self, report: Report) -> None:
        """Between two passes: the inputs may be asked now, and by nobody else."""
        self._last = report
        if self.pause.expire(since_boot()) and report.mode is Mode.PAUSED:
            self.loop.wake(Wake(Trigger.RECHECK))  # it ran out during this pass
        settings = self.inputs.settings
        self.watchers.follow(self.inputs.files(), self.inputs.lookups())
        self.watchers.resync(settings.daemon.resync_seconds)
        self.loop.follow(settings.daemon.cpu_percent / 100)
        self.telemetry.follow(settings.metrics.listen, settings.daemon.resync_seconds)
        self.telemetry.tell(report)

    def _crashed(self, error: Exception) -> None:
        self.pause.expire(since_boot())
        self.telemetry.crashed(error)

    def _reload(self) -> None:
        """SIGHUP. Only a reason to look: the inputs belong to the thread of the passes."""
        self.telemetry.reloading()
        reload = asyncio.create_task(self._reloaded(), name="reload")
        self._reloads.add(reload)  # asyncio itself holds no task
        reload.add_done_callback(self._reloads.discard)

    async def _reloaded(self) -> None:
        # A pass that was under way may have read the files already: it answers no signal.
        with suppress(PassFailedError):
            await self.loop.pass_now(Wake(Trigger.SIGNAL))
        self.telemetry.reload_ended()

    async def _answer(self, request: dict[str, Any]) -> Answer:
        match request.get("command"):
            case "status" if self._last is not None:
                return self._status(self._last)
            case "status":
                return {"error": "the first pass has not ended yet"}
            case "explain":
                return await self._explain(request.get("question"))
            case "apply":
                return self._status(await self.loop.pass_now(Wake(Trigger.CONTROL)))
            case "pause":
                return await self._pause(request.get("seconds"))
            case "resume":
                self.pause.end()
                return self._status(await self.loop.pass_now(Wake(Trigger.CONTROL)))
            case other:
                return {"error": f"no such command: {other!r}"}

    async def _explain(self, question: object) -> Answer:
        """By what a pass sees that begins now."""
        from lvsmarkd.declarations.question import parse_question  # noqa: PLC0415 - seldom needed
        from lvsmarkd.telemetry.explanation_form import explanation_form  # noqa: PLC0415 - the same

        words = [str(word) for word in question] if isinstance(question, list) else []
        try:
            asked = parse_question(words)
        except RefusalError as refusal:
            return {"error": str(refusal)}
        with suppress(PassFailedError):
            await self.loop.pass_now(Wake(Trigger.RECHECK))
        if (look := self.reconciler.look) is None:
            return {"error": "the first pass has not ended yet"}
        async with self._explaining:
            explained = await asyncio.to_thread(_explained, asked, look)
        return {"explanations": [explanation_form(each) for each in explained]}

    async def _pause(self, seconds: object) -> Answer:
        if seconds is not None and not (
            isinstance(seconds, int | float) and 0 < seconds <= LONGEST_PAUSE
        ):
            return {"error": f"no time to pause for: {str(seconds)[:40]}"}
        try:
            self.pause.begin(since_boot(), None if seconds is None else float(seconds))
        except OSError as error:
            return {"error": f"the pause cannot be kept at {self.pause.path}: {error.strerror}"}
        return self._status(await self.loop.pass_now(Wake(Trigger.CONTROL)))

    def _status(self, report: Report) -> Answer:
        left = self.pause.left(since_boot())
        shown = None if left is None else time() + left
        return {**report_form(report), "paused_until": shown}


def _explained(asked: int | PacketQuestion, look: LastLook) -> tuple[Explanation, ...]:
    """In a thread of its own: it has frozen values, and reads nothing."""
    from lvsmarkd.judge.explanation import explain  # noqa: PLC0415 - seldom needed

    return explain(asked, look.desired, look.seen)
