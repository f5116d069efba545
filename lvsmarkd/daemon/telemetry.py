"""All that the daemon says: metrics, journal, systemd."""

import asyncio
import logging
from collections.abc import Callable
from math import inf
from time import monotonic, time

from lvsmarkd import __version__
from lvsmarkd.model.report import Mode, Report
from lvsmarkd.model.shortage import is_shortage
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.telemetry import http, lifecycle, notify
from lvsmarkd.telemetry.events import events_of
from lvsmarkd.telemetry.journal import Journal
from lvsmarkd.telemetry.metrics import Metrics
from lvsmarkd.telemetry.transition import Transition, transition

PULSE = 5.0
"""Seconds between two looks at our own health where systemd asks for none more often."""
RETRY = 10.0
"""Seconds between two tries to listen on an address that is taken."""
GRACE = 4
"""Rounds of the slow full check without a pass after which the daemon is not called well."""
_SOURCES = {
    Trigger.FILE: "files",
    Trigger.NETLINK: "nftables",
    Trigger.LOCK: "xtables_lock",
    Trigger.DBUS: "firewalld",
    Trigger.TIMER: "timer",
    Trigger.KEEPALIVED: "keepalived",
    Trigger.IPVS: "ipvs",
}

log = logging.getLogger(__name__)


class Telemetry:
    """Tells what happens, in transitions; hears how the sources of wake-ups are.

    It belongs to the event loop's thread, but for three methods. ``backend_call`` and ``reloaded``
    are called from the thread of the passes, and only count in ``metrics``, which has a lock.
    ``health`` is called from the threads of HTTP, and only reads values that are set at once.
    """

    def __init__(self) -> None:
        self.metrics = Metrics()
        self._resync_seconds = inf
        self._journal = Journal(on_lost=self.metrics.message_lost)
        self._transition: Transition | None = None
        self._servers: http.Servers | None = None
        self._addresses: tuple[http.ListenAddress, ...] = ()
        self._unserved: set[http.ListenAddress] = set()
        self._tried = monotonic()
        self._last_pass = monotonic()
        self._ready = False
        self._reloads = 0
        self._down: dict[str, str] = {}
        self._healthy: Callable[[], bool] = lambda: True

    def up(self, name: str) -> None:
        """A source hears everything from now on."""
        self.metrics.watcher_up(name, True)  # noqa: FBT003 - the fact itself
        if self._down.pop(name, None) is not None:
            self._journal.tell([lifecycle.watch_back(name)])

    def down(self, name: str, reason: str) -> None:
        """A source hears nothing, or less than it should."""
        self.metrics.watcher_up(name, False)  # noqa: FBT003 - the fact itself
        if self._down.get(name) != reason:
            self._down[name] = reason
            self._journal.tell([lifecycle.watch_lost(name, reason)])

    def overrun(self, name: str) -> None:
        """More happened than the source could take; it woke, and goes on."""
        self.metrics.watch_overrun(name)

    def started(self, mode: Mode, healthy: Callable[[], bool]) -> None:
        """The first word. ``healthy`` says, in any thread, whether the loop makes progress."""
        self._healthy = healthy
        self._journal.tell([lifecycle.started(__version__, mode)])

    def queued(self, wake: Wake) -> None:
        """There is a reason to look."""
        self.metrics.queued(time())
        self.metrics.wake(wake.trigger)
        if wake.trigger in _SOURCES:
            self.metrics.watch_event(_SOURCES[wake.trigger])

    def tell(self, report: Report) -> None:
        """A pass ended. The first one makes us ready, whatever it came to: the load balancer
        must start.
        """
        self._last_pass = monotonic()
        self._transition = transition(self._transition, report)
        self.metrics.record(self._transition)
        self._journal.tell(events_of(self._transition))
        line = notify.status_line(self._transition)
        if self._ready or self._reloads:
            notify.status(line)
        else:
            self._begin(line)

    def crashed(self, error: Exception) -> None:
        """A pass raised: a bug of ours, or the host is short of something. Not even that keeps
        the load balancer from starting.
        """
        if is_shortage(error):
            self._journal.tell([lifecycle.cut_short(error)])
        else:
            log.error("a pass failed", exc_info=error)
            self.metrics.crashed()
            self._journal.tell([lifecycle.crashed(error)])
        if not self._ready and not self._reloads:
            self._begin("the first pass failed: see the journal")

    def reloading(self) -> None:
        """A reload begins; ``reload_ended`` is to be called once for each."""
        notify.reloading()
        self._journal.tell([lifecycle.reloaded()])
        self._reloads += 1

    def reload_ended(self) -> None:
        """A pass that began after ``reloading`` has ended, and was told."""
        self._reloads -= 1
        if not self._reloads:
            self._begin()

    def reloaded(self, good: bool, at: float) -> None:  # noqa: FBT001 - the fact itself
        """lvsmarkd.toml was read again. Called from the thread of the passes."""
        self.metrics.config_reload(good, at)

    def backend_call(self, operation: str, result: str, seconds: float) -> None:
        """The firewall was called. Called from the thread of the passes."""
        self.metrics.backend_call(operation, result, seconds)

    def follow(self, addresses: tuple[http.ListenAddress, ...], resync_seconds: float) -> None:
        """Serve metrics on these addresses from now on, and expect a pass so often at least."""
        self._resync_seconds = resync_seconds
        if addresses == self._addresses and self._servers is not None:
            return
        if self._servers is not None:
            self._servers.close()
        self._addresses = addresses
        self._servers, failures = http.start(addresses, self.metrics, self.health)
        self._unserved = set()
        self._told(failures)

    def health(self) -> tuple[bool, str]:
        """Whether passes are made; else the sentence that says what is wrong."""
        if not self._healthy():
            return False, "a pass has been going on for minutes: see the journal"
        age, limit = monotonic() - self._last_pass, GRACE * self._resync_seconds
        if age > limit:
            return (
                False,
                f"the last pass ended {age:.0f} s ago; one is due every {limit / GRACE:g} s",
            )
        return True, ""

    async def pulse(self) -> None:
        """Signs of life for systemd, and what waits for its time; until cancelled."""
        interval = min(PULSE, notify.watchdog_interval() or PULSE)
        while True:
            if self._healthy():
                notify.watchdog()
            self._journal.tell()
            if self._servers is not None and self._servers.waiting:
                self._retry(self._servers)
            await asyncio.sleep(interval)

    def stopping(self) -> None:
        """The end begins."""
        notify.stopping("ending; the rules stay in force")

    def stopped(self) -> None:
        """The last word."""
        if self._servers is not None:
            self._servers.close()
        self._journal.tell([lifecycle.stopped()])
        self._journal.close()

    def _begin(self, line: str = "") -> None:
        """The start is over, or the last of the reloads."""
        notify.ready(line)
        self._ready = True

    def _retry(self, servers: http.Servers) -> None:
        if monotonic() - self._tried >= RETRY:
            self._tried = monotonic()
            self._told(servers.retry())

    def _told(self, failures: tuple[http.ListenError, ...]) -> None:
        """Tell of addresses that cannot be served, once, and when they can again."""
        failing = {failure.address: str(failure) for failure in failures}
        messages = [
            lifecycle.metrics_unserved(http.spelled(address), reason)
            for address, reason in failing.items()
            if address not in self._unserved
        ]
        messages += [
            lifecycle.metrics_served(http.spelled(address))
            for address in self._unserved - failing.keys()
        ]
        self._unserved = set(failing)
        self._journal.tell(messages)
