"""From keepalived.conf to one sequence of logical lines, includes and expansions done.

lib/parser.c, read_line. Both of keepalived's children read this same sequence, each with its
own keywords.
"""

from dataclasses import dataclass, field
from pathlib import Path

from lvsmarkd.keepalived.comments import annotation, decomment
from lvsmarkd.keepalived.expansion import SPECIAL, Expander, condition
from lvsmarkd.keepalived.files import NotRead, Refusal, read_file
from lvsmarkd.keepalived.includes import Include, find, include_of
from lvsmarkd.keepalived.logical import CLOSE, OPEN, Item, Line, Note, cut, words
from lvsmarkd.keepalived.physical import physical_lines
from lvsmarkd.keepalived.stops import KeepalivedStops
from lvsmarkd.model.origin import Origin, Problem

MAX_FILES = 4096
MAX_DEPTH = 64
MAX_LINES = 2_000_000
"""Bounds of includes that include each other; keepalived itself ends on its open files."""


@dataclass(slots=True)
class Transcript:
    """What was read; it grows while it is read, and is only looked at afterwards."""

    refused: NotRead | None = None
    """Why the main file was not read."""
    items: list[Item] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """Every file that was opened, or could not be, the main file first."""
    lookups: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    open_blocks: list[Line] = field(default_factory=list)
    """Every ``{`` that no ``}`` has closed yet."""
    partial: bool = False
    """Something that exists was not read: a file, or a construct."""
    stop: Problem | None = None
    """Where keepalived stops reading and exits, if it does."""


def transcribe(path: str, config_id: str) -> Transcript:
    """Read an absolute path and all that it includes."""
    return _Transcriber(config_id).transcribe(path)


class _Transcriber:
    def __init__(self, config_id: str) -> None:
        self._config_id = config_id
        self._out = Transcript()
        self._expander = Expander(config_id, self._out.problems)
        self._opened = 0
        self._lines = 0

    def transcribe(self, path: str) -> Transcript:
        out = self._out
        out.files.append(path)
        raw = read_file(path)
        if isinstance(raw, NotRead):
            out.refused = raw
            return out
        try:
            self._file(path, raw, (path,))
        except KeepalivedStops as stop:
            out.stop = stop.problem
        out.partial = out.partial or self._expander.unread
        # A file that is read twice says everything twice.
        out.files[:] = dict.fromkeys(out.files)
        out.lookups[:] = dict.fromkeys(out.lookups)
        return out

    def _file(self, path: str, raw: bytes, stack: tuple[str, ...]) -> None:
        expander = self._expander
        physical = physical_lines(raw)
        self._oddities(path, physical.overlong, physical.cut_by_nul)
        self._lines += raw.count(b"\n")
        for number, line in physical.lines:
            if not line:
                expander.empty_line()
                continue
            text, comment = decomment(line)
            if text and not expander.continues(text):
                self._line(text, number, stack)
            if (
                comment
                and (note := annotation(comment)) is not None
                and condition(text, self._config_id) is not False
            ):
                self._out.items.append(Note(note, path, number))

    def _line(self, text: str, number: int, stack: tuple[str, ...]) -> None:
        """Every logical line of one physical line; what is left of it is expanded again."""
        path = stack[-1]
        rest = text
        while rest:
            text = rest
            if SPECIAL.search(text):
                origin = Origin(path, number)
                text = self._expander.expand(text, origin, str(Path(path).parent))
            if text.startswith("include") and (include := include_of(text)):
                self._include(include, Origin(path, number), stack)
                return
            if not text:
                return
            text, rest = cut(text)
            if found := words(text):
                line = Line(found, path, number)
                self._out.items.append(line)
                if text == OPEN:
                    self._out.open_blocks.append(line)
                elif text == CLOSE and self._out.open_blocks:
                    self._out.open_blocks.pop()

    def _include(self, include: Include, origin: Origin, stack: tuple[str, ...]) -> None:
        out = self._out
        # keepalived stands in the directory of the file it reads: names are relative to it.
        found = find(include, str(Path(stack[-1]).parent))
        out.lookups.extend(found.lookups)
        if found.missing:
            self._missing(include, origin, some=bool(found.names))
        elif not found.names and "w" in include.fatal:
            raise KeepalivedStops(
                Problem(
                    origin,
                    f"no file matches {include.pattern!r}, on which keepalived exits: "
                    "create one, or use plain include",
                    fatal=True,
                )
            )
        for name in found.names:
            self._included(name, include, origin, stack)

    def _missing(self, include: Include, origin: Origin, *, some: bool) -> None:
        fatal = ("b" if some or include.several else "m") in include.fatal
        if not fatal:
            self._problem(
                origin,
                f"the include of {include.pattern!r} names a file that is not there, "
                "and keepalived goes on without it: create it or remove the line",
            )
            return
        raise KeepalivedStops(
            Problem(
                origin,
                f"the include of {include.pattern!r} names a file that is not there, "
                "on which keepalived exits: create it, or use plain include",
                fatal=True,
            )
        )

    def _included(
        self, name: str, include: Include, origin: Origin, stack: tuple[str, ...]
    ) -> None:
        out = self._out
        out.files.append(name)
        if bound := self._bound(name, stack):
            out.partial = True
            self._problem(origin, f"{name} is not read, since {bound}: untie the includes")
            return
        self._opened += 1
        raw = read_file(name)
        if not isinstance(raw, NotRead):
            self._file(name, raw, (*stack, name))
        elif "r" in include.fatal:
            raise KeepalivedStops(
                Problem(
                    origin,
                    f"{name} {raw.reason}, on which keepalived exits: "
                    "make it a readable file without execute bits",
                    fatal=True,
                )
            )
        else:
            # Directories and the like keepalived passes over, by design and for ever.
            unread = (Refusal.UNREADABLE, Refusal.TOO_LARGE)
            out.partial = out.partial or raw.refusal in unread
            self._problem(
                origin,
                f"the included {name} {raw.reason}, so that nothing in it is in use: "
                "make it a readable file without execute bits",
            )

    def _bound(self, name: str, stack: tuple[str, ...]) -> str | None:
        if any(_same_file(name, other) for other in stack):
            return "it includes itself"
        if len(stack) >= MAX_DEPTH:
            return f"includes are nested more than {MAX_DEPTH} deep"
        if self._opened >= MAX_FILES or self._lines >= MAX_LINES:
            return f"includes come to more than {MAX_FILES} files or {MAX_LINES} lines"
        return None

    def _oddities(self, path: str, overlong: tuple[int, ...], cut_by_nul: tuple[int, ...]) -> None:
        if overlong:
            self._problem(
                Origin(path, overlong[0]),
                f"{len(overlong)} lines from here on hold 1023 bytes or more, which keepalived "
                "cuts in pieces (from 2.4 on: drops): make them shorter",
            )
        if cut_by_nul:
            self._problem(
                Origin(path, cut_by_nul[0]),
                f"{len(cut_by_nul)} lines from here on hold a NUL, which ends them for "
                "keepalived (from 2.4 on: drops them): remove it",
            )

    def _problem(self, origin: Origin, message: str) -> None:
        self._out.problems.append(Problem(origin, message))


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return False
