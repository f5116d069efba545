"""Complaints about blocks that end where they should not, and about services lost in them."""

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.blocks import TOP
from lvsmarkd.keepalived.conf.checker_keywords import VIRTUAL_SERVER, VIRTUAL_SERVER_GROUP
from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.grammar import KeywordTable
from lvsmarkd.keepalived.conf.logical import CLOSE, OPEN, LogicalLine
from lvsmarkd.keepalived.conf.mark_words import marks_named
from lvsmarkd.keepalived.conf.unknown_words import BYTE_ORDER_MARK, UnknownWords
from lvsmarkd.model.origin import Problem

_SERVICES = (VIRTUAL_SERVER, VIRTUAL_SERVER_GROUP)


class _UnknownLine(Struct, frozen=True):
    """A line that means nothing, of which it is not known yet whether a block follows."""

    block: str
    line: LogicalLine
    known: KeywordTable
    marks: tuple[int, ...]


class StructureProblems(Struct):
    """Says once what goes wrong with a block, not again for each of its consequences."""

    complaints: Complaints
    words: UnknownWords
    _ignored_opens: int = 0
    _named: set[str] = field(default_factory=set)
    _explained: LogicalLine | None = None
    """The line that was complained about last: its ``{`` needs no word more."""
    _last: _UnknownLine | None = None
    _lost: bool = False
    """What is read is not what was meant, since a block was ignored: until the next one."""

    def follows(self, block: str) -> None:
        """A line that is known, or the end."""
        self._tell_last()
        self._lost = self._lost and block != TOP

    def unknown(
        self, block: str, line: LogicalLine, known: KeywordTable, marks: tuple[int, ...]
    ) -> None:
        """A line that keepalived drops, in a block that is about ``marks``."""
        self._tell_last()
        match line.words:
            case [str(word), *_] if word == CLOSE:
                self._unmatched_close(line)
            case [str(word), *_] if word.startswith(BYTE_ORDER_MARK):
                self._say(line, self.words.message(block, line, known), marks_named(line.words))
            case [str(word), *_] if word in _SERVICES:
                self._say(
                    line,
                    f"{_text(line)!r} stands inside the block of {block}, and keepalived drops "
                    "it: close that block first",
                    marks_named(line.words),
                )
            case ["fwmark", *_]:
                self._say(
                    line,
                    f"{_text(line)!r} means nothing {_inside(block)}, and keepalived drops it: "
                    "write it into a virtual_server line or a virtual_server_group",
                    marks_named(line.words) or marks,
                )
            case [str(word), *_] if block == TOP and (named := marks_named(line.words)):
                self._say(
                    line,
                    f"{word!r} is no keyword of keepalived, which drops the service of this "
                    f"line: write {VIRTUAL_SERVER}",
                    named,
                )
                self._named.add(word)
            case _ if self._lost:
                self.complaints.warns(line.origin)
            case _:
                self._last = _UnknownLine(block, line, known, marks)

    def unexpected_open(self, block: str, line: LogicalLine, marks: tuple[int, ...]) -> None:
        """A ``{`` after a line that opens no block."""
        remedy = "remove or correct the line and its braces"
        if (last := self._last) is not None and last.line is line:
            self._last = None
            remedy = self.words.meant(block, line, last.known) or remedy
        self._tell_last()
        self._ignored_opens += 1
        self._lost = True
        word = line.words[0]
        if line is self._explained:
            return
        if block != TOP:
            self._say(
                line,
                f"{_text(line)!r} opens no block here, so that keepalived ends the {block} "
                f"around it at the next '}}': {remedy}",
                marks,
            )
        elif self._ignored_opens == 1 and word not in self._named:
            # What an earlier error left behind at top level is not an error of its own.
            self._named.add(word)
            self._say(
                line,
                f"{word!r} opens no block at top level, so that keepalived reads what is in it "
                f"as if it stood outside: {remedy}",
            )

    def _tell_last(self) -> None:
        if (last := self._last) is None:
            return
        self._last = None
        message = self.words.message(last.block, last.line, last.known)
        self._say(last.line, message, last.marks)

    def missing_open(self, block: str, line: LogicalLine, marks: tuple[int, ...]) -> None:
        """A block that begins without its ``{``."""
        self._tell_last()
        self._say(
            line,
            f"the '{OPEN}' of {block} is missing before this line, and the next '{CLOSE}' ends "
            f"it: write the '{OPEN}'",
            marks,
        )

    def skipped(self, opener: LogicalLine, line: LogicalLine) -> None:
        """A line in a block that is passed over; only services in it are worth a word."""
        if line.words[0] in _SERVICES:
            self.complaints.remark(
                line.origin,
                f"{_text(line)!r} stands inside the block of {_text(opener)!r} at "
                f"{opener.origin}, and keepalived drops it: close that block first",
                marks_named(line.words),
            )

    def _unmatched_close(self, line: LogicalLine) -> None:
        if self._ignored_opens:
            self._ignored_opens -= 1
            return
        if CLOSE in self._named:
            return  # the first one is where to look
        self._named.add(CLOSE)
        self._say(line, "this '}' closes nothing: remove it, or restore the '{' that it belongs to")

    def _say(self, line: LogicalLine, message: str, marks: tuple[int, ...] = ()) -> None:
        self._explained = line
        self.complaints.add(Problem(line.origin, message, marks))


def _text(line: LogicalLine) -> str:
    return " ".join(line.words)


def _inside(block: str) -> str:
    return "at top level" if block == TOP else f"inside {block}"
