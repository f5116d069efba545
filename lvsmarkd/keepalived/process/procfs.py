"""One process, as /proc tells of it."""

import os
from pathlib import Path

from msgspec import Struct

from lvsmarkd.model.shortage import is_shortage

_ENOUGH = 1 << 16
"""Bytes of a file of /proc that are read; a command line may be megabytes."""
_PPID, _STARTED = 1, 19
"""Places in /proc/PID/stat after the name (proc_pid_stat(5): the 4th and the 22nd field)."""


class Stat(Struct, frozen=True):
    """The name that the kernel keeps of it, its parent, and when it started (ticks)."""

    name: str
    parent: int
    started: int


class Status(Struct, frozen=True):
    """Its four user ids, and how many pid namespaces deeper than ours it lives."""

    uids: tuple[int, ...]
    depth: int


def stat_of(process: Path) -> Stat | None:
    """What /proc/PID/stat says; None where there is no such process, or it is hidden."""
    head, parenthesis, tail = read_text(process / "stat").rpartition(")")
    fields = tail.split()
    if not parenthesis or len(fields) <= _STARTED:
        return None
    return Stat(head.partition("(")[2], int(fields[_PPID]), int(fields[_STARTED]))


def status_of(process: Path) -> Status | None:
    """What /proc/PID/status says; it is open to everybody, unlike the links beside it."""
    lines = read_text(process / "status").splitlines()
    fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    if "Uid" not in fields:
        return None
    # Kernels without pid namespaces have no NSpid.
    return Status(tuple(map(int, fields["Uid"])), max(0, len(fields.get("NSpid", [])) - 1))


def arguments_of(process: Path) -> tuple[str, ...]:
    """Its command line; empty where it has none."""
    text = read_text(process / "cmdline")
    return tuple(text.removesuffix("\0").split("\0")) if text else ()


def environment_of(process: Path) -> dict[str, str] | None:
    """The environment that it was started with; None where we may not know."""
    text = read_text(process / "environ")
    pairs = (entry.partition("=") for entry in text.split("\0") if entry)
    return {name: value for name, _, value in pairs} if text else None


def link_of(process: Path, name: str) -> str | None:
    """Where a link of /proc/PID leads; None where we may not know (CAP_SYS_PTRACE)."""
    try:
        return os.readlink(process / name)  # noqa: PTH115 - the text, whatever it is
    except OSError as error:
        if is_shortage(error):
            raise
        return None


def read_text(file: Path) -> str:
    """A small file; nothing where it cannot be read. All bytes are kept.

    Raises OSError where descriptors or memory are lacking: that tells nothing of the file.
    """
    try:
        # No waiting, whatever stands in the place of a file.
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb", buffering=0) as stream:
            return os.fsdecode(stream.read(_ENOUGH) or b"")
    except OSError as error:
        if is_shortage(error):
            raise
        return ""
