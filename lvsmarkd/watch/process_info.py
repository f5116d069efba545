"""Who changed the firewall: what /proc says of a process that is about to end."""

from pathlib import Path

from msgspec import Struct

from lvsmarkd.model.wake import Actor

_NAME = 15
"""Characters of a process's name that the kernel keeps (TASK_COMM_LEN - 1)."""
_SHOWN = 200
"""Characters of a command line that are worth a line in the journal."""
_ENOUGH = 4096
"""Bytes of a command line that are read: some are megabytes long."""


class ProcessInfo(Struct, frozen=True):
    """A process as it was seen at the first sign of a change; it may be gone at the last."""

    pid: int = 0
    name: str = ""
    arguments: tuple[str, ...] = ()

    def actor(self, name: str) -> Actor:
        """The program behind a change, by the name that the kernel told.

        The command line counts only if the process bore that name: the number may be
        another's by now, or of another pid namespace than ours (nf_tables tells the number
        of the initial one).
        """
        if self.name != name:
            return Actor(self.pid, printable(name))
        full = Path(self.arguments[0]).name
        if len(name) == _NAME and full.startswith(name):
            name = full
        return Actor(self.pid, printable(name), printable(" ".join(self.arguments)))


def process_info(pid: int, proc: Path = Path("/proc")) -> ProcessInfo:
    """What is to be seen of a process now."""
    process = proc / str(pid)
    name = _read(process / "comm").removesuffix("\n")
    return ProcessInfo(pid, name, tuple(_read(process / "cmdline").rstrip("\0").split("\0")))


def printable(text: str) -> str:
    """A line that cannot disturb a terminal or a journal, cut to what is worth showing."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text[: _SHOWN + 1])
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_ENOUGH).decode("utf-8", "replace")
    except OSError:
        return ""
