"""keepalived's copy of its configuration: what its parent writes and its children read.

lib/parser.c, read_line with write_conf_copy and read_conf_copy. The parent reads the files and
writes every line that it has read, without comments, into one copy, with marks where a file
opens and where it ends. Lines with ``@``, ``~`` or ``$`` stand in it as they were written: each
child expands them anew.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lvsmarkd.keepalived.conf.physical import MAX_LINE

OPENS = "# "
CLOSES = "!"
FAILED = "#!"


class CopyLine(NamedTuple):
    """One line of the copy. ``number`` is that in its file, 0 for a mark; ``comment`` is what
    the copy itself does not keep.
    """

    text: str
    number: int = 0
    comment: str = ""


def copy_of(text: str) -> Iterator[CopyLine]:
    """The copy as a running keepalived holds it, its lines numbered by their files.

    Two things shift the numbers, and nothing in the copy tells of them: an escaped comment that
    begins its line, which it takes for a mark, and a line that was read in pieces of which
    the first lost a comment.
    """
    numbers = [0]
    continued = False
    for line in text.split("\n"):
        if line.startswith(FAILED):
            yield CopyLine(line)
        elif line.startswith("#"):
            numbers.append(0)
            yield CopyLine(line)
        elif line.startswith(CLOSES):
            if len(numbers) > 1:
                numbers.pop()
            yield CopyLine(line)
        else:
            numbers[-1] += not continued
            # A piece that fills the buffer is followed by the rest of its line.
            continued = fills_buffer(line)
            yield CopyLine(line, numbers[-1])


def fills_buffer(line: str) -> bool:
    """Whether there is no room for its line break in the buffer into which it is read."""
    few = len(line) <= MAX_LINE // 4
    return not few and len(line.encode(errors="surrogateescape")) == MAX_LINE


def opened(path: str) -> CopyLine:
    """The mark of a file that opens."""
    return CopyLine(OPENS + path)


def closed() -> CopyLine:
    """The mark of a file that ends."""
    return CopyLine(CLOSES)


Copy = Iterable[CopyLine]
