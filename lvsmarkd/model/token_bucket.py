"""How fast passes may follow each other: the first wake-up acts at once, a storm is taken in gulps,
and so that it costs no more than a share of the processor.
"""

from msgspec import Struct
from msgspec.structs import replace

WINDOW = 60.0
"""Seconds over which the share is averaged: so much of it is there to be spent at once."""
LONGEST_WAIT = 1.0
"""Seconds: what others undo is put back no later, however much they make us work."""


class TokenBucket(Struct, frozen=True):
    """``capacity`` passes at once, then one every ``interval`` seconds.

    The wait is bounded by ``interval``, however long the storm lasts: a mere debounce would
    starve for as long as events keep coming. The value is frozen: taking gives the next one.
    """

    capacity: int = 10
    interval: float = 0.2
    tokens: float = 0.0
    at: float | None = None
    """When (monotonic) there were so many tokens; None: never asked, and full."""

    def take(self, now: float) -> tuple[float, "TokenBucket"]:
        """Take one token; gives the seconds to wait before acting on it, and what is left."""
        full = float(self.capacity)
        there = full if self.at is None else self.tokens + (now - self.at) / self.interval
        left = min(full, there) - 1
        if left >= 0:
            return 0.0, replace(self, tokens=left, at=now)
        wait = -left * self.interval
        return wait, replace(self, tokens=0.0, at=now + wait)


class WorkBudget(Struct, frozen=True):
    """CPU seconds that passes have left, of a share of one core. The value is frozen: what is
    spent gives the next one.
    """

    share: float
    """Of one core, 0.05 for 5 percent."""
    left: float | None = None
    """CPU seconds; None: nothing was ever spent."""
    at: float = 0.0
    """When (monotonic) so much was left."""

    def spend(self, now: float, cpu_seconds: float) -> "WorkBudget":
        """A pass ended now, and took so much."""
        # One storm's debt is not to be paid for by the repairs of the next minutes.
        left = max(-self.share * WINDOW, self._left(now) - cpu_seconds)
        return replace(self, left=left, at=now)

    def wait(self, now: float) -> float:
        """Seconds to wait before the next pass, at most ``LONGEST_WAIT``."""
        return min(LONGEST_WAIT, max(0.0, -self._left(now) / self.share))

    def _left(self, now: float) -> float:
        full = self.share * WINDOW
        return full if self.left is None else min(full, self.left + (now - self.at) * self.share)
