"""The running keepalived: which process it is, and with which options it was started.

It is looked for where it is cheap first: in pid files, then among the processes of its systemd
unit, then in all of /proc. A pid file is only a hint: whatever it names is believed for what
it is now (a parent process of keepalived), never for the file's word or age.

What is believed runs as root, or as we do: a name and a command line anybody can choose, and
what they say decides on packet rules.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.keepalived.process.command_line import options_of
from lvsmarkd.keepalived.process.procfs import (
    arguments_of,
    link_of,
    read_text,
    stat_of,
    status_of,
)
from lvsmarkd.kernel.files import file_identity
from lvsmarkd.model.running import Running, RunningKeepalived, Stopped
from lvsmarkd.model.shortage import is_shortage
from lvsmarkd.model.unknown import Unknown

NAME = "keepalived"
TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks in a second, in which the kernel tells when a process started."""
PID_FILES = ("keepalived.pid",)
"""Under /run; with the pattern below, all that keepalived chooses by itself."""
PID_LOOKUPS = ("keepalived/keepalived*.pid", "keepalived/*/keepalived*.pid")
"""With ``use_pid_dir``, an ``instance``, or a ``net_namespace``, whose directory is bound over
the other one inside (core/main.c, core/namespaces.c)."""
_DIGITS = 10
"""Digits of a process's number, and more."""
_UNIT = ("*/system.slice/keepalived.service", "system.slice/keepalived.service")
"""Below /sys/fs/cgroup: version 1 and the hybrid have one hierarchy more."""


def find_keepalived(
    proc: Path = Path("/proc"),
    run: Path = Path("/run"),
    cgroups: Path = Path("/sys/fs/cgroup"),
    known: Running | None = None,
) -> Running:
    """Find keepalived's parent process.

    Raises OSError where descriptors or memory are lacking: then nothing is known of it.

    ``known`` is what was found before: as long as that process is the right one, this costs
    two look-ups in /proc (measured: 0.04 ms), else some pid files, and at most one scan of
    /proc. Of several, one of our own network namespace that runs the checker is preferred.
    Where ``process_name`` gives it another name, it is found by pid file or unit only.
    """
    search = _Search(proc, run, cgroups)
    if isinstance(known, RunningKeepalived):
        still = search.still(known)
        # Where its network cannot be seen, it may be a stranger that was found first.
        if still is not None and still.elsewhere is False and _rank(still) == _BEST:
            return still
    found: list[RunningKeepalived] = []
    for stage in (search.pid_files, search.unit, search.scan):
        found += search.parents(stage)
        if any(_rank(one) == _BEST for one in found):
            break
    if found:
        return min(found, key=_rank)
    if stat_of(proc / "1") is None:
        return Unknown(
            f"{proc} does not show the processes of others (mounted with hidepid, or a unit with "
            "ProtectProc=): give lvsmarkd CAP_SYS_PTRACE, or show them"
        )
    return Stopped()


def _rank(one: RunningKeepalived) -> tuple[bool, bool, bool]:
    return (one.elsewhere is True, one.contained, not one.checker)


_BEST = (False, False, False)


class _Search(Struct):
    proc: Path
    run: Path
    cgroups: Path
    _seen: set[int] = field(default_factory=set)
    _instances: dict[int, str] = field(default_factory=dict)
    """Names of instances by pid, as the names of pid files tell them."""

    def still(self, known: RunningKeepalived) -> RunningKeepalived | None:
        """The same process as it is now: it may have changed its network namespace since."""
        stat = stat_of(self.proc / str(known.pid))
        if stat is None or stat.started != known.started:
            return None
        elsewhere = self._elsewhere(self.proc / str(known.pid))
        return known if elsewhere == known.elsewhere else replace(known, elsewhere=elsewhere)

    def parents(self, stage: Callable[[], Iterable[int]]) -> list[RunningKeepalived]:
        """Those of a stage's processes that are keepalived's parent, each once."""
        pids = [pid for pid in dict.fromkeys(stage()) if pid not in self._seen]
        self._seen.update(pids)
        return [one for pid in pids if (one := self._look(pid)) is not None]

    def pid_files(self) -> Iterator[int]:
        # /var/run is often the same directory, and what is found twice is looked at once.
        for directory in (self.run, self.run.parent / "var" / self.run.name):
            files = [directory / name for name in PID_FILES]
            files += [file for lookup in PID_LOOKUPS for file in sorted(directory.glob(lookup))]
            for file in files:
                text = read_text(file).strip()
                if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
                    pid = int(text)
                    _, named, instance = file.stem.partition("_")
                    if named:
                        self._instances.setdefault(pid, instance)
                    yield pid

    def unit(self) -> Iterator[int]:
        """All processes of its unit; which of them is the parent, a look tells."""
        for unit in _UNIT:
            for file in self.cgroups.glob(f"{unit}/cgroup.procs"):
                yield from map(int, read_text(file).split())

    def scan(self) -> Iterator[int]:
        """All processes of its name."""
        try:
            names = os.listdir(self.proc)  # noqa: PTH208 - texts, of thousands of processes
        except OSError as error:
            if is_shortage(error):
                raise
            return
        for name in names:
            if name.isdigit() and (stat := stat_of(self.proc / name)) and stat.name == NAME:
                yield int(name)

    def _look(self, pid: int) -> RunningKeepalived | None:
        process = self.proc / str(pid)
        stat, status, arguments = stat_of(process), status_of(process), arguments_of(process)
        if stat is None or status is None or not self._is_parent(stat.parent, arguments):
            return None
        if not {0, os.geteuid()}.issuperset(status.uids):
            return None
        options = options_of(arguments)
        if not options.daemon:
            return None
        roots = (file_identity(process / "root"), file_identity(self.proc / "self" / "root"))
        contained = status.depth > 0 or (None not in roots and roots[0] != roots[1])
        found = RunningKeepalived(
            pid=pid,
            started=stat.started,
            executable=None if contained else _executable(process),
            config=None if contained else _absolute(process, options.config),
            config_id=options.config_id,
            instance=self._instances.get(pid),
            net_namespace=options.net_namespace,
            checker=options.checker,
            elsewhere=self._elsewhere(process),
            contained=contained,
        )
        # The number may have become another's between the first look and the last.
        return found if stat_of(process) == stat else None

    def _is_parent(self, parent: int, arguments: tuple[str, ...]) -> bool:
        # Not the kernel's name for it: `process_name` changes that, and a script that is called
        # keepalived has it too. Children are forks: they have their parent's command line.
        called = bool(arguments) and Path(arguments[0]).name == NAME
        return called and arguments_of(self.proc / str(parent)) != arguments

    def _elsewhere(self, process: Path) -> bool | None:
        # The first is for those who may trace it, the second for everybody: a namespace's files
        # have inodes that no other namespace's have (measured).
        for name in ("ns/net", "net/dev"):
            theirs = file_identity(process / name)
            ours = file_identity(self.proc / "self" / name)
            if theirs is not None and ours is not None:
                return theirs != ours
        return None


def _executable(process: Path) -> str | None:
    """The program it runs, also where its file was replaced since (an upgrade)."""
    link = link_of(process, "exe")
    return str(process / "exe") if link is not None and link.endswith(" (deleted)") else link


def _absolute(process: Path, config: str | None) -> str | None:
    if config is None or config.startswith("/"):
        return config
    directory = link_of(process, "cwd")
    return None if directory is None else str(Path(directory) / config)
