"""Which programs we started ourselves to change a firewall."""

from collections import deque
from collections.abc import Callable
from time import monotonic

from msgspec import Struct, field

KEPT = 64
"""Processes remembered: a pass starts a handful."""
FORGOTTEN_AFTER = 30.0
"""Seconds: a program of ours is stopped long before, and its number may be another's then."""


class OwnWriters(Struct, frozen=True):
    """The last processes that write for us. May be used from several threads.

    Add a process before it can write (a restore waits for its input): the kernel tells of a
    change 15 ms before the program that made it ends (measured).
    """

    clock: Callable[[], float] = monotonic
    _started: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, pid: int) -> None:
        """Remember a process that was started just now."""
        self._started.append((pid, self.clock()))

    def __contains__(self, pid: int) -> bool:
        since = self.clock() - FORGOTTEN_AFTER
        # The copy is one step of the interpreter: another thread may add meanwhile.
        return any(started == pid and at >= since for started, at in tuple(self._started))
