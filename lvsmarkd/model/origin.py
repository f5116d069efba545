"""Where a thing was written, so that every message can point at it."""

from msgspec import Struct


class Origin(Struct, frozen=True, order=True):
    """A place in a file: a line (from 1), a key path, or both.

    ``str()`` gives what an editor or an operator can follow: ``file:12``,
    ``file: daemon.mode`` or ``file:12 (mark[0].ports[1])``.
    """

    file: str
    line: int = 0
    key: str = ""

    def __str__(self) -> str:
        if self.line:
            return f"{self.file}:{self.line}" + (f" ({self.key})" if self.key else "")
        return f"{self.file}: {self.key}" if self.key else self.file


class Problem(Struct, frozen=True):
    """Something wrong, or surprising, in a text that was read.

    ``message`` is one sentence: what was found, what was expected, what to do.
    ``marks`` names the marks it is about, where that is known; a problem that is
    ``fatal`` for them leaves their last good state in force; one that is a ``note`` tells what
    is taken for granted, and nothing is lost by it.
    """

    origin: Origin
    message: str
    marks: tuple[int, ...] = ()
    fatal: bool = False
    note: bool = False

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"
