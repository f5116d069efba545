"""Coalescing: the first wake-up acts at once, a storm is taken in gulps."""

from msgspec import Struct
from msgspec.structs import replace


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
