"""The physical lines of one file: what one call of C's ``fgets`` gives keepalived."""

from collections.abc import Iterable

from msgspec import Struct

from lvsmarkd.keepalived.conf.dialect import Dialect

MAX_LINE = 1023
"""Bytes of a line that keepalived's buffer holds (lib/parser.h, MAXBUF, less the NUL)."""


class PhysicalLines(Struct, frozen=True):
    """The lines of a file with their numbers, from 1.

    A line longer than the buffer comes in pieces that share its number; from 2.4 on, the
    pieces that fill the buffer are dropped, and the last one stays. ``overlong`` and
    ``cut_by_nul`` are the numbers of the lines on which versions differ in this way.
    """

    lines: Iterable[tuple[int, str]]
    overlong: tuple[int, ...] = ()
    cut_by_nul: tuple[int, ...] = ()


def physical_lines(raw: bytes, dialect: Dialect) -> PhysicalLines:
    """Split the bytes of a file (lib/parser.c, read_line).

    Bytes that are no UTF-8 are kept as they are: a name of a file may hold them.
    """
    if max(map(len, raw.split(b"\n"))) < MAX_LINE and b"\0" not in raw:
        text = raw.decode(errors="surrogateescape")
        # Behind the last line break there is no line more.
        all_lines = text.removesuffix("\n").split("\n") if text else ()
        return PhysicalLines(
            (number, line.rstrip("\r")) for number, line in enumerate(all_lines, 1)
        )
    return _with_oddities(raw, dialect)


def _with_oddities(raw: bytes, dialect: Dialect) -> PhysicalLines:
    lines: list[tuple[int, str]] = []
    overlong: list[int] = []
    cut: list[int] = []
    all_lines = raw.removesuffix(b"\n").split(b"\n")
    last = 0 if raw.endswith(b"\n") else len(all_lines)
    for number, line in enumerate(all_lines, 1):
        if len(line) >= MAX_LINE:
            overlong.append(number)
        ended = number != last
        # At least one piece, so that a blank line stays a line; and where the last piece fills the
        # buffer, the line break is a piece of its own: an empty line.
        for start in range(0, max(len(line) + ended, 1), MAX_LINE):
            whole = line[start : start + MAX_LINE]
            piece, nul, _ = whole.partition(b"\0")
            if nul:
                cut.append(number)
            ends_file = not ended and len(whole) < MAX_LINE
            if dialect.drops_unfit_lines and (len(piece) == MAX_LINE or (nul and not ends_file)):
                piece = b""
            lines.append((number, piece.decode(errors="surrogateescape").rstrip("\r")))
    return PhysicalLines(lines, tuple(overlong), tuple(cut))
