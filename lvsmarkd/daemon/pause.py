"""A pause: the daemon judges and reports, and writes nothing, until a time or for good."""

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Pause:
    """Kept in the runtime directory, so that a restart of the daemon does not end it."""

    path: Path
    until: float | None = None
    """Seconds since the epoch; infinite for a pause without end; None: not paused."""

    def load(self) -> None:
        """Take up a pause that an earlier run was in. A file that says nothing is none."""
        try:
            until = json.loads(self.path.read_text())["until"]
            self.until = math.inf if until is None else float(until)
        except (OSError, ValueError, KeyError, TypeError):
            self.until = None

    def begin(self, now: float, seconds: float | None) -> None:
        """Pause for some seconds, or without end. Raises OSError if it cannot be kept."""
        self.until = math.inf if seconds is None else now + seconds
        self.path.write_text(json.dumps({"until": None if seconds is None else self.until}))

    def end(self) -> None:
        """Resume. A file that cannot be removed is told by nobody: it names a time that is past,
        or is read by the next daemon, whose operator resumes again.
        """
        self.until = None
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def active(self, now: float) -> bool:
        """Whether it is on; one that has run out ends here."""
        if self.until is not None and now >= self.until:
            self.end()
        return self.until is not None
