"""Growing delays: how long to wait after the n-th failure in a row."""

from dataclasses import dataclass, field

ERROR_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
REJECTED_DELAYS = (5.0, 15.0, 60.0, 300.0)
FIGHT_DELAYS = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0)
"""Seconds. The last one repeats."""


@dataclass(slots=True)
class Backoff:
    """Counts failures; each makes the next wait longer, a success starts again."""

    delays: tuple[float, ...]
    failures: int = field(default=0)

    def fail(self) -> float:
        """One more failure; gives the seconds to wait."""
        self.failures += 1
        return self.delays[min(self.failures, len(self.delays)) - 1]

    def succeed(self) -> None:
        """Forget the failures."""
        self.failures = 0
