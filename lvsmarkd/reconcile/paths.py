"""The directories of a running daemon, as systemd names them, and the lock that makes it one."""

import fcntl
import os
from pathlib import Path

from msgspec import Struct


class DaemonPaths(Struct, frozen=True):
    """``runtime`` is gone after a boot, ``state`` stays."""

    runtime: Path
    state: Path

    @property
    def socket(self) -> Path:
        """Where the daemon listens for status, pause and resume."""
        return self.runtime / "control.sock"

    @property
    def pause(self) -> Path:
        """Where a pause outlives a restart of the daemon."""
        return self.runtime / "pause.json"

    @property
    def lock(self) -> Path:
        """Held by whoever may write rules."""
        return self.runtime / "lock"


def paths_from_environment() -> DaemonPaths:
    """RUNTIME_DIRECTORY and STATE_DIRECTORY, which systemd sets, or their usual values."""
    runtime = os.environ.get("RUNTIME_DIRECTORY") or "/run/lvsmarkd"
    state = os.environ.get("STATE_DIRECTORY") or "/var/lib/lvsmarkd"
    return DaemonPaths(Path(runtime.split(":")[0]), Path(state.split(":")[0]))


class LockedError(Exception):
    """Another lvsmarkd holds the lock; ``pid`` is its process id, if it could be read."""

    def __init__(self, path: Path, pid: str) -> None:
        who = f" (pid {pid})" if pid else ""
        super().__init__(f"another lvsmarkd is at work{who}: it holds {path}")
        self.pid = pid


def take_lock(path: Path) -> int:
    """Take the lock until the process ends; gives its file descriptor.

    Raises LockedError where somebody holds it, OSError where it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        container = os.read(handle, 32).decode(errors="replace").strip()
        os.close(handle)
        raise LockedError(path, container) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle
