"""The metrics, as the daemon feeds them and Prometheus takes them."""

import platform
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from lvsmarkd import __version__
from lvsmarkd.model.wake import Trigger
from lvsmarkd.telemetry import series as s
from lvsmarkd.telemetry.recorder import MetricsRecorder
from lvsmarkd.telemetry.samples import SampleStore
from lvsmarkd.telemetry.transition import Transition

T = TypeVar("T")


class Metrics:
    """All figures. Every method may be called from any thread.

    A service that left takes its series along.
    """

    def __init__(
        self,
        version: str = __version__,
        monotonic: Callable[[], float] = time.monotonic,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._samples = SampleStore()
        self._recorder = MetricsRecorder(self._samples)
        self._recorder.begin()
        self._samples.put(s.BUILD_INFO, 1, version, platform.python_version())
        # The daemon does not start on a lvsmarkd.toml that it cannot follow.
        self._samples.put(s.CONFIG_GOOD, 1)
        self._samples.put(s.CONFIG_TIME, epoch())
        self._samples.put(s.LAST_QUEUED, 0)
        self._samples.add(s.CRASHES, amount=0)
        self._samples.add(s.LOST, amount=0)
        for trigger in Trigger:
            self._samples.add(s.WAKES, trigger, amount=0)

    def scrape(self, take: Callable[[SampleStore], T]) -> T:
        """What is taken of all samples of one moment."""
        with self._lock:
            self._samples.put(s.EXPOSED, self._recorder.exposure.total(self._monotonic()))
            return take(self._samples)

    def record(self, transition: Transition) -> None:
        """A pass ended."""
        with self._lock:
            self._recorder.record(transition, self._monotonic())

    def crashed(self) -> None:
        """A pass raised, and so has no report."""
        with self._lock:
            self._samples.add(s.CRASHES)
            self._samples.add(s.FAILURES)

    def message_lost(self) -> None:
        """The journal did not take a message."""
        with self._lock:
            self._samples.add(s.LOST)

    def wake(self, trigger: Trigger) -> None:
        """There is a reason to look."""
        with self._lock:
            self._samples.add(s.WAKES, trigger)

    def queued(self, at: float) -> None:
        """A pass was asked for, at this time since the epoch."""
        with self._lock:
            self._samples.put(s.LAST_QUEUED, at)

    def watcher_up(self, name: str, up: bool) -> None:  # noqa: FBT001 - the fact itself
        """A source of wake-ups works, or does not any more."""
        with self._lock:
            self._samples.put(s.WATCH_UP, up, name)
            self._samples.add(s.WATCH_EVENTS, name, amount=0)
            self._samples.add(s.WATCH_OVERRUNS, name, amount=0)

    def watch_event(self, name: str) -> None:
        """A source delivered an event."""
        with self._lock:
            self._samples.add(s.WATCH_EVENTS, name)

    def watch_overrun(self, name: str) -> None:
        """A source lost events."""
        with self._lock:
            self._samples.add(s.WATCH_OVERRUNS, name)

    def config_reload(self, ok: bool, at: float) -> None:  # noqa: FBT001 - the fact itself
        """lvsmarkd.toml was read again, at this time since the epoch."""
        with self._lock:
            self._samples.put(s.CONFIG_GOOD, ok)
            if ok:
                self._samples.put(s.CONFIG_TIME, at)

    def backend_call(self, operation: str, result: str, seconds: float) -> None:
        """The firewall was called."""
        with self._lock:
            self._samples.add(s.CALLS, operation, result)
            self._samples.observe(s.CALL_DURATION, seconds, operation)
