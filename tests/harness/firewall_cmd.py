"""firewall-cmd, as it is installed and in a process of its own, without its slow start.

Two thirds of a call (measured) pass while Python compiles its 3,000 lines and imports. Here
one process does that once (firewall_cmd_server.py), and each call is a child of that one.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from select import select

TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended."""

    status: int
    output: str
    complaint: str


def firewall_cmd(arguments: tuple[str, ...], environment: Mapping[str, str]) -> Ended:
    """One call, from whichever thread. Raises AssertionError where it does not end in time."""
    with (
        open(os.memfd_create("output"), "r+") as output,  # noqa: PTH123 - no path
        open(os.memfd_create("complaint"), "r+") as complaint,  # noqa: PTH123 - no path
    ):
        status = _call(arguments, environment, output.fileno(), complaint.fileno())
        output.seek(0)
        complaint.seek(0)
        return Ended(status, output.read(), complaint.read())


def _call(
    arguments: tuple[str, ...], environment: Mapping[str, str], output: int, complaint: int
) -> int:
    """Gives the exit status."""
    reader, writer = os.pipe()
    call = json.dumps({"arguments": arguments, "environment": dict(environment)}).encode()
    with open(reader, "rb", buffering=0) as end:  # noqa: PTH123 - no path
        try:
            socket.send_fds(_server().calls, [call], [output, complaint, writer])
        finally:
            os.close(writer)
        said, deadline = b"", time.monotonic() + TIMEOUT
        while select([end], [], [], max(0.0, deadline - time.monotonic()))[0]:
            more = end.read(100)
            if not more:
                break
            said += more
        else:
            if said:
                os.kill(int(said.split()[0]), signal.SIGKILL)
            raise AssertionError(f"firewall-cmd {arguments} did not end within {TIMEOUT:g} s")
    assert said.count(b"\n") == 2, f"firewall-cmd {arguments} ended without a word"
    return int(said.split()[1])


@dataclass(frozen=True, slots=True)
class _Server:
    """The process that all of this session's calls are children of. It ends with ``calls``, which
    is when this process does.
    """

    calls: socket.socket
    process: subprocess.Popen[bytes]


@cache
def _server() -> _Server:
    """The one there is."""
    script = shutil.which("firewall-cmd", path=f"{os.environ['PATH']}:/usr/bin")
    assert script, "firewall-cmd is not installed"
    python = Path(script).read_text().partition("\n")[0].removeprefix("#!").split()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [
                *python,
                str(Path(__file__).with_name("firewall_cmd_server.py")),
                script,
                str(theirs.fileno()),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    return _Server(ours, process)
