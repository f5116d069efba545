"""From a configuration that shows something to a small one that still does."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fuzz.configuration import Configuration
from tests.keepalived.cases import MAIN

MOST_TRIALS = 1500
MOST_SECONDS = 30.0


@dataclass(slots=True)
class Shrinker:
    """Delta debugging: files, then lines, then words, then characters are left out."""

    shows: Callable[[Configuration], bool]
    trials: int = 0
    _end: float = field(default_factory=lambda: time.monotonic() + MOST_SECONDS)

    @property
    def _goes_on(self) -> bool:
        return self.trials < MOST_TRIALS and time.monotonic() < self._end

    def shrink(self, configuration: Configuration) -> Configuration:
        """A configuration of which nothing more can be left out, or nearly so."""
        best = configuration
        while self._goes_on:
            before = best
            best = self._files(best)
            for pattern in (r"[^\n]*\n?", r"[{}]|\s+|[^\s{}]+"):
                best = self._pieces(best, re.compile(pattern))
            if best.size < 400:
                best = self._pieces(best, re.compile(r"(?s)."))
            if best == before:
                break
        return best

    def _files(self, best: Configuration) -> Configuration:
        for name in list(best.files):
            if name != MAIN:
                rest = {other: text for other, text in best.files.items() if other != name}
                best = self._better(best, Configuration(rest, best.executable - {name}))
            best = self._better(best, Configuration(best.files, best.executable - {name}))
        return best

    def _pieces(self, best: Configuration, pattern: re.Pattern[str]) -> Configuration:
        for name in list(best.files):
            pieces = [piece for piece in pattern.findall(best.files[name]) if piece]
            size = max(len(pieces) // 2, 1)
            while size and self._goes_on:
                at = 0
                while at < len(pieces):
                    fewer = pieces[:at] + pieces[at + size :]
                    changed = Configuration({**best.files, name: "".join(fewer)}, best.executable)
                    if self._better(best, changed) is changed:
                        best, pieces = changed, fewer
                    else:
                        at += size
                size //= 2
        return best

    def _better(self, best: Configuration, changed: Configuration) -> Configuration:
        if changed == best or not self._goes_on:
            return best
        self.trials += 1
        return changed if self.shows(changed) else best
