"""``include`` lines: which files they name, and how strict they are about it."""

import re
from enum import Flag, auto
from pathlib import Path

from msgspec import Struct

from lvsmarkd.keepalived.conf.comments import BLANKS
from lvsmarkd.keepalived.conf.globbing import escaped, matches_of

# `includet`, which some help texts name, is no keyword (lib/parser.c, is_include).
_INCLUDE = re.compile(r"include([rmwba]?)[ \t\n\v\f\r]")
_BRACES = re.compile(r"\\.|[{},]", re.DOTALL)
_MAX_PATTERNS = 1000
"""Patterns that braces may make of one include: they multiply."""


class Fatal(Flag):
    """What makes keepalived exit (lib/parser.c, check_include)."""

    NOTHING = 0
    UNREADABLE = auto()
    MISSING = auto()
    WILDCARD = auto()
    """A wildcard without a match."""
    SOME_MISSING = auto()
    """One of several."""


_FATAL = {
    "": Fatal.NOTHING,
    "r": Fatal.UNREADABLE,
    "m": Fatal.UNREADABLE | Fatal.MISSING,
    "w": Fatal.UNREADABLE | Fatal.MISSING | Fatal.WILDCARD,
    "b": Fatal.UNREADABLE | Fatal.SOME_MISSING,
    "a": Fatal.UNREADABLE | Fatal.MISSING | Fatal.WILDCARD | Fatal.SOME_MISSING,
}


class Include(Struct, frozen=True):
    """An include: ``pattern`` is all the rest of its line, quotes and blanks included."""

    pattern: str
    fatal: Fatal

    @property
    def several(self) -> bool:
        """Whether braces make several patterns of it."""
        return "{" in self.pattern.replace("\\{", "")


class IncludedFiles(Struct, frozen=True):
    """The files that an include names, in the order keepalived reads them."""

    lookups: dict[str, tuple[str, ...]]
    """Each pattern by itself, absolute, and what it matched just before."""
    names: tuple[str, ...]
    missing: bool
    """A file named without a wildcard, or the directory of a wildcard, is not there."""
    wildcard: bool
    """A directory was searched."""
    exhausted: bool
    """There was more to search than is searched."""
    denied: str = ""
    """A place into which we may not look, though keepalived may."""


def include_of(text: str) -> Include | None:
    """The include that a whole line is, if it is one."""
    if (match := _INCLUDE.match(text)) is None:
        return None
    return Include(text[match.end() :].lstrip(BLANKS), _FATAL[match.group(1)])


def find_files(include: Include, directory: str) -> IncludedFiles:
    """Look an include up from the directory that keepalived stands in.

    glob(3) with GLOB_BRACE: every alternative is sorted by itself, in order of bytes;
    hidden files are matched by a dot only (lib/parser.c, open_and_check_glob).
    """
    names: list[str] = []
    lookups: dict[str, tuple[str, ...]] = {}
    missing = wildcard = exhausted = False
    denied = ""
    for pattern in _alternatives(include.pattern):
        start = "/" if pattern.startswith("/") else escaped(directory)
        lookup = str(Path(start) / pattern)
        lookups[lookup] = tuple(matches_of(lookup).names)
        matches = matches_of(pattern, directory)
        names += matches.names
        missing, wildcard = missing or matches.missing, wildcard or matches.wildcard
        exhausted = exhausted or matches.exhausted
        denied = denied or matches.denied
    return IncludedFiles(lookups, tuple(names), missing, wildcard, exhausted, denied)


def _alternatives(pattern: str) -> list[str]:
    """Expand ``{a,b}`` as GLOB_BRACE does; a brace without its end stays."""
    pending = [pattern]
    done: list[str] = []
    while pending and len(done) + len(pending) <= _MAX_PATTERNS:
        current = pending.pop(0)
        if (group := _first_group(current)) is None:
            done.append(current)
            continue
        start, end, options = group
        pending[:0] = [current[:start] + option + current[end:] for option in options]
    return done


def _first_group(pattern: str) -> tuple[int, int, list[str]] | None:
    """Where the first group in braces begins and ends, and its options; a backslash quotes."""
    marks = [match for match in _BRACES.finditer(pattern) if match.group()[0] != "\\"]
    while marks and marks[0].group() != "{":
        del marks[0]
    if not marks:
        return None
    start = marks[0].start()
    depth = 0
    option = start + 1
    options: list[str] = []
    for mark in marks:
        at = mark.start()
        match mark.group():
            case "{":
                depth += 1
            case "}" if depth > 1:
                depth -= 1
            case "}":
                return start, at + 1, [*options, pattern[option:at]]
            case "," if depth == 1:
                options.append(pattern[option:at])
                option = at + 1
    return None
