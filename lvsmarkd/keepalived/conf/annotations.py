"""What each annotation is about: the service whose block, or whose line, it stands in.

They are gathered in a walk of their own, which nothing stops: what keepalived does not start with
still says what its services are meant to be.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.blocks import TOP, BlockHandler, process_stream
from lvsmarkd.keepalived.conf.checker_keywords import (
    CHECKER,
    REAL_SERVER,
    VIRTUAL_SERVER,
    VIRTUAL_SERVER_GROUP,
)
from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.grammar import KeywordTable
from lvsmarkd.keepalived.conf.logical import Item, LogicalLine, Note
from lvsmarkd.keepalived.conf.open_group import OpenGroup
from lvsmarkd.keepalived.conf.open_server import OpenServer
from lvsmarkd.keepalived.conf.server_header import marks_of_header, open_server
from lvsmarkd.keepalived.conf.stops import KeepalivedStops
from lvsmarkd.model.keepalived import Annotation

Scope = Callable[[], tuple[int, ...]]
"""Gives the marks once all is read: a group may stand after its use, and marks after notes."""


def annotations_of(items: Sequence[Item], dialect: Dialect) -> tuple[Annotation, ...]:
    """All annotations, in the order read, each with the marks that it is about."""
    if not any(isinstance(item, Note) for item in items):
        return ()
    scopes = _Scopes()
    process_stream(items, CHECKER, scopes, dialect)
    return scopes.collector.annotations()


def no_marks() -> tuple[int, ...]:
    """The owner of an annotation that stands in no service by mark."""
    return ()


class AnnotationCollector(Struct):
    """Follows the blocks of services, and gives each annotation its owner.

    An annotation that shares its line with the header, the ``}`` or a mark of a block belongs
    to that, though it comes after it.
    """

    _notes: list[tuple[Note, Scope]] = field(default_factory=list)
    _current: Scope = no_marks
    _line: tuple[str, int] | None = None
    _of_line: Scope = no_marks

    def opened(self, line: LogicalLine, scope: Scope) -> None:
        """A block opens on this line."""
        self._current = scope
        self.touched(line, scope)

    def touched(self, line: LogicalLine, scope: Scope) -> None:
        """One line, whatever its block, is about ``owner``."""
        self._line = (line.file, line.number)
        self._of_line = scope

    def closed(self, line: LogicalLine | None) -> None:
        """The block ends: what shares a line with its ``}`` still belongs to it."""
        if line is not None and self._line != (line.file, line.number):
            self.touched(line, self._current)
        self._current = no_marks

    def note(self, note: Note) -> None:
        """An annotation, read after the logical lines that it shares its line with."""
        shared = self._line == (note.file, note.number)
        self._notes.append((note, self._of_line if shared else self._current))

    def annotations(self) -> tuple[Annotation, ...]:
        """All of them, in the order read."""
        marks: dict[Scope, tuple[int, ...]] = {}
        for _, scope in self._notes:
            if scope not in marks:
                marks[scope] = scope()
        return tuple(
            Annotation(note.text, note.origin, marks[scope]) for note, scope in self._notes
        )


class _Scopes(BlockHandler):
    """Follows the checker through the blocks of services; what it stops at is passed over."""

    def __init__(self) -> None:
        self.collector = AnnotationCollector()
        self._server: OpenServer | None = None
        self._before: OpenServer | None = None
        self._group: OpenGroup | None = None
        self._group_marks: dict[str, tuple[int, ...]] = {}

    def line(self, block: str, line: LogicalLine) -> bool:
        if block == TOP and line.words[0] == VIRTUAL_SERVER:
            return self._opens(line)
        if block == TOP and line.words[0] == VIRTUAL_SERVER_GROUP:
            self._group = OpenGroup(line.words[1] if line.words[1:] else "", line.origin)
            self.collector.opened(line, self._group.numbers)
        elif block == VIRTUAL_SERVER and line.words[0] == REAL_SERVER and self._server is not None:
            return not (line.words[1:] and self._server.open_real(line))
        return False

    def value(self, block: str, line: LogicalLine) -> None:
        if block != VIRTUAL_SERVER_GROUP or (group := self._group) is None:
            return
        try:
            mark = group.entry(line, Complaints())
        except KeepalivedStops:
            return
        if mark:
            self.collector.touched(line, lambda: (mark,))

    def end(self, block: str, closing: LogicalLine | None) -> None:
        if block == VIRTUAL_SERVER and self._server is not None:
            self.collector.closed(closing)
            self._before, self._server = self._server, None
        elif block == VIRTUAL_SERVER_GROUP and (group := self._group) is not None:
            self.collector.closed(closing)
            self._group = None
            if (closed := group.close(Complaints())) is not None:
                # Of two groups with one name, the first is used.
                self._group_marks.setdefault(closed.name, closed.numbers)

    def note(self, note: Note) -> None:
        self.collector.note(note)

    def unknown(self, block: str, line: LogicalLine, known: KeywordTable) -> None:
        del block, known
        if self._server is not None and line.words[0] in {VIRTUAL_SERVER, VIRTUAL_SERVER_GROUP}:
            # A `}` is missing before it. keepalived goes on in the block that is open; whoever
            # wrote an annotation behind this line did not mean that block's mark.
            marks = marks_of_header(line)
            self.collector.opened(line, lambda: marks)

    def not_skipped(self, block: str, line: LogicalLine) -> None:
        del line
        if block == VIRTUAL_SERVER and self._server is None:
            self._server, self._before = self._before, None

    def _opens(self, line: LogicalLine) -> bool:
        try:
            self._server = open_server(line, Complaints())
        except KeepalivedStops:
            self._server = OpenServer(line.origin)
        if (server := self._server) is None:
            return True
        name = server.group
        if name is not None:
            self.collector.opened(line, lambda: self._group_marks.get(name, ()))
        else:
            self.collector.opened(line, lambda: server.marks)
        return False
