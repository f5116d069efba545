"""``include`` lines: which files they name, and how strict they are about it."""

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path

from lvsmarkd.keepalived.comments import BLANKS

# `includet`, which some help texts name, is no keyword (lib/parser.c, is_include).
_INCLUDE = re.compile(r"include([rmwba]?)[ \t\n\v\f\r]")
_MAGIC = re.compile(r"[*?\[]")
_MAX_PATTERNS = 1000
"""Patterns that braces may make of one include: they multiply."""

# What each keyword makes fatal, by the letters that keepalived itself uses for it
# (lib/parser.c, check_include): r unreadable, m missing, b one of several missing,
# w a wildcard without a match.
_FATAL = {"": "", "r": "r", "m": "rm", "w": "rmw", "b": "rb", "a": "rmbw"}


@dataclass(frozen=True, slots=True)
class Include:
    """An include: ``pattern`` is all the rest of its line, quotes and blanks included."""

    pattern: str
    fatal: str

    @property
    def several(self) -> bool:
        """Whether braces make several patterns of it."""
        return "{" in self.pattern.replace("\\{", "")


@dataclass(frozen=True, slots=True)
class Found:
    """The files that an include names, in the order keepalived reads them."""

    lookups: tuple[str, ...]
    names: tuple[str, ...]
    missing: bool
    """A file named without a wildcard, or the directory of a wildcard, is not there."""


def include_of(text: str) -> Include | None:
    """The include that a whole line is, if it is one."""
    if (match := _INCLUDE.match(text)) is None:
        return None
    return Include(text[match.end() :].lstrip(BLANKS), _FATAL[match.group(1)])


def find(include: Include, directory: str) -> Found:
    """Look an include up from the directory that keepalived stands in.

    glob(3) with GLOB_BRACE: every alternative is sorted by itself, in order of bytes;
    hidden files are matched by a dot only (lib/parser.c, open_and_check_glob).
    """
    names: list[str] = []
    missing = False
    lookups = tuple(str(Path(directory) / name) for name in _alternatives(include.pattern))
    for lookup in lookups:
        matches = matches_of(lookup)
        names.extend(matches)
        if not matches:
            wildcard = _MAGIC.search(lookup)
            missing = missing or not wildcard or not _parent_exists(lookup[: wildcard.start()])
    return Found(lookups, tuple(names), missing)


def matches_of(lookup: str) -> list[str]:
    """The files that match one absolute pattern now, sorted as glob(3) sorts in the C locale."""
    try:
        # Path.glob takes no absolute pattern.
        found = glob.glob(lookup.replace("[^", "[!"))  # noqa: PTH207  # see above
        return sorted(found, key=os.fsencode)
    except (OSError, ValueError, re.error):
        return []


def _parent_exists(before_wildcard: str) -> bool:
    try:
        # A letter more, so that a directory with its slash is its own parent.
        return Path(before_wildcard + "x").parent.is_dir()
    except ValueError:
        return False


def _alternatives(pattern: str) -> list[str]:
    """Expand ``{a,b}`` as GLOB_BRACE does; ``{}`` and a brace without its end stay."""
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
    start = pattern.find("{")
    while start >= 0 and pattern.startswith("{}", start):
        start = pattern.find("{", start + 2)
    if start < 0:
        return None
    depth = 0
    option = start + 1
    options: list[str] = []
    for at in range(start, len(pattern)):
        match pattern[at]:
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
