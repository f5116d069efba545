"""Whether firewalld is here, asked so that a bus that hangs holds nobody up."""

from collections.abc import Callable
from time import monotonic

from msgspec import Struct, field

from lvsmarkd.backends.firewalld.client.calls import CONNECT_TIMEOUT, HERE_TIMEOUT, FirewalldClient
from lvsmarkd.model.backoff import Backoff

DELAYS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds in which a bus that did not answer is not asked again, after the first time in a row, the
second, and so on. The last one repeats."""


class Presence(Struct):
    """The last answer stands while none comes: rules are not moved on a guess.

    The first one is waited for as long as a new connection may take: on a busy host that is more
    than HERE_TIMEOUT (measured: 0.5 s), and there is no answer yet that could stand.
    """

    firewalld: FirewalldClient
    clock: Callable[[], float] = monotonic
    _last: bool = False
    _asked: bool = False
    _backoff: Backoff = field(default_factory=lambda: Backoff(DELAYS))

    def here(self) -> bool:
        """Whether it runs in our network namespace. Takes HERE_TIMEOUT at most, and seldom; the
        first time CONNECT_TIMEOUT.
        """
        now = self.clock()
        if not self._backoff.due(now):
            return self._last
        answer = self.firewalld.here(HERE_TIMEOUT if self._asked else CONNECT_TIMEOUT)
        self._asked = True
        if answer is None:
            self._backoff = self._backoff.failed(now)
            return self._last
        self._last, self._backoff = answer, self._backoff.over()
        return answer
