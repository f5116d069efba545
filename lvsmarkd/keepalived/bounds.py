"""How much is read at most: configurations can include and expand themselves without end."""

from dataclasses import dataclass

MAX_FILES = 20_000
MAX_DEPTH = 64
"""keepalived itself ends on its open files, which are more."""
MAX_LINES = 2_000_000
"""Logical lines; a configuration of 1 MB has some 40,000."""


@dataclass(slots=True)
class Bounds:
    """What was read up to now, against what is read at most."""

    files: int = 0
    lines: int = 0

    def no_more_files(self, depth: int) -> str | None:
        """Why no further file is opened, if none is."""
        if depth >= MAX_DEPTH:
            return f"includes are nested more than {MAX_DEPTH} deep"
        if self.files >= MAX_FILES:
            return f"includes come to more than {MAX_FILES} files"
        return None

    def no_more_lines(self) -> str | None:
        """Why no further line is read, if none is."""
        self.lines += 1
        if self.lines > MAX_LINES:
            return f"its includes, sequences and definitions come to more than {MAX_LINES} lines"
        return None
