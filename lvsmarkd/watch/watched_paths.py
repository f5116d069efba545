"""The names on the way to a file: what must be watched to hear of every change of it.

``/etc/keepalived/keepalived.conf`` depends on ``etc`` in ``/``, on ``keepalived`` in ``/etc``
and on ``keepalived.conf`` in there; where one of them is a symbolic link, also on every name
of its target. inotify tells of names in a directory, so these directories are watched, and of
what happens in them, these names count. That one rule covers a file written over, renamed
over, or appearing, directories made later, deleted or moved, and links swapped.
"""

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from msgspec import Struct, field

from lvsmarkd.kernel.files import FileStamps, file_stamp

_LONGEST = 400
"""Parts of a path that is followed: the slow check sees what is behind longer ones."""
_MAX_LINKS = 40
"""Links followed on one way, as the kernel does."""


class NamePattern(Struct, frozen=True):
    """One step of a path: a name, or a pattern for names."""

    text: str
    pattern: re.Pattern[str] | None = None

    def matches(self, name: str) -> bool:
        """Whether a name is meant. A pattern means no hidden name, as in glob(3)."""
        if self.pattern is None:
            return name == self.text
        return self.pattern.match(name) is not None and (name[:1] != "." or self.text[:1] == ".")

    def names_in(self, directory: str) -> Iterator[str]:
        """The names that are meant: of a pattern, those that are there."""
        if self.pattern is None:
            yield self.text
            return
        try:
            yield from filter(self.matches, os.listdir(directory))  # noqa: PTH208 - a text
        except OSError:
            return


class WatchedPaths(Struct, frozen=True):
    """Where to look for changes: real directories, and what counts in each."""

    by_directory: dict[str, set[NamePattern]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    """The files themselves, as far as the way to them exists, with no link left in the path."""

    def concerns(self, path: str) -> bool:
        """Whether something that happened to ``path`` may matter."""
        directory, name = os.path.split(path)
        return any(part.matches(name) for part in self.by_directory.get(directory, ()))

    def stamps(self) -> FileStamps:
        """The state of the files now; of one that is not there, None."""
        return {end: file_stamp(end) for end in self.files}


def paths_to_watch(files: Iterable[str], lookups: Iterable[str]) -> WatchedPaths:
    """What to watch for absolute paths and absolute glob patterns, as things are now."""
    found = WatchedPaths()
    ways = [_names(file) for file in files]
    ways += [tuple(_part(part.text) for part in _names(lookup)) for lookup in lookups]
    for way in ways:
        if len(way) <= _LONGEST:
            _walk(found, "/", way, _MAX_LINKS)
    return found


def _walk(found: WatchedPaths, at: str, way: tuple[NamePattern, ...], links: int) -> None:
    """Go on from the directory ``at``, which is there and is no link."""
    part, rest = way[0], way[1:]
    if part.text == "..":
        _onward(found, os.path.dirname(at), rest, links)  # noqa: PTH120 - a text
        return
    found.by_directory.setdefault(at, set()).add(part)
    for name in part.names_in(at):
        path = os.path.join(at, name)  # noqa: PTH118 - a text
        try:
            target = os.readlink(path)  # noqa: PTH115 - a text
        except (OSError, ValueError):  # no link, or not there, or no name at all
            _onward(found, path, rest, links)
            continue
        if links:
            start = "/" if target.startswith("/") else at
            _onward(found, start, (*_names(target), *rest), links - 1)


def _onward(found: WatchedPaths, path: str, rest: tuple[NamePattern, ...], links: int) -> None:
    if not rest:
        found.files.add(path)
    elif os.path.isdir(path):  # noqa: PTH112 - takes any text, and never raises
        _walk(found, path, rest, links)


def _names(path: str) -> tuple[NamePattern, ...]:
    return tuple(NamePattern(name) for name in PurePosixPath(path).parts if name.strip("/"))


def _part(text: str) -> NamePattern:
    if not glob.has_magic(text):
        return NamePattern(text)
    try:
        return NamePattern(text, re.compile(fnmatch.translate(text.replace("[^", "[!"))))
    except re.error:
        return NamePattern(text)
