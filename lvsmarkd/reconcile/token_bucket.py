"""Coalescing: the first wake-up acts at once, a storm is taken in gulps."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """A token bucket: ``capacity`` passes at once, then one every ``interval`` seconds.

    The wait is bounded by ``interval``, however long the storm lasts: a mere debounce would
    starve for as long as events keep coming.
    """

    capacity: int = 10
    interval: float = 0.2
    _tokens: float = 0.0
    _at: float | None = None

    def take(self, now: float) -> float:
        """Take one token; gives the seconds to wait before acting on it."""
        if self._at is None:
            self._tokens = float(self.capacity)
        else:
            refilled = self._tokens + (now - self._at) / self.interval
            self._tokens = min(float(self.capacity), refilled)
        self._at = now
        self._tokens -= 1
        if self._tokens >= 0:
            return 0.0
        wait = -self._tokens * self.interval
        self._at = now + wait
        self._tokens = 0.0
        return wait
