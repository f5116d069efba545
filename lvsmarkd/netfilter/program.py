"""Running the programs of firewalls."""

import os
from collections.abc import Sequence

from lvsmarkd.kernel import program
from lvsmarkd.kernel.program import Completed, OnSpawn, Patience, ProgramError
from lvsmarkd.netfilter.errors import FirewallError, Trouble

READ_TIMEOUT = 10.0
WRITE_TIMEOUT = 15.0
"""Seconds. The write waits up to 5 s for the lock; 10,000 rules take 0.3 s (measured)."""
MOST_OUTPUT = 64 << 20
"""Bytes: some 400,000 rules. A program that prints more is not iptables-save."""


def run(
    arguments: Sequence[str],
    *,
    stdin: str = "",
    timeout: float = READ_TIMEOUT,
    on_spawn: OnSpawn = lambda _pid: None,
) -> Completed:
    """Run a program to its end.

    Raises FirewallError (GONE) if it is not there, hangs, or prints without end; then it was
    killed, with all that it had started.
    """
    try:
        return program.run(
            arguments,
            environment={"PATH": search_path(), "LC_ALL": "C"} | _lock_file(),
            patience=Patience(timeout, MOST_OUTPUT),
            stdin=stdin,
            on_spawn=on_spawn,
        )
    except ProgramError as error:
        raise FirewallError(Trouble.GONE, str(error)) from error.__cause__


def search_path() -> str:
    """PATH, and where the programs are: an operator's PATH often lacks /usr/sbin."""
    given = os.environ.get("PATH", "")
    return os.pathsep.join([*filter(None, [given]), "/usr/sbin", "/sbin", "/usr/bin", "/bin"])


def _lock_file() -> dict[str, str]:
    """Pass on XTABLES_LOCKFILE, the one variable that iptables itself obeys."""
    path = os.environ.get("XTABLES_LOCKFILE")
    return {"XTABLES_LOCKFILE": path} if path else {}
