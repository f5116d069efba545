"""The real keepalived, asked many times over: started once, and forked for every question."""

import os
import select
import shutil
import signal
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lvsmarkd.keepalived.conf.dialect import Dialect
from tests.keepalived.oracle import OPTIONS, Oracle

HANGS_MILLISECONDS = 900
"""Of processor time: a keepalived that takes so long hangs on a configuration, and is ended by
the limit of fork_server.c."""

ANSWER_SECONDS = 30
"""Of waiting: not for a keepalived that computes, for one that sleeps."""

_NUMBER = struct.Struct("=i")


_INTERFACES = "ip link add eth0 type veth peer name eth1; ip link set eth0 up; ip link set eth1 up"
"""For keepalived's VRRP process, in its own namespace."""


@dataclass(frozen=True, slots=True)
class End:
    """How keepalived ended."""

    status: int
    """As waitpid gives it; a SIGKILL is the end that the shim gives it, and no fault."""
    hung: bool = False

    @property
    def text(self) -> str:
        """The same in words."""
        if self.hung:
            return "hangs"
        if os.WIFSIGNALED(self.status):
            number = os.WTERMSIG(self.status)
            return "serves" if number == signal.SIGKILL else f"dies of signal {number}"
        return f"exits with {os.WEXITSTATUS(self.status)}"


@dataclass(frozen=True, slots=True)
class Answer:
    """The (family, mark) pairs programmed, and how keepalived ended."""

    services: frozenset[tuple[str, int]]
    end: End


class StandingKeepalived:
    """One keepalived that waits, forked for each question; not for several threads at once.

    ``directory`` is an own, empty one (best in memory); the configuration to be read is
    written into ``configuration`` by whoever asks. With ``instances`` it is its VRRP process
    that is asked, in a namespace that has interfaces.
    """

    def __init__(
        self, oracle: Oracle, directory: Path, options: list[str], *, instances: bool = False
    ) -> None:
        self.dialect = Dialect.of(oracle.built)
        self.configuration = directory / "configuration"
        self.log = directory / "log"
        self.services = directory / "services"
        self.services.touch()
        self._pid_files = [directory / name for name in oracle.pid_options]
        self.configuration.mkdir()
        self._line, theirs = socket.socketpair()
        # For keepalived alone: unshare would be forked itself.
        own = oracle.variables(self.services) | {"ORACLE_LINE": str(theirs.fileno())}
        if instances:
            own["ORACLE_INSTANCES"] = "1"
        before = ["sh", "-c", f'{_INTERFACES}; exec "$@"', "sh"] if instances else []
        command = ["unshare", "--net", *before]
        command += ["env", *(f"{name}={value}" for name, value in own.items())]
        command += [*oracle.command, *options]
        command += ["--use-file", str(self.configuration / "keepalived.conf")]
        command += oracle.private_paths(directory)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.configuration,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log if instances else subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        theirs.close()

    def clear(self) -> Path:
        """Empty the directory of the configuration; gives it."""
        for entry in self.configuration.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        return self.configuration

    def run(self) -> End:
        """Let one read the configuration that now lies in its directory, and end."""
        for file in (self.services, self.log):
            with file.open("wb"):
                pass
        # One that was killed leaves its numbers; once another process has one of them, the next
        # keepalived believes that it runs already, and ends.
        for file in self._pid_files:
            file.unlink(missing_ok=True)
        self._line.sendall(b"?")
        leader = self._number(ANSWER_SECONDS)
        assert leader is not None, "keepalived did not start"
        status = self._number(ANSWER_SECONDS)
        if asleep := status is None:
            os.kill(leader, signal.SIGKILL)
            status = self._number(ANSWER_SECONDS)
        assert status is not None, "keepalived does not end"
        spent = self._number(ANSWER_SECONDS) or 0
        return End(status, asleep or spent > HANGS_MILLISECONDS)

    def close(self) -> None:
        """Let it end."""
        self._line.close()
        self._process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _number(self, seconds: float) -> int | None:
        if not select.select([self._line], [], [], seconds)[0]:
            return None
        received = self._line.recv(_NUMBER.size, socket.MSG_WAITALL)
        assert len(received) == _NUMBER.size, "keepalived is gone"
        return int(_NUMBER.unpack(received)[0])


class StandingOracle(StandingKeepalived):
    """A keepalived that waits, to be asked which services it programmes."""

    def __init__(self, oracle: Oracle, directory: Path, config_id: str) -> None:
        super().__init__(oracle, directory, [*OPTIONS, "--config-id", config_id])

    def ask(self) -> Answer:
        """What keepalived makes of the configuration that now lies in its directory."""
        end = self.run()
        pairs = (line.split() for line in self.services.read_text().splitlines())
        return Answer(frozenset((family, int(mark)) for family, mark in pairs), end)
