"""What failed is left alone for a while, and for longer each time it fails again in a row."""

from math import inf

from msgspec import Struct
from msgspec.structs import replace


class Backoff(Struct, frozen=True):
    """How often in a row something failed, and until when it is left alone.

    All times are seconds of one monotonic clock, the owner's. The value is frozen: what happens
    gives the next one.
    """

    delays: tuple[float, ...]
    """Seconds to wait after the first failure in a row, the second, and so on; the last repeats."""
    failures: int = 0
    until: float = -inf
    """Before this time it is not tried again."""

    def due(self, now: float) -> bool:
        """Whether it may be tried."""
        return now >= self.until

    @property
    def delay(self) -> float:
        """Seconds that the last failure costs; 0 where there is none."""
        return self.delays[min(self.failures, len(self.delays)) - 1] if self.failures else 0.0

    def failed(self, now: float) -> "Backoff":
        """One more failure in a row, now."""
        once_more = replace(self, failures=self.failures + 1)
        return replace(once_more, until=now + once_more.delay)

    def at_once(self) -> "Backoff":
        """It may be tried now, as a person asks for it; the failures still count."""
        return replace(self, until=-inf)

    def over(self) -> "Backoff":
        """It went well: no failures in a row."""
        return Backoff(self.delays)
