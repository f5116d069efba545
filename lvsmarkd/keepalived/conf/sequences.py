"""``~SEQ``, ``~SEQx`` and ``~LST``: one line that stands for many.

lib/parser.c, add_seq and add_lst.
"""

import re
from collections.abc import Callable, Iterator

from msgspec import Struct

from lvsmarkd.keepalived.conf.dialect import Dialect

Values = tuple[tuple[str, str], ...]
"""Definitions, by name, for one run of the line."""

_LONG = 2**63
_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)?")
_PARAMETERS = 63
"""Bytes of the numbers, with the bracket that ends them, that keepalived has room for."""
_BLANK = re.compile(r"[ \t]*")


class EndlessError(Exception):
    """A number runs over the end of C's long, so that the sequence never ends."""


class Sequence(Struct):
    """A line that is still to be read, once for each of ``values``."""

    text: str
    values: Iterator[Values]
    coming: Values

    @classmethod
    def begin(cls, text: str, values: Iterator[Values]) -> "Sequence":
        """With at least one run."""
        return cls(text, values, next(values))

    def take(self) -> tuple[Values, bool]:
        """The values of the next run, and whether it is the last."""
        now = self.coming
        following = next(self.values, None)
        if following is None:
            return now, True
        self.coming = following
        return now, False


def sequence_of(text: str, dialect: Dialect, resolve: Callable[[str], str]) -> Sequence | None:
    """The sequence that a line starting with ``~SEQ`` or ``~LST`` is; None if it is invalid.

    ``resolve`` replaces definitions in the numbers. Raises EndlessError.
    """
    return _seq(text, dialect, resolve) if text.startswith("~SEQ") else _lst(text)


def _seq(text: str, dialect: Dialect, resolve: Callable[[str], str]) -> Sequence | None:
    hexadecimal = text.startswith("x", len("~SEQ"))
    at = _blanks(text, len("~SEQ") + hexadecimal)
    if not text.startswith("(", at):
        return None
    begin = _blanks(text, at + 1)
    end = _span(text, begin, " \t,)")
    name, at = text[begin:end], _blanks(text, end)
    if at == len(text) or text[at] == ")" or at == begin:
        return None
    if name.startswith("{") and dialect.refuses_braced_sequences:
        return None
    # Whatever parts the name from the numbers is passed over unseen.
    at = _blanks(text, at + 1)
    closing = text.find(")", at)
    numbers = text[at : closing + 1]
    if closing < 0 or len(numbers) > _PARAMETERS:
        return None
    steps = _steps(resolve(numbers))
    if steps is None or (hexadecimal and (steps.start < 0 or _last_asked(steps) < 0)):
        return None
    form = "x" if hexadecimal else "d"
    values = (((name, format(value, form)),) for value in steps)
    return Sequence.begin(text[_blanks(text, closing + 1) :], values)


def _last_asked(steps: range) -> int:
    return steps.stop - (1 if steps.step > 0 else -1)


def _steps(numbers: str) -> range | None:
    """``end)``, ``start,end)`` or ``start,step,end)``, each as C's strtol reads it."""
    found: list[int] = []
    at = 0
    while len(found) < 3:
        value, at = _strtol(numbers, at)
        found.append(value)
        at = _blanks(numbers, at)
        if numbers.startswith(")", at):
            break
        if len(found) == 3 or not numbers.startswith(",", at):
            return None
        at += 1
    match found:
        case [end]:
            start, step = (-1 if end < 0 else 1), (-1 if end < 1 else 1)
        case [start, end]:
            step = 1 if start <= end else -1
        case [start, step, end]:
            if not step or (start < end and step < 0) or (start > end and step > 0):
                return None
        case _:
            return None
    steps = range(start, end + (1 if step > 0 else -1), step)
    if not -_LONG <= (steps[-1] if steps else start) + step < _LONG:
        raise EndlessError
    # The first value is used before the end is looked at.
    return steps or range(start, start + step, step)


def _strtol(text: str, at: int) -> tuple[int, int]:
    """A C ``long`` with base 0: its value, and where it ends; 0 and no step without digits."""
    match = _NUMBER.match(text, at)
    if match is None or match[2] is None:
        return 0, at
    digits = match[2]
    base = 16 if digits[:2] in {"0x", "0X"} else 8 if digits[0] == "0" else 10
    value = int(digits, base)
    value = max(-_LONG, -value) if match[1] == "-" else min(_LONG - 1, value)
    return value, match.end()


def _lst(text: str) -> Sequence | None:
    at = _blanks(text, len("~LST"))
    if not text.startswith("(", at):
        return None
    at = _blanks(text, at + 1)
    names, at = _words(text, at, " \t,}", ends=",", most=None)
    if names is None:
        return None
    if text.startswith("}", at):
        at = _blanks(text, at + 1)
    if not text.startswith(",", at):
        return None
    at = _blanks(text, at + 1)
    runs: list[Values] = []
    while True:
        braced = text.startswith("{", at)
        values, at = _words(text, at, " \t,})", ends=",)", most=len(names))
        if values is None:
            return None
        values += [""] * (len(names) - len(values))
        runs.append(tuple(zip(names, values, strict=True)))
        if braced:
            at = _blanks(text, at + 1)
        if text.startswith(")", at):
            return Sequence.begin(text[_blanks(text, at + 1) :], iter(runs))
        if not text.startswith(",", at):
            return None
        at = _blanks(text, at + 1)


def _words(
    text: str, at: int, stops: str, *, ends: str, most: int | None
) -> tuple[list[str] | None, int]:
    """One word, up to ``ends``, or several in braces; None where that is not what is there."""
    if text.startswith("{", at):
        ends = "}"
        at = _blanks(text, at + 1)
    found: list[str] = []
    while True:
        end = _span(text, at, stops)
        found.append(text[at:end])
        at = _blanks(text, end)
        if at < len(text) and text[at] in ends:
            return found, at
        if not text.startswith(",", at):
            return None, at
        at = _blanks(text, at + 1)
        if len(found) == most:
            return None, at


def _blanks(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return at if match is None else match.end()


def _span(text: str, at: int, stops: str) -> int:
    while at < len(text) and text[at] not in stops:
        at += 1
    return at
