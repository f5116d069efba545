"""One process's reading of the configuration, line by line.

lib/parser.c, read_line: what is left of a line comes first, then what an earlier line stands
for, then the files.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.bounds import Bounds
from lvsmarkd.keepalived.conf.comments import annotation
from lvsmarkd.keepalived.conf.expansion import SPECIAL, Expander, condition
from lvsmarkd.keepalived.conf.includes import Include, include_of
from lvsmarkd.keepalived.conf.logical import CLOSE, OPEN, Item, LogicalLine, Note, cut, words
from lvsmarkd.model.origin import Origin, Problem

_QUOTES = re.compile(r"""["'\\]""")


class SourceLine(NamedTuple):
    """A line without its comment, and where it was written."""

    text: str
    file: str
    number: int
    comment: str = ""


class LineSource(Protocol):
    """Where lines come from."""

    @property
    def directory(self) -> str:
        """Where the process stands: names are relative to it."""

    def line(self) -> SourceLine | None:
        """The next line; one without text has a comment. None at the end."""

    def include(self, include: Include, origin: Origin) -> None:
        """Read these files next. Raises KeepalivedStops where keepalived exits."""


class LineReader(Struct):
    """Gives the logical lines, and between them the annotations."""

    files: LineSource
    expander: Expander
    bounds: Bounds
    open_blocks: list[LogicalLine] = field(default_factory=list)
    """Every ``{`` that no ``}`` has closed yet."""
    exceeded: bool = False
    """There was more than is read."""
    _at: SourceLine | None = None
    """The line that was read last: what comes of it may still be to come."""

    def items(self) -> Iterator[Item]:
        """All of them, read while they are asked for; behind a line that stops keepalived, the
        others.
        """
        expander, files = self.expander, self.files
        while True:
            expanded = expander.waiting()
            if expanded is None:
                self._at = at = files.line()
                if at is None:
                    return
                text = at.text
            else:
                text, at = expanded, self._at
                if at is None or self._too_much(text, at):
                    return
            if text:
                yield from self._logical(text, at)
            elif expanded is not None:
                expander.empty_line()
            if expanded is None and at.comment:
                yield from self._noted(at)

    def _logical(self, text: str, at: SourceLine) -> Iterator[Item]:
        """Every logical line of one line; what is left of it is expanded again."""
        _, path, number, _ = at
        expander = self.expander
        rest = text
        while rest:
            text = rest
            if SPECIAL.search(text) or expander.unfinished:
                if self._too_much(text, at):
                    return
                text = expander.expand(text, Origin(path, number), self.files.directory)
                if not text:
                    return
            if text.startswith("include") and (include := include_of(text)):
                self.files.include(include, Origin(path, number))
                return
            text, rest = cut(text)
            if found := words(text):
                line = LogicalLine(found, path, number, text if _QUOTES.search(text) else "")
                if text == OPEN:
                    self.open_blocks.append(line)
                elif text == CLOSE and self.open_blocks:
                    self.open_blocks.pop()
                yield line

    def _noted(self, at: SourceLine) -> Iterator[Note]:
        note = annotation(at.comment)
        if note is None:
            return
        if condition(at.text, self.expander.context.config_id) is not False:
            yield Note(note, at.file, at.number)

    def _too_much(self, text: str, at: SourceLine) -> bool:
        if (bound := self.bounds.no_more_text(text)) is None:
            return False
        if self.exceeded:
            return True
        self.exceeded = True
        self.expander.problems.append(
            Problem(Origin(at.file, at.number), f"the reading ends here, since {bound}: shorten it")
        )
        return True
