"""How long a campaign goes on, and from where: FUZZ_SECONDS, FUZZ_WORKERS, FUZZ_SEED, FUZZ_ONLY."""

import os
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """``only`` is the number of the one thing of a seed that is looked at."""

    seconds: float
    workers: int
    seed: str
    only: int | None

    @classmethod
    def asked(cls) -> "Terms":
        """By the environment."""
        only = os.environ.get("FUZZ_ONLY")
        return cls(
            float(os.environ.get("FUZZ_SECONDS", "600")),
            int(os.environ.get("FUZZ_WORKERS", "2")),
            os.environ.get("FUZZ_SEED") or str(time.time_ns()),
            None if only is None else int(only),
        )

    def __str__(self) -> str:
        return f"seed {self.seed}, {self.seconds:.0f} s"
