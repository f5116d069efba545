"""Logical lines: a physical line cut at its braces, and the words of each."""

import re
from typing import NamedTuple

from lvsmarkd.keepalived.conf.comments import BLANKS
from lvsmarkd.model.origin import Origin

OPEN = "{"
CLOSE = "}"

_WORD = re.compile(r'[^ \t\f\n\r\v"]+')
_WORD_OR_QUOTE = re.compile(r'"([^"]*)"|([^ \t\f\n\r\v"]+)|"')
_ESCAPED = re.compile(r"x[0-9a-fA-F]+|c.|[0-7]{1,3}", re.DOTALL)
_BRACE_OR_QUOTE = re.compile(r'[{}"]')


class LogicalLine(NamedTuple):
    """One logical line: its words, at least one, and where it was written."""

    words: list[str]
    file: str
    number: int
    quoted: str = ""
    """All of its text, where it has quotes of any kind: scripts are read from it anew."""

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


Item = LogicalLine | Note


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


def script_words(text: str, *, escapes: bool = False) -> list[str] | None:
    """The words of a line whose second one is a script; None where keepalived cannot part them
    (lib/parser.c, alloc_strvec_quoted_escaped).

    Here quotes of both kinds join what they touch, and a backslash takes the letter behind it
    along; where it ``escapes``, all that stands for one letter. Those are left as they are. A
    quote that is not closed is an error only where something follows it, and that does not end in
    such a letter.
    """
    found: list[str] = []
    at = 0
    quote = ""
    word: str | None = None
    while at < len(text):
        letter = text[at]
        at += 1
        if letter == "\\":
            if at == len(text):
                return None
            escaped = _ESCAPED.match(text, at) if escapes else None
            end = escaped.end() if escaped else at + 1
            word, at = (word or "") + text[at:end], end
            quote = "" if at == len(text) else quote
        elif quote and letter == quote:
            quote = ""
        elif not quote and letter in "\"'":
            quote, word = letter, word or ""
            if at == len(text):
                quote = ""
        elif not quote and letter in " \t\f\n\r\v":
            found += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + letter
    found += [] if word is None else [word]
    return None if quote else found
