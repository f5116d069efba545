"""The expansion of lines: ``@id`` conditions, definitions, sequences.

lib/parser.c, read_line, in its order: a condition, then a definition, then a sequence, then
substitution. One line may stand for many: those are handed out before anything else is read.
"""

import re

from msgspec import Struct

from lvsmarkd.keepalived.conf.comments import BLANKS, decomment, leaves_quote_open
from lvsmarkd.keepalived.conf.context import ReadContext
from lvsmarkd.keepalived.conf.definitions import LINE_END, Definition, Definitions
from lvsmarkd.keepalived.conf.sequences import EndlessError, Sequence, sequence_of
from lvsmarkd.keepalived.conf.stops import KeepalivedStops
from lvsmarkd.model.origin import Origin, Problem

SPECIAL = re.compile(r"[@$~]")
"""A line without one of these is its own expansion."""

_BLANK = re.compile(r"[ \t]")
_SIZE = 2**64
_LOOKS = 3_000
"""Looks at one line after which it comes back to what it was, and keepalived hangs: one that grows
by a letter with each look has room for a thousand."""
_LATER_LOOKS = 10
_NUMBERS = 63
"""Bytes of a sequence's numbers that keepalived has room for."""


def condition(text: str, config_id: str) -> bool | None:
    """Whether the condition that starts a line holds; None where there is none.

    ``@id`` holds where it equals the configuration's id, ``@^id`` where it does not.
    """
    if not text.startswith("@"):
        return None
    negated = text.startswith("@^")
    name = _BLANK.split(text, maxsplit=1)[0][2 if negated else 1 :]
    return (name == config_id) is not negated


class _Rest(Struct):
    """The lines of a definition that are still to come, and how many sequences wait for them."""

    text: str
    waiting: int


class Expander:
    """Expands line after line: what one line defines, later ones use."""

    def __init__(
        self,
        context: ReadContext,
        problems: list[Problem] | None = None,
        count: int = 0,
    ) -> None:
        self.context = context
        self.problems = [] if problems is None else problems
        self.warned: list[Origin] = []
        """Where keepalived warns."""
        self.count = count
        """How many sequences keepalived believes to be under way, without a sign: each broken ~LST
        makes them one fewer, and a child starts with what its parent ended with (lib/parser.c,
        free_seq_lst).
        """
        self.doubtful = False
        """Something was met whose outcome cannot be known: the reading may not be the whole."""
        self._sequences: list[Sequence] = []
        self._rests: list[_Rest] = []
        self._unfinished: Definition | None = None
        self._at = Origin("")
        self._looks = _LOOKS
        self._definitions = Definitions(self.context)

    @property
    def unfinished(self) -> bool:
        """Whether the next line belongs to a definition."""
        return self._unfinished is not None

    def waiting(self) -> str | None:
        """The next line that an earlier one stands for; None where there is none."""
        rest = self._rests[-1] if self._rests else None
        if self._sequences and self.count > (rest.waiting if rest else 0):
            return self._run(self._sequences[-1])
        if rest is None:
            return None
        line, parted, rest.text = rest.text.partition(LINE_END)
        if not parted:
            self._rests.pop()
        return line

    def _run(self, sequence: Sequence) -> str:
        values, last = sequence.take()
        if last:
            self._sequences.pop()
            self._counted(-1)
        for name, value in values:
            if self._definitions.put(name, value) and self._rests:
                # It frees what it is just reading from.
                self._doubt(self._at, "a definition changes while its own lines are read")
        return sequence.text

    def expand(self, text: str, origin: Origin, directory: str) -> str:
        """The line that keepalived goes on with; empty where nothing is left of it."""
        if self._unfinished is not None:
            if not self._unfinished.extend(text):
                self._unfinished = None
            return ""
        if not SPECIAL.search(text):
            return text
        self._at = origin
        waiting = len(self._rests)
        for _ in range(self._looks):
            text = self._conditioned(text)
            if not text or self._consumed(text, origin, directory):
                return ""
            if text.startswith("~") or "$" not in text:
                return text
            text, again = self._substituted(text, origin, directory)
            if not again:
                return text
        # It does not come to what follows, of this line and of others: we look for annotations.
        del self._rests[waiting:]
        self._looks = _LATER_LOOKS
        raise KeepalivedStops(_endless(origin))

    def end(self) -> int:
        """The end of all files; gives the count that a child starts with."""
        self._counted(-len(self._sequences))
        self._sequences.clear()
        return self.count

    def _counted(self, more: int) -> None:
        self.count = (self.count + more) % _SIZE

    def empty_line(self) -> None:
        """An empty line was read, or one came of another: it ends a definition of several lines."""
        if self._unfinished is not None:
            self._unfinished.end()
            self._unfinished = None

    def _conditioned(self, text: str) -> str:
        """The line without its condition; empty where that does not hold, or is all."""
        if not text.startswith("@"):
            return text
        blank = _BLANK.search(text)
        if blank is None or not condition(text, self.context.config_id):
            return ""
        return text[blank.end() :].lstrip(BLANKS)

    def _consumed(self, text: str, origin: Origin, directory: str) -> bool:
        """Whether a line is a definition or a sequence, and so no line of configuration."""
        if text.startswith("$") and (definition := self._definitions.define(text)):
            self._unfinished = definition if definition.multiline else None
            if self._rests and definition.replaced_lines:
                # It frees what it is just reading from.
                self._doubt(origin, "a definition changes while its own lines are read")
            return True
        if not text.startswith(("~SEQ", "~LST")):
            return False

        def resolve(numbers: str) -> str:
            return self._definitions.substitute(numbers, directory, _NUMBERS).text

        try:
            sequence = sequence_of(text, self.context.dialect, resolve)
        except EndlessError:
            raise KeepalivedStops(_too_far(origin)) from None
        if sequence is not None:
            self._sequences.append(sequence)
            self._counted(+1)
        else:
            self._counted(-text.startswith("~LST"))
            self.warned.append(origin)
            self.problems.append(
                Problem(
                    origin,
                    f"{text[:40]!r} is no sequence that keepalived can follow, and it drops the "
                    "line: write ~SEQ(name,first,last) or ~LST(name,value,…) and the text",
                )
            )
        return True

    def _substituted(self, text: str, origin: Origin, directory: str) -> tuple[str, bool]:
        """The line with its definitions, and whether to look at it again from the start."""
        done = self._definitions.substitute(text, directory)
        if done.endless:
            raise KeepalivedStops(_endless(origin))
        if done.crashes:
            raise KeepalivedStops(_without_variable(origin))
        if done.doubtful:
            self._doubt(origin, done.doubtful)
        for more in done.opened:
            self._rests.append(_Rest(more, self.count))
        if not done.replaced:
            return done.text, False
        dialect = self.context.dialect
        if dialect.miscounts_conditions and done.text.startswith("@"):
            # It moves as many bytes as the line had before, or a negative number of them.
            self._doubt(origin, "a condition comes out of a definition")
        if leaves_quote_open(done.text, dialect):
            self.warned.append(origin)
        text, _ = decomment(done.text, dialect)
        again = dialect.looks_at_lines_again and not done.doubtful
        return text, again and (text.startswith("@") or "$" in text)

    def _doubt(self, origin: Origin, why: str) -> None:
        self.doubtful = True
        self.problems.append(
            Problem(
                origin,
                f"{why}, so what keepalived makes of this line cannot be known from the file: "
                "declare the marks that come from it in lvsmarkd.toml",
            )
        )


def _endless(origin: Origin) -> Problem:
    return Problem(
        origin,
        "a definition here stands for itself, on which keepalived hangs: "
        "let no value use the name it defines",
        fatal=True,
    )


def _too_far(origin: Origin) -> Problem:
    return Problem(
        origin,
        "this sequence runs over the largest number there is, on which keepalived hangs: "
        "let it end before",
        fatal=True,
    )


def _without_variable(origin: Origin) -> Problem:
    return Problem(
        origin,
        "_ENV lacks the name of a variable, on which keepalived crashes: write ${_ENV NAME}",
        fatal=True,
    )
