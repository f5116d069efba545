"""The files as keepalived's parent reads them, and the copy that it makes of them."""

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.comments import decomment
from lvsmarkd.keepalived.conf.conf_copy import CopyLine, closed, opened
from lvsmarkd.keepalived.conf.expansion import Expander
from lvsmarkd.keepalived.conf.include_stack import IncludeStack
from lvsmarkd.keepalived.conf.includes import Include, include_of
from lvsmarkd.keepalived.conf.line_reader import SourceLine
from lvsmarkd.model.origin import Origin


class ParentFiles(Struct):
    """Hands out the lines of the files, without comments; ``copy`` is what it wrote of them."""

    stack: IncludeStack
    expander: Expander
    copy: list[CopyLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stack.opened = lambda path: self.copy.append(opened(path))
        self.stack.closed = lambda: self.copy.append(closed())

    @property
    def directory(self) -> str:
        """Where it stands."""
        return self.stack.frames[-1].directory if self.stack.frames else "/"

    def line(self) -> SourceLine | None:
        """The next line that is not blank."""
        stack, copy, dialect = self.stack, self.copy, self.stack.dialect
        while (found := stack.line()) is not None:
            number, raw = found
            if not raw:
                self.expander.empty_line()
                copy.append(CopyLine("", number))
                continue
            text, comment = decomment(raw, dialect)
            plain = text.startswith("include") and include_of(text) is not None
            copy.append(CopyLine("" if plain else text, number, comment))
            if text:
                return SourceLine(text, stack.frames[-1].path, number)
        return None

    def include(self, include: Include, origin: Origin) -> None:
        """Read these files next."""
        self.stack.push(include, origin, self.directory)
