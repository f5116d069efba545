"""Running the iptables programs: bounded in time, without a shell."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lvsmarkd.firewall.backend import FirewallError, OnSpawn, Trouble

READ_TIMEOUT = 10.0
WRITE_TIMEOUT = 15.0
"""Seconds. The write waits up to 5 s for the lock; 10,000 rules take 0.3 s (measured)."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended: its exit status (negative: the signal that killed it), its words."""

    status: int
    output: str
    error: str


def run(
    arguments: Sequence[str],
    *,
    stdin: str = "",
    timeout: float = READ_TIMEOUT,
    on_spawn: OnSpawn = lambda _pid: None,
) -> Completed:
    """Run a program to its end.

    Raises FirewallError (GONE) if it is not there, or hangs and had to be killed.
    """
    name = Path(arguments[0]).name
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": search_path(), "LC_ALL": "C"} | _lock_file(),
        )
    except OSError as error:
        raise FirewallError(
            Trouble.GONE, f"{arguments[0]} cannot be started: {error.strerror or error}"
        ) from error
    with process:
        on_spawn(process.pid)
        try:
            output, complaint = process.communicate(stdin.encode(), timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise FirewallError(
                Trouble.GONE, f"{name} did not end within {timeout:g} s and was stopped"
            ) from None
    return Completed(process.returncode, _text(output), _text(complaint).strip())


def search_path() -> str:
    """PATH, and where the programs are: an operator's PATH often lacks /usr/sbin."""
    given = os.environ.get("PATH", "")
    return os.pathsep.join([*filter(None, [given]), "/usr/sbin", "/sbin", "/usr/bin", "/bin"])


def _text(output: bytes) -> str:
    """All bytes kept, line ends too: comments hold what people typed, in any encoding."""
    return output.decode(errors="surrogateescape")


def _lock_file() -> dict[str, str]:
    """Pass on XTABLES_LOCKFILE, the one variable that iptables itself obeys."""
    path = os.environ.get("XTABLES_LOCKFILE")
    return {"XTABLES_LOCKFILE": path} if path else {}
