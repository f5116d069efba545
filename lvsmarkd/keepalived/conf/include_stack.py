"""The files that are being read, one inside the other.

lib/parser.c: open_glob_file, open_conf_file, get_next_file. An include opens the first file
that its pattern names, at once; the others follow, each when the one before has ended.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.bounds import Bounds
from lvsmarkd.keepalived.conf.comments import decomment, may_be_annotation
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.files import Skipped, read_file
from lvsmarkd.keepalived.conf.includes import Fatal, Include, find_files
from lvsmarkd.keepalived.conf.physical import PhysicalLines, physical_lines
from lvsmarkd.keepalived.conf.stops import KeepalivedStops
from lvsmarkd.kernel.files import FileIdentity, FileStamp, file_identity, file_stamp
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.unknown import Unknown

Lines = Iterator[tuple[int, str]]


class Frame(Struct):
    """One include: the file that is open, and the files that follow it."""

    include: Include
    origin: Origin
    names: Iterator[str]
    path: str = ""
    lines: Lines = field(default_factory=lambda: iter(()))
    identity: FileIdentity | None = None
    before: Fatal = Fatal.NOTHING
    """What was fatal for every include when it was opened: that is in force again at its end."""
    marks: int = 0
    """Comments that a child took for marks of files that open."""

    @property
    def directory(self) -> str:
        """Where keepalived stands while it reads the file: names are relative to it."""
        return str(Path(self.path).parent)


class ReadRecord(Struct):
    """What is kept of all that was opened."""

    files: list[str] = field(default_factory=list)
    """Every file that was opened, or could not be."""
    stamps: dict[str, FileStamp | None] = field(default_factory=dict)
    """Of each of them, from before it was read first."""
    lookups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Every pattern that was looked for, and what it matched first."""
    problems: list[Problem] = field(default_factory=list)
    warned: list[Origin] = field(default_factory=list)
    """Where keepalived warns, whether that is told or not."""
    partial: bool = False
    """Something that exists was not read."""
    broken_off: list[Origin] = field(default_factory=list)
    """Where a file ends in the middle of a line that closes no block."""
    cut_annotations: list[Origin] = field(default_factory=list)
    """Where a file ends in the middle of an annotation, or of what may have become one."""


class IncludeStack(Struct):
    """Opens files and hands out their lines. ``opened`` and ``closed`` hear of each."""

    dialect: Dialect
    record: ReadRecord
    bounds: Bounds
    opened: Callable[[str], None] = lambda _path: None
    closed: Callable[[], None] = lambda: None
    always_fatal: Fatal = Fatal.NOTHING
    """What ``include_check`` makes fatal for every include."""
    frames: list[Frame] = field(default_factory=list)
    _said: set[str] = field(default_factory=set)

    def push(self, include: Include, origin: Origin, directory: str) -> None:
        """Begin with an include. Raises KeepalivedStops where keepalived exits on it."""
        fatal = include.fatal | self.always_fatal
        found = find_files(include, directory)
        for lookup, matches in found.lookups.items():
            self.record.lookups.setdefault(lookup, matches)
        if found.exhausted:
            self.record.partial = True
            self._say(
                origin,
                f"{include.pattern!r} leads through so many files that they are not all looked "
                "at: name a directory",
            )
        if found.denied:
            self.record.partial = True
            self._say(
                origin,
                f"{found.denied} cannot be looked at (Permission denied), so that it is not known "
                f"what the include of {include.pattern!r} names: let root or everybody read it, or "
                "give lvsmarkd's unit the drop-in private-files.conf",
            )
        if found.missing:
            self._missing(include, origin, fatal, some=bool(found.names))
        elif not found.denied and not found.names and found.wildcard and Fatal.WILDCARD in fatal:
            self._stop(
                origin,
                f"no file matches {include.pattern!r}, on which keepalived exits: "
                "create one, or use plain include",
            )
        frame = Frame(include, origin, iter(found.names), before=self.always_fatal)
        if self._next_file(frame):
            self.frames.append(frame)

    def push_main(self, path: str, raw: bytes) -> None:
        """Begin with the main file."""
        frame = Frame(Include(path, Fatal.NOTHING), Origin(path), iter(()))
        self._open(frame, path, raw)
        self.frames.append(frame)

    def line(self) -> tuple[int, str] | None:
        """The next physical line of the innermost file; None once all files have ended."""
        while self.frames:
            frame = self.frames[-1]
            if (line := next(frame.lines, None)) is not None:
                return line
            self.closed()
            self.always_fatal = frame.before
            if not self._next_file(frame):
                self.frames.pop()
        return None

    def _next_file(self, frame: Frame) -> bool:
        for name in frame.names:
            self.record.files.append(name)
            self.record.stamps.setdefault(name, file_stamp(name))
            if bound := self._bound(name):
                self.record.partial = True
                self._not_read(name, bound, frame)
                continue
            self.bounds.files += 1
            raw = read_file(name)
            if isinstance(raw, Skipped | Unknown):
                self._unreadable(name, raw, frame)
                continue
            self.bounds.bytes += len(raw)
            self._open(frame, name, raw)
            return True
        return False

    def _open(self, frame: Frame, path: str, raw: bytes) -> None:
        physical = physical_lines(raw, self.dialect)
        if path not in self._said:
            self._said.add(path)
            self._odd_lines(path, physical)
            self._last_line(path, raw)
        frame.path, frame.lines, frame.identity = path, iter(physical.lines), file_identity(path)
        frame.marks = 0
        self.opened(path)

    def _missing(self, include: Include, origin: Origin, fatal: Fatal, *, some: bool) -> None:
        kind = Fatal.SOME_MISSING if some or include.several else Fatal.MISSING
        what = f"the include of {include.pattern!r} names a file that is not there, "
        if kind in fatal:
            self._stop(origin, f"{what}on which keepalived exits: create it, or use plain include")
        self._say(origin, f"{what}and keepalived goes on without it: create it or remove the line")

    def _unreadable(self, name: str, refused: Skipped | Unknown, frame: Frame) -> None:
        if isinstance(refused, Unknown):
            # keepalived reads what we may not.
            self.record.partial = True
            self._say(
                frame.origin,
                f"the included {name} {refused.reason}, so that it is not known what is in it",
            )
            return
        if Fatal.UNREADABLE in frame.include.fatal | self.always_fatal:
            self._stop(
                frame.origin,
                f"{name} {refused.reason}, on which keepalived exits: "
                "make it a readable file without execute bits",
            )
        # Directories and the like keepalived passes over, by design and for ever.
        self._say(
            frame.origin,
            f"the included {name} {refused.reason}, so that nothing in it is in use: "
            "make it a readable file without execute bits",
        )

    def _bound(self, name: str) -> str | None:
        identity = file_identity(name)
        if identity and any(identity == frame.identity for frame in self.frames):
            return "it includes itself"
        return self.bounds.no_more_files(len(self.frames))

    def _not_read(self, name: str, bound: str, frame: Frame) -> None:
        if bound in self._said:
            return  # one bound makes thousands of files go unread
        self._said.add(bound)
        self._say(frame.origin, f"{name} is not read, since {bound}: untie the includes")

    def _last_line(self, path: str, raw: bytes) -> None:
        """A line without its line break may be half a line."""
        last = raw[raw.rfind(b"\n") + 1 :].partition(b"\0")[0]
        text, comment = decomment(last.decode(errors="surrogateescape"), self.dialect)
        origin = Origin(path, raw.count(b"\n") + 1)
        if text and not text.endswith("}"):
            self.record.broken_off.append(origin)
        if may_be_annotation(comment):
            self.record.cut_annotations.append(origin)

    def _odd_lines(self, path: str, physical: PhysicalLines) -> None:
        if self.dialect.drops_unfit_lines:
            unfit = (*physical.overlong, *physical.cut_by_nul)
            self.record.warned += [Origin(path, number) for number in unfit]
        if physical.overlong:
            self._say(
                Origin(path, physical.overlong[0]),
                f"{len(physical.overlong)} lines from here on hold 1023 bytes or more, which "
                "keepalived cuts in pieces (from 2.4 on: drops): make them shorter",
            )
        if physical.cut_by_nul:
            self._say(
                Origin(path, physical.cut_by_nul[0]),
                f"{len(physical.cut_by_nul)} lines from here on hold a NUL, which ends them for "
                "keepalived (from 2.4 on: drops them): remove it",
            )

    def _say(self, origin: Origin, message: str) -> None:
        self.record.problems.append(Problem(origin, message))

    def _stop(self, origin: Origin, message: str) -> None:
        raise KeepalivedStops(Problem(origin, message, fatal=True))
