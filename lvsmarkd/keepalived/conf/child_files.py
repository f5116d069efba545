"""The copy as keepalived's children read it.

An include that only comes out of an expansion stands in the copy twice, as its own line and as
the text of its files: a child opens the files itself, and then reads that text, too (measured).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.comments import decomment, leaves_quote_open
from lvsmarkd.keepalived.conf.conf_copy import CLOSES, FAILED, OPENS, CopyLine, fills_buffer
from lvsmarkd.keepalived.conf.expansion import Expander
from lvsmarkd.keepalived.conf.include_stack import Frame, IncludeStack
from lvsmarkd.keepalived.conf.includes import Include
from lvsmarkd.keepalived.conf.line_reader import SourceLine
from lvsmarkd.keepalived.conf.stops import KeepalivedStops
from lvsmarkd.model.origin import Origin, Problem


class _Opened(NamedTuple):
    """A file that the copy names, and where the child stands while it reads that."""

    path: str
    directory: str


class ChildFiles(Struct):
    """Hands out the lines of the copy, and of the files that the child opens itself.

    ``main`` is the path of the main file, and ``files`` are those that the copy names.
    """

    copy: Iterator[CopyLine]
    main: str
    stack: IncludeStack
    expander: Expander
    doubtful: bool = False
    """A file was read in which it takes a comment for the mark of another one."""
    files: list[str] = field(default_factory=list)
    _open: list[_Opened] = field(default_factory=list)
    _filled: bool = False

    @property
    def directory(self) -> str:
        """Where it stands."""
        if self.stack.frames:
            return self.stack.frames[-1].directory
        return self._open[-1].directory if self._open else str(Path(self.main).parent)

    @property
    def _path(self) -> str:
        return self._open[-1].path if self._open else self.main

    def line(self) -> SourceLine | None:
        """The next line that is not blank."""
        dialect = self.stack.dialect
        while (found := self.stack.line()) is not None:
            number, raw = found
            if not raw:
                self.expander.empty_line()
            # A comment that begins its line is a mark here, too.
            elif raw.startswith((OPENS[0], CLOSES)):
                self._false_mark(raw)
            else:
                text, comment = decomment(raw, dialect)
                path = self.stack.frames[-1].path
                self._warned(raw, path, number)
                if text:
                    return SourceLine(text, path, number, comment)
        while (entry := self._next_of_copy()) is not None:
            text = entry.text
            if text[:1] in {"#", CLOSES}:
                self._mark(entry)
                continue
            comment = entry.comment
            if text:
                self._warned(text, self._path, entry.number)
                text, escaped = decomment(text, dialect)
                comment = comment or escaped
            else:
                self.expander.empty_line()
            if text or comment:
                return SourceLine(text, self._path, entry.number, comment)
        return None

    def _next_of_copy(self) -> CopyLine | None:
        """The next line of the copy. Behind one that fills the buffer, its line break is read by
        itself: an empty line.
        """
        if self._filled:
            self.expander.empty_line()
        entry = next(self.copy, None)
        self._filled = entry is not None and fills_buffer(entry.text)
        return entry

    def include(self, include: Include, origin: Origin) -> None:
        """Read these files next."""
        self.stack.push(include, origin, self.directory)

    def _warned(self, line: str, path: str, number: int) -> None:
        if leaves_quote_open(line, self.stack.dialect):
            self.stack.record.warned.append(Origin(path, number))

    def _false_mark(self, raw: str) -> None:
        frame = self.stack.frames[-1]
        if raw.startswith(FAILED):
            return
        if raw.startswith("#"):
            frame.marks += 1
            self._closed_twice(frame)
        elif frame.marks:
            frame.marks -= 1
        else:
            self.stack.frames.pop()

    def _closed_twice(self, frame: Frame) -> None:
        """It closes the file once more for the comment, and may crash on it (measured: often)."""
        if not self.doubtful:
            self.doubtful = True
            self.stack.record.problems.append(
                Problem(
                    frame.origin,
                    f"{frame.path} has a comment that begins its line, and is included by a line "
                    "with @, $ or ~, on which keepalived may crash, so that nothing is "
                    "programmed: put a blank before the comment, or include it plainly",
                )
            )

    def _mark(self, entry: CopyLine) -> None:
        text = entry.text
        if text.startswith(FAILED):
            return
        if text.startswith("#"):
            # Joined, not normalised: the kernel's `..` after a link is not that of the text.
            name = str(Path(self.directory) / text[2:]) if self._open else self.main
            moves = "/" in text[2:] or not self._open
            self._open.append(_Opened(name, str(Path(name).parent) if moves else self.directory))
            if not entry.number:
                self.files.append(name)
        elif self._open:
            self._open.pop()
        else:
            # The copy itself counts as a file, and may end once only.
            raise KeepalivedStops(_closed_too_often(Origin(self.main)))


def _closed_too_often(origin: Origin) -> Problem:
    return Problem(
        origin,
        "a line here begins with an escaped '!', which keepalived takes for the end of the file, "
        "and it crashes: let no line begin with \\!",
        fatal=True,
    )
