"""Many comparisons at once, and the disagreements among them, shrunk."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from unittest.mock import patch

from lvsmarkd.keepalived.conf import bounds
from tests.fuzz.comparison import MAX_EXPANDED, Comparison, Outcome
from tests.fuzz.configuration import Configuration
from tests.fuzz.shrinking import Shrinker
from tests.fuzz.subject import SERVICES, Asked, Subject
from tests.keepalived.oracle import Oracle


@dataclass(frozen=True, slots=True)
class Finding:
    """A disagreement: the seed it came from, the small case, and what both say of that."""

    seed: str
    small: Configuration
    comparison: Comparison

    def __str__(self) -> str:
        return f"seed {self.seed}\n{self.small}\n{self.comparison}"


@dataclass(slots=True)
class Campaign:
    """Seeds ``seed/0``, ``seed/1`` …, until told to end; ``scratch`` is best in memory."""

    oracle: Oracle
    scratch: Path
    seed: str
    subject: Subject = SERVICES
    told: Callable[[Finding], None] = lambda _: None
    outcomes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    found: dict[str, Finding] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, workers: int, *, most: int | None = None, seconds: float = 1e9) -> None:
        """Compare up to ``most`` configurations, or for so long, with so many oracles at once."""
        end = time.monotonic() + seconds
        # What comes of a few lines is no more than this, or without end; and time is short.
        little = patch.object(bounds, "MAX_EXPANDED", MAX_EXPANDED)
        with little, ThreadPoolExecutor(workers) as pool:
            done = [pool.submit(self._work, number, most, end) for number in range(workers)]
        for worker in done:
            worker.result()

    def summary(self, seconds: float) -> str:
        """The figures."""
        total = sum(self.outcomes.values())
        told = ", ".join(f"{self.outcomes[outcome]} {outcome}" for outcome in Outcome)
        ends = ", ".join(f"{number} {end}" for end, number in self.ends.most_common())
        return (
            f"{total} compared, {told} ({len(self.found)} kinds); "
            f"{total / seconds:.0f} per second\n"
            f"keepalived: {ends}"
        )

    def _work(self, worker: int, most: int | None, end: float) -> None:
        directory = self.scratch / f"oracle{worker}-{self.subject.name}"
        directory.mkdir()
        with closing(self.subject.standing(self.oracle, directory)) as asked:
            while time.monotonic() < end:
                number = next(self._numbers)
                if most is not None and number >= most:
                    return
                self._one(f"{self.seed}/{number}", asked)

    def _one(self, seed: str, asked: Asked) -> None:
        configuration = self.subject.generate(seed)
        comparison = asked.compare(configuration)
        with self._lock:
            self.outcomes[comparison.outcome] += 1
            self.ends[comparison.end.text] += 1
        if comparison.outcome is not Outcome.DISAGREED:
            return
        finding = Finding(seed, configuration, comparison)
        slow = comparison.end.hung or comparison.slow
        # What does not show again is told as it was.
        if not slow and _disagree(asked, configuration):
            small = Shrinker(partial(_disagree, asked)).shrink(configuration)
            finding = Finding(seed, small, asked.compare(small))
        with self._lock:
            kind = _kind(finding)
            if kind in self.found:
                return
            self.found[kind] = finding
            self.told(finding)


def _disagree(asked: Asked, configuration: Configuration) -> bool:
    return asked.compare(configuration).outcome is Outcome.DISAGREED


def _kind(finding: Finding) -> str:
    """What findings have in common that differ in numbers and names alone."""
    return re.sub(r"[0-9a-f]*:[0-9a-f:]+|\d+(\.\d+)*", "0", str(finding.small))
