"""Whether firewalld is here, asked so that a bus that hangs holds nobody up."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from lvsmarkd.backends.firewalld.calls import CONNECT_TIMEOUT, HERE_TIMEOUT, Firewalld
from lvsmarkd.model.backoff import Backoff

DELAYS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds in which a bus that did not answer is not asked again, after the first time in a row, the
second, and so on. The last one repeats."""
_USUAL = "unix:path=/var/run/dbus/system_bus_socket"


def bus_may_be_there() -> bool:
    """Whether it is worth it to ask the system bus for anything: else its socket is not there, and
    what speaks to it need not be imported.
    """
    address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or _USUAL
    path = address.removeprefix("unix:path=")
    if path == address or not path.isprintable() or any(letter in path for letter in ",;%"):
        return True  # of several addresses, and of other kinds, only a try tells
    try:
        os.stat(path)  # noqa: PTH116 - what cannot be seen is to be told from what is not there
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


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
