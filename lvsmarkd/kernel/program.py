"""Running other programs: bounded in time and output, without a shell."""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from msgspec import Struct

from lvsmarkd.kernel.pipes import Overflow, Pipes

OnSpawn = Callable[[int], None]
"""Called with the process id of each program started, so that its changes are known as ours."""

_DIES_WITHIN = 1.0
"""Seconds. What is stuck in the kernel dies later than it is killed, and is not waited for."""


class ProgramError(Exception):
    """A program that is not there, hangs, or prints without end: why, in a sentence. Where it
    could not be started, or talked to, the cause is the OSError.
    """


class Patience(Struct, frozen=True):
    """How long a program may take, in seconds, and how many bytes it may print."""

    timeout: float
    output: int


class Completed(Struct, frozen=True):
    """How a program ended: its exit status (negative: the signal that killed it), its words."""

    status: int
    output: str
    error: str


def run(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    patience: Patience,
    stdin: str = "",
    on_spawn: OnSpawn = lambda _pid: None,
) -> Completed:
    """Run a program to its end, for as long and as far as there is patience.

    Raises ProgramError where it does not come to its end by itself; then it was killed, with all
    that it had started.
    """
    name = Path(arguments[0]).name
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramError(
            f"{arguments[0]} cannot be started: {error.strerror or error}"
        ) from error
    on_spawn(process.pid)
    whole = False
    try:
        deadline = monotonic() + patience.timeout
        pipes = Pipes.of(process, stdin.encode())
        output, complaint = pipes.exchange(deadline, patience.output)
        status = _end_of(process, max(deadline, monotonic() + 0.1))
        whole = True
    except TimeoutError:
        raise ProgramError(
            f"{name} did not end within {patience.timeout:g} s and was stopped"
        ) from None
    except Overflow:
        raise ProgramError(
            f"{name} printed more than {patience.output >> 20} MiB and was stopped"
        ) from None
    except OSError as error:
        raise ProgramError(
            f"{name} was stopped, since it could not be talked to: {error.strerror}"
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
    with suppress(TimeoutError):
        _end_of(process, monotonic() + _DIES_WITHIN)


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _text(output: bytes) -> str:
    """All bytes kept, line ends too: comments hold what people typed, in any encoding."""
    return output.decode(errors="surrogateescape")
