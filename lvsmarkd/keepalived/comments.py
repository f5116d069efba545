"""Comments: where they start, and what is left of a line without them."""

import re

BLANKS = " \t"
ANNOTATION = "lvsmarkd:"
_SPECIAL = re.compile(r'[!#"\\]')


def decomment(line: str) -> tuple[str, str]:
    """Part a line into text, trimmed of blanks, and comment.

    ``#`` and ``!`` start a comment anywhere outside double quotes, glued or not. A backslash
    before them is taken off when the line is first read, and the children, which read the copy
    that their parent has written, then meet a bare ``#``: an escaped one starts a comment too
    (lib/parser.c, decomment, and read_line with conf_copy).
    """
    if not _SPECIAL.search(line):
        return line.strip(BLANKS), ""
    text, comment = _decomment_once(line)
    if "\\" in line:
        text, escaped = _decomment_once(text)
        comment = comment or escaped
    return text, comment


def annotation(comment: str) -> str | None:
    """The text after ``lvsmarkd:`` in a comment, or None where the comment is none of ours."""
    text = comment.lstrip("#! \t")
    if not text.startswith(ANNOTATION):
        return None
    return text[len(ANNOTATION) :].strip()


def _decomment_once(line: str) -> tuple[str, str]:
    quoted = False
    start = 0
    kept: list[str] = []
    position = 0
    while match := _SPECIAL.search(line, position):
        at = match.start()
        position = at + 1
        match match.group():
            case '"':
                quoted = not quoted
            case "\\" if position == len(line):
                # A backslash that ends the line stays; the blanks before it go.
                return _trimmed([*kept, line[start:at]]) + "\\", ""
            case "\\":
                if not quoted and line[position] in "#!":
                    kept.append(line[start:at])
                    start = position
                position += 1
            case _ if not quoted:
                return _trimmed([*kept, line[start:at]]), line[position:]
    return _trimmed([*kept, line[start:]]), ""


def _trimmed(parts: list[str]) -> str:
    return "".join(parts).strip(BLANKS)
