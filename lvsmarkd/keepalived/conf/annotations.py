"""What each annotation is about: the service whose block, or whose line, it stands in."""

from collections.abc import Callable

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.logical import LogicalLine, Note
from lvsmarkd.model.keepalived import Annotation

Scope = Callable[[], tuple[int, ...]]
"""Gives the marks once all is read: a group may stand after its use, and marks after notes."""


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
