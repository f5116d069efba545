"""The time in which packets of some service went unmarked."""

from dataclasses import dataclass


@dataclass(slots=True)
class Exposure:
    """A stopwatch that is read while it runs. Times are monotonic seconds."""

    _total: float = 0.0
    _since: float | None = None

    def set(self, now: float, *, exposed: bool) -> None:
        """Start it, or stop it."""
        self._total = self.total(now)
        self._since = now if exposed else None

    def add(self, seconds: float) -> None:
        """Add an exposure that began and ended within one pass."""
        if self._since is None:
            self._total += seconds

    def total(self, now: float) -> float:
        """All of it, up to now."""
        return self._total + (0.0 if self._since is None else now - self._since)
