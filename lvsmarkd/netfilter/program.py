"""Running the programs of firewalls: bounded in time and output, without a shell."""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from msgspec import Struct

from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.pipes import Overflow, Pipes

OnSpawn = Callable[[int], None]
"""Called with the process id of each program started, so that its changes are known as ours."""

READ_TIMEOUT = 10.0
WRITE_TIMEOUT = 15.0
"""Seconds. The write waits up to 5 s for the lock; 10,000 rules take 0.3 s (measured)."""
MOST_OUTPUT = 64 << 20
"""Bytes: some 400,000 rules. A program that prints more is not iptables-save."""


class Completed(Struct, frozen=True):
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

    Raises FirewallError (GONE) if it is not there, hangs, or prints without end; then it was
    killed, with all that it had started.
    """
    name = Path(arguments[0]).name
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": search_path(), "LC_ALL": "C"} | _lock_file(),
            start_new_session=True,
        )
    except OSError as error:
        raise FirewallError(
            Trouble.GONE, f"{arguments[0]} cannot be started: {error.strerror or error}"
        ) from error
    on_spawn(process.pid)
    whole = False
    try:
        deadline = monotonic() + timeout
        pipes = Pipes.of(process, stdin.encode())
        output, complaint = pipes.exchange(deadline, MOST_OUTPUT)
        status = _end_of(process, max(deadline, monotonic() + 0.1))
        whole = True
    except TimeoutError:
        raise FirewallError(
            Trouble.GONE, f"{name} did not end within {timeout:g} s and was stopped"
        ) from None
    except Overflow:
        raise FirewallError(
            Trouble.GONE, f"{name} printed more than {MOST_OUTPUT >> 20} MiB and was stopped"
        ) from None
    except OSError as error:
        raise FirewallError(
            Trouble.GONE, f"{name} was stopped, since it could not be talked to: {error.strerror}"
        ) from error
    finally:
        if not whole:
            _kill(process)
        _close(process)
    return Completed(status, _text(output), _text(complaint).strip())


def _end_of(process: "subprocess.Popen[bytes]", deadline: float) -> int:
    """Its exit status, once it has ended. Raises TimeoutError at ``deadline`` (monotonic).

    ``Popen.wait`` sleeps until a moment of the clock, and fails with EINVAL where the clock is set
    so far that the moment is none (met under a faked clock); a poll waits for a length of time.
    """
    pause = 0.0005
    while (status := process.poll()) is None:
        if monotonic() >= deadline:
            raise TimeoutError
        select.select((), (), (), pause)
        pause = min(2 * pause, 0.05)
    return status


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill it with all that it started: a wrapper's child would keep the pipes and the lock."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


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
