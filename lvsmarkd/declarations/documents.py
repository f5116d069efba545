"""The TOML files: which there are, and what is in them."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.refusal import shown

_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


_MARK_TABLE = re.compile(r"\s*\[\[\s*(?:mark|\"mark\"|'mark')\s*\]\]")


class Toml(Struct, frozen=True):
    """The content of a file, and the lines where its ``[[mark]]`` tables begin."""

    content: dict[str, object]
    mark_lines: tuple[int, ...] = ()


class UnreadableError(Exception):
    """A file that cannot be read, or is not TOML; ``problem`` says why."""

    def __init__(self, origin: Origin, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(origin, message)


def drop_ins(directory: Path) -> Iterator[Path]:
    """The ``*.toml`` files of a directory, sorted; none where there is no directory.

    Hidden files, directories and the like are left out. A link that leads nowhere is not:
    what it should have led to is missing. Raises UnreadableError.
    """
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - names sort, and match, as bytes do
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnreadableError(Origin(str(directory)), _reason(error)) from error
    for name in names:
        path = directory / name
        if not name.endswith(".toml") or name.startswith("."):
            continue
        if _may_be_file(path):
            yield path


def _may_be_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # what it leads to is missing, or closed to us


def document(path: Path) -> Toml:
    """Read a TOML file.

    Raises FileNotFoundError if there is none, UnreadableError for all else that is wrong.
    """
    try:
        content = _content(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(Origin(str(path)), _reason(error)) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"found the byte {content[error.start]:#04x}, expected UTF-8 text"
        raise UnreadableError(Origin(str(path), line), message) from error
    import tomllib  # noqa: PLC0415 - most directors have no such file

    try:
        loaded = tomllib.loads(text)
    except RecursionError as error:
        message = "found lists or tables nested beyond measure, expected TOML"
        raise UnreadableError(Origin(str(path)), message) from error
    except ValueError as error:  # TOMLDecodeError, and int()'s own for thousands of digits
        raise _syntax(path, text, str(error)) from error
    lines = enumerate(text.split("\n"), 1)
    return Toml(loaded, tuple(number for number, line in lines if _MARK_TABLE.match(line)))


def _content(path: Path) -> bytes:
    # A FIFO without a writer would block an open without O_NONBLOCK for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "something that is no regular file"
            raise UnreadableError(Origin(str(path)), f"found {kind}, expected a TOML file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return f"found that it cannot be read ({error.strerror}), expected a readable file"


def _syntax(path: Path, text: str, message: str) -> UnreadableError:
    lines = text.split("\n")
    place = _LINE.search(message)
    if place is None:
        return UnreadableError(Origin(str(path)), f"expected TOML, found: {message}")
    number = int(place[1]) if place[1] else max(1, len(text.rstrip().split("\n")))
    found = shown(lines[number - 1].strip())
    reason = message[: place.start()]
    return UnreadableError(Origin(str(path), number), f"found {found}, expected TOML: {reason}")
