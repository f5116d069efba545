"""Whether firewalld is here, asked so that a bus that hangs holds nobody up."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic

from lvsmarkd.backends.firewalld.calls import CONNECT_TIMEOUT, HERE_TIMEOUT, Firewalld

DELAYS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds in which a bus that did not answer is not asked again, after the first time in a row, the
second, and so on. The last one repeats."""


@dataclass(slots=True)
class Presence:
    """The last answer stands while none comes: rules are not moved on a guess.

    The first one is waited for as long as a new connection may take: on a busy host that is more
    than HERE_TIMEOUT (measured: 0.5 s), and there is no answer yet that could stand.
    """

    firewalld: Firewalld
    clock: Callable[[], float] = monotonic
    _last: bool = False
    _asked: bool = False
    _until: float = -inf
    _failures: int = 0

    def here(self) -> bool:
        """Whether it runs in our network namespace. Takes HERE_TIMEOUT at most, and seldom; the
        first time CONNECT_TIMEOUT.
        """
        now = self.clock()
        if now < self._until:
            return self._last
        answer = self.firewalld.here(HERE_TIMEOUT if self._asked else CONNECT_TIMEOUT)
        self._asked = True
        if answer is None:
            self._until = now + DELAYS[min(self._failures, len(DELAYS) - 1)]
            self._failures += 1
            return self._last
        self._last, self._failures = answer, 0
        return answer
