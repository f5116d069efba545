"""Blocks: the logical lines walked through with one process's keywords.

The ways of lib/parser.c, process_stream and alloc_value_block, are kept to the letter, since
they decide which services survive an error: an unknown keyword is dropped alone, its ``{`` is
ignored and its ``}`` then closes the block around it; a missing ``{`` is tolerated; what
another process reads is passed over by counting braces.
"""

from collections.abc import Iterable, Iterator

from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.grammar import Body, KeywordTable
from lvsmarkd.keepalived.conf.logical import CLOSE, OPEN, Item, LogicalLine, Note

TOP = ""
"""The name of the block around all blocks."""


class BlockHandler:
    """What a process makes of the lines it reads; it ignores what it does not override.

    ``block`` is always the keyword of the block around.
    """

    def line(self, block: str, line: LogicalLine) -> bool:
        """A line with a known keyword, of another process too.

        True where the block that follows is to be skipped.
        """
        del block, line
        return False

    def value(self, block: str, line: LogicalLine) -> None:
        """A line of a block of values."""

    def end(self, block: str, closing: LogicalLine | None) -> None:
        """The end of a block that was not skipped: its ``}``, or None at the end of input."""

    def note(self, note: Note) -> None:
        """An annotation."""

    def unknown(self, block: str, line: LogicalLine, known: KeywordTable) -> None:
        """A line whose keyword means nothing here: keepalived drops it. ``known`` are the words
        of the block, those of other versions and builds among them.
        """

    def unexpected_open(self, block: str, line: LogicalLine) -> None:
        """A ``{`` that is ignored, after ``line``: its ``}`` closes ``block``."""

    def missing_open(self, block: str, line: LogicalLine) -> None:
        """A first line where the ``{`` of ``block`` was expected."""

    def not_skipped(self, block: str, line: LogicalLine) -> None:
        """A first line of ``block`` that was to be skipped and is not, since no ``{`` stands alone
        before it: it is read as if the header had been valid (lib/parser.c, skip_block).
        """

    def ignores(self, block: str) -> bool:
        """Whether a block's keywords are not looked at, since what they are about is not there:
        their blocks of values are lines like any other then (2.2.8: lib/parser.c, process_stream).
        """
        del block
        return False

    def skipped(self, opener: LogicalLine, line: LogicalLine) -> None:
        """A line in the block of ``opener``, skipped or left to another process."""

    def incomplete(self, block: str, line: LogicalLine) -> None:
        """A keyword without its required word: keepalived exits."""


def process_stream(
    items: Iterable[Item], table: KeywordTable, handler: BlockHandler, dialect: Dialect
) -> None:
    """Walk through the whole sequence, from the top level."""
    _BlockParser(items, handler, dialect).stream(table, TOP, depth=0, need_open=False)


class _BlockParser:
    def __init__(self, items: Iterable[Item], handler: BlockHandler, dialect: Dialect) -> None:
        self._dialect = dialect
        self._handler = handler
        self._lines = self._without_notes(items)
        # As skip_sublevel: braces still to be closed; -1 before the first of them.
        self._skip = 0
        self._refused = False
        """A block is to be skipped of this process's own keywords."""
        self._opener: LogicalLine | None = None
        self._closing: LogicalLine | None = None

    def stream(self, table: KeywordTable, block: str, *, depth: int, need_open: bool) -> bool:
        """Read to the end of a block; true where the rest of it was skipped."""
        previous: LogicalLine | None = None
        for line in self._lines:
            if self._skip and self._skips(line):
                if not self._skip and depth:
                    return True
                continue
            if self._refused:
                self._refused = False
                self._handler.not_skipped(block, line)
            word = line.words[0]
            if word == OPEN:
                # Expected after a header; anywhere else it is ignored.
                if not need_open:
                    self._handler.unexpected_open(block, previous or line)
                need_open = False
                continue
            if need_open:
                need_open = False
                self._handler.missing_open(block, line)
            if word == CLOSE and depth:
                self._closing = line
                return False
            previous = line
            self._keyword(table, block, line, depth)
        self._closing = None
        return False

    def _without_notes(self, items: Iterable[Item]) -> Iterator[LogicalLine]:
        for item in items:
            if isinstance(item, Note):
                self._handler.note(item)
            else:
                yield item

    def _keyword(self, table: KeywordTable, block: str, line: LogicalLine, depth: int) -> None:
        handler = self._handler
        word = line.words[0]
        if (keyword := table.get(word)) is None or not keyword.known_to(self._dialect):
            handler.unknown(block, line, table)
            return
        # Only a quoted "{" can still be on the line.
        opened = line.words[-1] == OPEN
        needs = 2 if keyword.required else 1
        if opened and keyword.body is Body.KEYWORDS:
            line = line._replace(words=line.words[:-1])
            needs += keyword.pair
        if len(line.words) < needs:
            handler.incomplete(block, line)
        match keyword.body:
            case Body.NOTHING:
                handler.line(block, line)
            case Body.VALUES:
                if handler.line(block, line):
                    self._skip_from(line, braces=-1)
                elif not handler.ignores(block):
                    self._values(word, line)
            case Body.PASSED_OVER:
                handler.line(block, line)
                self._skip_from(line, braces=1 if opened else -1)
            case Body.KEYWORDS:
                if handler.line(block, line):
                    self._skip_from(line, braces=-1)
                    self._refused = True
                inner = keyword.inner or {}
                if not self.stream(inner, word, depth=depth + 1, need_open=not opened):
                    handler.end(word, self._closing)

    def _skip_from(self, opener: LogicalLine, *, braces: int) -> None:
        self._opener = opener
        self._skip = braces

    def _skips(self, line: LogicalLine) -> bool:
        """Whether a line belongs to what is skipped; it counts the line's braces."""
        if self._skip < 0:
            # Without a block after it, there is nothing to skip.
            self._skip = 1 if line.words[0] == OPEN else 0
            self._refused = self._refused and not self._skip
            return self._skip > 0
        for word in line.words:
            if word == OPEN:
                self._skip += 1
            elif word == CLOSE:
                self._skip -= 1
                if not self._skip:
                    return True
        if self._opener is not None:
            self._handler.skipped(self._opener, line)
        return True

    def _values(self, block: str, header: LogicalLine) -> None:
        """A block of values: its lines up to the first ``}`` (alloc_value_block).

        A quoted "{" after the keyword, and its name where it has one, opens it, too; what
        follows that is its first line.
        """
        after = header.words[2 if header.words[1:2] not in ([], [OPEN]) else 1 :]
        need_open = after[:1] != [OPEN]
        if after[1:] and not need_open:
            self._handler.value(block, header._replace(words=after[1:]))
        for line in self._lines:
            values = line.words
            if need_open:
                need_open = False
                if values[0] == OPEN:
                    values = values[1:]
                else:
                    self._handler.missing_open(block, line)
            closed = bool(values) and values[-1] == CLOSE
            if closed:
                values = values[:-1]
            if values:
                self._handler.value(block, line._replace(words=values))
            if closed:
                self._handler.end(block, line)
                return
        self._handler.end(block, None)
