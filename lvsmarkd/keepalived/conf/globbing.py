"""glob(3), as keepalived calls it: which files a pattern names, and what it missed.

Python's own knows no backslash before a special character, and leaves out ``.`` and ``..``,
which ``.*`` matches (measured: an include of it stumbles over the directories).
"""

import os
import re
import stat
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct, field

from lvsmarkd.model.shortage import is_shortage

_MAGIC = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CLASS = re.compile(r"\[:([a-y]*):\]")
"""What cannot be the name of a class is characters like others; nor does glibc take a z for one
(fnmatch_loop.c)."""
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "lower": "a-z",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_NOTHING = re.compile(r"(?!)")
_SPECIAL = re.compile(r"[*?\[\\]")


_MOST = 20_000
"""Names looked at for one pattern: ``/*/*/*/*`` would walk through all of the machine."""


_DEEPEST = 300
"""Parts of one pattern: more lead back and forth."""


class GlobMatches(Struct):
    """The paths that match, in keepalived's order.

    ``missing`` says that a name, or the directory of a wildcard, was not there; ``wildcard``
    that a directory was searched, ``exhausted`` that not all were. What is ``denied`` is not
    missing: it is not known.
    """

    names: list[str] = field(default_factory=list)
    missing: bool = False
    wildcard: bool = False
    exhausted: bool = False
    denied: str = ""
    """A place into which we may not look, though keepalived may."""
    _seen: int = 0

    def is_there(self, path: str) -> bool:
        """Whether a name is there, be it a link that leads nowhere."""
        try:
            os.lstat(path)
        except OSError as error:
            self.failed(path, error)
            return False
        return True

    def failed(self, path: str, error: OSError) -> None:
        """A look at a path failed. Raises the error where descriptors or memory are lacking."""
        if is_shortage(error):
            raise error
        if isinstance(error, PermissionError):
            self.denied = self.denied or path
        else:
            self.missing = True

    def enough(self, more: int) -> bool:
        """Count names to look at; tells whether they are too many."""
        self._seen += more
        self.exhausted = self.exhausted or self._seen > _MOST
        return self.exhausted


def matches_of(pattern: str, directory: str = "/") -> GlobMatches:
    """Match one pattern without braces, from ``directory``, which is no pattern itself.

    Raises OSError where descriptors or memory are lacking: a directory that could not be
    opened for want of them is there.
    """
    found = GlobMatches()
    if not pattern:
        return found
    start = "/" if pattern.startswith("/") else directory
    parts = [part for part in pattern.split("/") if part]
    if not parts:
        return found
    if len(parts) > _DEEPEST:
        found.exhausted = True
        return found
    try:
        found.names += sorted(_in(start, parts, found), key=os.fsencode)
    except ValueError:  # a NUL in the name
        found.missing = True
    return found


def escaped(text: str) -> str:
    """A pattern that matches just this text."""
    return _SPECIAL.sub(lambda special: f"[{special.group()}]", text)


def _in(directory: str, parts: list[str], found: GlobMatches) -> Iterator[str]:
    part, rest = parts[0], parts[1:]
    if not is_magic(part) and not (not rest and "\\" in part):
        path = os.path.join(directory, _ESCAPE.sub(r"\1", part))  # noqa: PTH118 - a text
        if rest:
            yield from _in(path, rest, found)
        elif found.is_there(path):
            yield path
        return
    found.wildcard = True
    try:
        names = [*os.listdir(directory), ".", ".."]  # noqa: PTH208 - a text
    except OSError as error:
        found.failed(directory, error)
        return
    if found.enough(len(names)):
        return
    wanted = _regex(part)
    for name in names:
        if (name[0] == "." and part[0] not in ".\\") or not wanted.match(name):
            continue
        path = os.path.join(directory, name)  # noqa: PTH118 - a text
        if not rest:
            yield path
        elif _is_directory(path, found):
            yield from _in(path, rest, found)


def _is_directory(path: str, found: GlobMatches) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - a text
    except PermissionError:
        found.denied = found.denied or path
    except OSError:
        pass
    return False


def is_magic(part: str) -> bool:
    """Whether a part of a pattern is more than a name."""
    return _MAGIC.search(part) is not None


@lru_cache(256)
def _regex(part: str) -> re.Pattern[str]:
    """As fnmatch(3) has it, within one name."""
    fixed: list[list[str]] = [[]]
    """What stands between the asterisks."""
    at = 0
    while at < len(part):
        character = part[at]
        at += 1
        match character:
            case "*":
                fixed.append([])
            case "?":
                fixed[-1].append(".")
            case "[" if (bracket := _bracket(part, at)) is not None:
                expression, at = bracket
                fixed[-1].append(expression)
            case "\\" if at < len(part):
                fixed[-1].append(re.escape(part[at]))
                at += 1
            case "\\":
                return _NOTHING
            case _:
                fixed[-1].append(re.escape(character))
    head, *others = ("".join(each) for each in fixed)
    if not others:
        return re.compile(f"(?s:{head})\\Z")
    # Where a part was found first nobody need look further, so that many asterisks cost no more.
    inner = "".join(f"(?>.*?{each})" for each in others[:-1] if each)
    return re.compile(f"(?s:{head}{inner}.*{others[-1]})\\Z")


def _bracket(part: str, at: int) -> tuple[str, int] | None:
    """The set that begins behind a bracket, and what is behind it; None where it never ends, and
    the bracket is a character like others (fnmatch_loop.c of glibc).
    """
    negated = part[at : at + 1] in {"!", "^"}
    at += negated
    made: list[str] = []
    asked: str | None = None
    first = True
    while True:
        if at >= len(part):
            return None
        if part[at] == "]" and not first:
            break
        first = False
        if (named := _CLASS.match(part, at)) is not None:
            at = named.end()
            if named[1] not in _CLASSES and asked is None:
                asked = "".join(made)  # no character is asked for what is behind it
            made.append(_CLASSES.get(named[1], ""))
            continue
        low, at = _member(part, at)
        if part[at : at + 1] == "-" and part[at + 1 : at + 2] not in {"", "]"}:
            high, at = _member(part, at + 1)
            if low is not None and high is not None and low <= high:
                made.append(f"{re.escape(low)}-{re.escape(high)}")
        elif low is not None:
            made.append(re.escape(low))
    inside = "".join(made) if asked is None else asked
    if negated and asked is not None:
        return "(?!)", at + 1
    if negated:
        return (f"[^{inside}]" if inside else "."), at + 1
    return (f"[{inside}]" if inside else "(?!)"), at + 1


def _member(part: str, at: int) -> tuple[str | None, int]:
    """One character of a set, which may be escaped, and what is behind it."""
    if part[at] == "\\":
        at += 1
    return (part[at] if at < len(part) else None), at + 1
