"""Logical lines: a physical line cut at its braces, and the words of each."""

import re
from typing import NamedTuple

from lvsmarkd.keepalived.comments import BLANKS
from lvsmarkd.model.origin import Origin

OPEN = "{"
CLOSE = "}"

_WORD = re.compile(r'[^ \t\f\n\r\v"]+')
_WORD_OR_QUOTE = re.compile(r'"([^"]*)"|([^ \t\f\n\r\v"]+)|"')
_BRACE_OR_QUOTE = re.compile(r'[{}"]')


class Line(NamedTuple):
    """One logical line: its words, at least one, and where it was written."""

    words: list[str]
    file: str
    number: int
    unmatched: bool = False
    """A quote on it is not closed, and what follows it is lost."""

    @property
    def origin(self) -> Origin:
        """Where it was written."""
        return Origin(self.file, self.number)


class Note(NamedTuple):
    """An annotation, between the logical lines it stands among."""

    text: str
    file: str
    number: int

    @property
    def origin(self) -> Origin:
        """Where it was written."""
        return Origin(self.file, self.number)


Item = Line | Note


def cut(text: str) -> tuple[str, str]:
    """A trimmed line's first logical line, and what is left for the next ones.

    A brace is a logical line of its own, with or without blanks around it, unless it stands
    in double quotes (lib/parser.c, end of read_line).
    """
    if text[0] in "{}":
        return text[0], text[1:].strip(BLANKS)
    position = 0
    while match := _BRACE_OR_QUOTE.search(text, position):
        at = match.start()
        if text[at] != '"':
            return text[:at].rstrip(BLANKS), text[at:]
        if (closing := text.find('"', at + 1)) < 0:
            break
        position = closing + 1
    return text, ""


def words(text: str) -> list[str]:
    """The words of a logical line (lib/parser.c, alloc_strvec_r).

    Double quotes hold one word together and also end the word before them; there are no
    escapes, and an apostrophe is a letter. From a quote that is not closed on, all is lost.
    """
    if '"' not in text:
        return _WORD.findall(text)
    found: list[str] = []
    for match in _WORD_OR_QUOTE.finditer(text):
        quoted, bare = match.groups()
        if quoted is None and bare is None:
            break
        found.append(bare if quoted is None else quoted)
    return found
