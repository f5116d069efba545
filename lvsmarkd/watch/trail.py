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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

_LONGEST = 400
"""Parts of a path that is followed: the slow check sees what is behind longer ones."""
_MAX_LINKS = 40
"""Links followed on one way, as the kernel does."""

Stamp = tuple[int, int, int, int, int]
"""What differs when a file was changed: device, inode, size, and when it was written and
when its inode was. Reading a file changes none of it."""
Stamps = Mapping[str, Stamp | None]


@dataclass(frozen=True, slots=True)
class Part:
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


@dataclass(frozen=True, slots=True)
class Trail:
    """Where to look for changes: real directories, and what counts in each."""

    parts: dict[str, set[Part]] = field(default_factory=dict)
    ends: set[str] = field(default_factory=set)
    """The files themselves, as far as the way to them exists, with no link left in the path."""

    def concerns(self, path: str) -> bool:
        """Whether something that happened to ``path`` may matter."""
        directory, name = os.path.split(path)
        return any(part.matches(name) for part in self.parts.get(directory, ()))

    def stamps(self) -> Stamps:
        """The state of the files now; of one that is not there, None."""
        return {end: _stamp(end) for end in self.ends}


def trail_of(files: Iterable[str], lookups: Iterable[str]) -> Trail:
    """The trail of absolute paths and of absolute glob patterns, as things are now."""
    trail = Trail()
    ways = [_names(file) for file in files]
    ways += [tuple(_part(part.text) for part in _names(lookup)) for lookup in lookups]
    for way in ways:
        if len(way) <= _LONGEST:
            _walk(trail, "/", way, _MAX_LINKS)
    return trail


def _walk(trail: Trail, at: str, way: tuple[Part, ...], links: int) -> None:
    """Go on from the directory ``at``, which is there and is no link."""
    part, rest = way[0], way[1:]
    if part.text == "..":
        _onward(trail, os.path.dirname(at), rest, links)  # noqa: PTH120 - a text
        return
    trail.parts.setdefault(at, set()).add(part)
    for name in part.names_in(at):
        path = os.path.join(at, name)  # noqa: PTH118 - a text
        try:
            target = os.readlink(path)  # noqa: PTH115 - a text
        except (OSError, ValueError):  # no link, or not there, or no name at all
            _onward(trail, path, rest, links)
            continue
        if links:
            start = "/" if target.startswith("/") else at
            _onward(trail, start, (*_names(target), *rest), links - 1)


def _onward(trail: Trail, path: str, rest: tuple[Part, ...], links: int) -> None:
    if not rest:
        trail.ends.add(path)
    elif os.path.isdir(path):  # noqa: PTH112 - takes any text, and never raises
        _walk(trail, path, rest, links)


def _names(path: str) -> tuple[Part, ...]:
    return tuple(Part(name) for name in PurePosixPath(path).parts if name.strip("/"))


def _part(text: str) -> Part:
    if not glob.has_magic(text):
        return Part(text)
    try:
        return Part(text, re.compile(fnmatch.translate(text.replace("[^", "[!"))))
    except re.error:
        return Part(text)


def _stamp(path: str) -> Stamp | None:
    try:
        seen = os.stat(path)  # noqa: PTH116 - a text
    except (OSError, ValueError):
        return None
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
