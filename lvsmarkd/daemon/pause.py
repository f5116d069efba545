"""A pause: the daemon judges and reports, and writes nothing, until a time or for good.

Its end is told in seconds since the boot, sleep included: a clock that is set moves none.
"""

import json
import math
import time
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from lvsmarkd.kernel.own_files import read_own, write_whole


def since_boot() -> float:
    """Seconds since the boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Pause(Struct):
    """Kept in the runtime directory, so that a restart of the daemon does not end it; a boot does.

    ``now`` is everywhere what ``since_boot`` gives. It is the event loop's thread that changes it;
    the thread of the passes only asks (``active``), and a query changes nothing.
    """

    path: Path
    until: float | None = None
    """Seconds since the boot; infinite for a pause without end; None: not paused."""

    def load(self) -> None:
        """Take up a pause that an earlier run was in. A file that says nothing is none."""
        self.until = None
        try:
            said = json.loads(read_own(self.path))
            until = math.inf if said["ends_after_boot"] is None else float(said["ends_after_boot"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return
        if not math.isnan(until):
            self.until = until

    def begin(self, now: float, seconds: float | None) -> None:
        """Pause for some seconds, or without end. Raises OSError if it cannot be kept."""
        until = None if seconds is None else now + seconds
        write_whole(self.path, json.dumps({"ends_after_boot": until}).encode())
        # Only then: who is told that it cannot be kept is not paused.
        self.until = math.inf if until is None else until

    def end(self) -> None:
        """Resume. A file that cannot be removed is told by nobody: it names a time that is past,
        or is read by the next daemon, whose operator resumes again.
        """
        self.until = None
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def left(self, now: float) -> float | None:
        """Seconds until it ends by itself; None where it does not, or there is none."""
        until = self.until
        return None if until is None or math.isinf(until) else max(0.0, until - now)

    def active(self, now: float) -> bool:
        """Whether it is on."""
        until = self.until  # read once: the loop's thread may end it meanwhile
        return until is not None and now < until

    def expire(self, now: float) -> bool:
        """End one that has run out, and tell whether there was one: its file goes."""
        if self.until is None or now < self.until:
            return False
        self.end()
        return True
