"""Comments: where they start, and what is left of a line without them."""

import re

from lvsmarkd.keepalived.conf.dialect import Dialect

BLANKS = " \t"
ANNOTATION = "lvsmarkd:"
_SPECIAL = re.compile(r'[!#"\\]')
_ORDINARY = re.compile(r'(?:[^!#"\\]+|\\[^!#])*', re.DOTALL)
"""Up to the next letter that matters: a backslash takes the letter behind it along."""
_CONTINUED = re.compile(r"(?:[^\\]|\\.)*\\", re.DOTALL)
_NEARLY = re.compile(r"lvs-?mark-?d?\s*[:;,.=-]?\s*(?:fwmark\s|to\s)", re.IGNORECASE)


def decomment(line: str, dialect: Dialect) -> tuple[str, str]:
    """Part a line into text, trimmed of blanks, and comment.

    ``#`` and ``!`` start a comment anywhere outside double quotes, glued or not; a backslash
    before them is taken off (lib/parser.c, decomment). Before 2.4, a backslash that ends the
    comment ends the text, too.
    """
    text, comment, _ = _parted(line, dialect)
    return text, comment


def leaves_quote_open(line: str, dialect: Dialect) -> bool:
    """Whether a line has a quote, before its comment, that it does not close: keepalived warns."""
    return '"' in line and _parted(line, dialect)[2]


def _parted(line: str, dialect: Dialect) -> tuple[str, str, bool]:
    """Text, comment, and whether a quote is left open."""
    if not _SPECIAL.search(line):
        return line.strip(BLANKS), "", False
    quoted = False
    start = 0
    kept: list[str] = []
    at = 0
    while ordinary := _ORDINARY.match(line, at):
        if (at := ordinary.end()) == len(line):
            break
        match line[at]:
            case '"':
                quoted = not quoted
            case "\\" if at + 1 == len(line):
                # A backslash that ends the line stays; the blanks before it go.
                return _trimmed([*kept, line[start:at]]) + "\\", "", quoted
            case "\\":
                at += 1
                if not quoted:
                    kept.append(line[start : at - 1])
                    start = at
            case _ if not quoted:
                text, comment = _trimmed([*kept, line[start:at]]), line[at + 1 :]
                if dialect.comments_continue and _CONTINUED.fullmatch(comment):
                    text += "\\"
                return text, comment, False
        at += 1
    return _trimmed([*kept, line[start:]]), "", quoted


def annotation(comment: str) -> str | None:
    """The text after ``lvsmarkd:`` in a comment, or None where the comment is none of ours.

    One that misses our name or its colon by a little, and goes on as a declaration does, is
    given as it is written: to pass over it would unmark a service without a word.
    """
    text = comment.lstrip("#! \t")
    if text.startswith(ANNOTATION):
        return text[len(ANNOTATION) :].strip()
    return text.strip() if _NEARLY.match(text) else None


def may_be_annotation(comment: str) -> bool:
    """Whether it is one of ours, or may have been before its end was cut off."""
    text = comment.lstrip("#! \t")
    return annotation(comment) is not None or (bool(text) and ANNOTATION.startswith(text))


def _trimmed(parts: list[str]) -> str:
    return "".join(parts).strip(BLANKS)
