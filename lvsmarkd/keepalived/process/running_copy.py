"""The configuration that the running keepalived has read last, whatever its files say now.

Its parent holds its copy of them (`conf_copy`) as one file in memory (lib/parser.c,
init_data, since 2.2.0), to which links of /proc lead for whoever may trace the process
(CAP_SYS_PTRACE). It runs ahead of what is in use in one case: with ``reload_check_config`` it
is overwritten by a configuration that is then refused (measured with 2.2.7; 2.4.3 leaves it
alone, and with it its children, so that no reload changes anything).
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from lvsmarkd.keepalived.conf.conf_copy import CLOSES, FAILED, OPENS, copy_of
from lvsmarkd.keepalived.conf.context import ReadContext
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.files import Skipped, read_file
from lvsmarkd.keepalived.conf.globbing import matches_of
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.reading import default_config_id, reading_of
from lvsmarkd.keepalived.conf.transcript import Transcript, transcribe_copy
from lvsmarkd.keepalived.process.procfs import environment_of, link_of, stat_of
from lvsmarkd.model.keepalived import Reading
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.running import RunningKeepalived
from lvsmarkd.model.shortage import is_shortage
from lvsmarkd.model.unknown import Unknown

CopyStamp = tuple[int, int]
"""When the copy was written last (ns since the epoch), and its size in bytes."""

_MEMORY = "/memfd:/keepalived/consolidated_configuration (deleted)"
# A file without a name in a directory stands in where memfds do not work, or where
# `tmp_config_directory` asks for one (open_tmpfile); keepalived has no other such file.
_NAMELESS = re.compile(r"/.*/#\d+ \(deleted\)", re.DOTALL)
_STANDARD = ("0", "1", "2")
"""Descriptors that are somebody else's, whatever they lead to."""


def find_copy(pid: int, proc: Path = Path("/proc")) -> str | Unknown:
    """The path by which the copy of a process can be opened, or why there is none."""
    directory = proc / str(pid) / "fd"
    found: dict[str, str] = {}
    try:
        for name in set(os.listdir(directory)).difference(_STANDARD):  # noqa: PTH208 - texts
            with suppress(FileNotFoundError):  # closed meanwhile
                found[os.readlink(directory / name)] = name  # noqa: PTH115 - likewise
    except PermissionError:
        return Unknown("cannot be read: lvsmarkd needs CAP_SYS_PTRACE to look at it")
    except OSError as error:
        if is_shortage(error):
            raise
        return Unknown(f"is gone ({error.strerror or error})")
    links = [_MEMORY] if _MEMORY in found else list(filter(_NAMELESS.fullmatch, found))
    if not links:
        return Unknown("is not there: keepalived keeps one from 2.2 on")
    return str(directory / found[links[0]])


def stamp_of(pid: int, proc: Path = Path("/proc")) -> CopyStamp | None:
    """What changes whenever keepalived reads its configuration; None where it is not seen.

    It costs a look at each file that the process has open (measured: 0.08 ms).
    """
    copy = find_copy(pid, proc)
    return None if isinstance(copy, Unknown) else stamp_at(copy)


def stamp_at(copy: str) -> CopyStamp | None:
    """The stamp of a copy whose path is known."""
    try:
        seen = os.stat(copy)  # noqa: PTH116 - a text
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size


def read_running_copy(
    keepalived: RunningKeepalived, proc: Path = Path("/proc")
) -> Reading | Unknown:
    """What keepalived has read last, with the places in the original files.

    It holds no annotations, since these are comments. It is suspect where it was being
    rewritten, and where it may not be what keepalived has in use.
    """
    process = proc / str(keepalived.pid)
    copy = find_copy(keepalived.pid, proc)
    if isinstance(copy, Unknown):
        return copy
    before = stamp_at(copy)
    raw = read_file(copy)
    if isinstance(raw, Skipped | Unknown):
        return Unknown(raw.reason)
    # keepalived empties it first and then writes: what was read may be a part, of either.
    settled = before is not None and before == stamp_at(copy)
    text = _text(raw)
    main = _main(text, process, keepalived)
    config_id = keepalived.config_id
    dialect = Dialect.of(keepalived.build)
    transcript = transcribe_copy(
        copy_of(text),
        main,
        ReadContext(
            default_config_id() if config_id is None else config_id,
            dialect,
            environment_of(process),
        ),
    )
    stat = stat_of(process)
    if before is None or stat is None or stat.started != keepalived.started:
        return Unknown("is gone: keepalived has ended")
    doubts = _refusable(transcript)
    opened_anew = keepalived.contained and bool(transcript.lookups)
    if doubts or opened_anew or not (settled and _complete(text)) or _outrun(transcript, before):
        transcript = replace(transcript, partial=True, problems=(*transcript.problems, *doubts))
    return reading_of(main, transcript, dialect)


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def _main(text: str, process: Path, keepalived: RunningKeepalived) -> str:
    """The main file's path: the copy names it as the command line does."""
    first = text.partition("\n")[0]
    if not first.startswith(OPENS):
        return keepalived.config or str(process)
    return str(Path(link_of(process, "cwd") or "/") / first.removeprefix(OPENS))


def _complete(text: str) -> bool:
    """Whether every file was closed: in a copy that is being written, the main one is not."""
    depth = 0
    lines = text.removesuffix("\n").split("\n")
    for line in lines:
        if line.startswith(OPENS[0]) and not line.startswith(FAILED):
            depth += 1
        elif line.startswith(CLOSES):
            depth -= 1
    return depth == 0 and text.endswith("\n") and lines[-1] == CLOSES


def _outrun(transcript: Transcript, stamp: CopyStamp) -> bool:
    """Whether a file was changed since that the children opened by themselves: what we read in
    it is not what they did.
    """
    names = (name for lookup in transcript.lookups for name in matches_of(lookup).names)
    return any((seen := stamp_at(name)) is not None and seen[0] > stamp[0] for name in names)


def _refusable(transcript: Transcript) -> tuple[Problem, ...]:
    """A word of warning where what was read may not be what is in use."""
    for item in transcript.items:
        if isinstance(item, LogicalLine) and item.words[0] == "reload_check_config":
            return (
                Problem(
                    item.origin,
                    "with reload_check_config, keepalived overwrites its copy even with what it "
                    "then refuses, so that lvsmarkd takes no rule away on its word: reload "
                    "without it",
                ),
            )
    return ()
