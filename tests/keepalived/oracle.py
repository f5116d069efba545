"""The real keepalived, asked which services by mark it programmes for a configuration.

It runs as it is shipped, in a network namespace of its own; ipvs_shim.c answers for IPVS.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lvsmarkd.keepalived.conf.dialect import REFERENCE
from lvsmarkd.model.running import Build
from tests.keepalived.editions import INSTALLED, build_asked

SOURCES = [Path(__file__).parent / name for name in ("ipvs_shim.c", "fork_server.c")]
TIMEOUT_SECONDS = 60
HANGS_SECONDS = 1
"""Of processor time: a keepalived that takes so long hangs, and is ended."""

# In the foreground, never restarted, logging to stderr.
ALONE = ["--dont-fork", "--dont-respawn", "--log-console", "--no-syslog"]
# The checker only.
OPTIONS = ["--check", *ALONE]
# The VRRP process only, which tells what it has read.
VRRP_OPTIONS = ["--vrrp", "--dump-conf", *ALONE]

PID_OPTIONS = ("pid", "checkers_pid", "vrrp_pid", "bfd_pid")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The (family, mark) pairs programmed; ``log`` tells why, where they surprise."""

    services: frozenset[tuple[str, int]]
    log: str


@dataclass(frozen=True, slots=True)
class Oracle:
    """A compiled shim, ready to be asked, also from several threads."""

    shim: Path
    command: tuple[str, ...] = INSTALLED
    pid_options: tuple[str, ...] = PID_OPTIONS
    built: Build = REFERENCE

    @classmethod
    def build(cls, directory: Path, keepalived: Sequence[str] = INSTALLED) -> "Oracle":
        shim = directory / "ipvs_shim.so"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
        command += ["-I/usr/include/libnl3", "-o", str(shim), *map(str, SOURCES), "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        usage = subprocess.run(
            [*keepalived, "--help"], capture_output=True, timeout=60, check=False
        )
        # One that is built without BFD ends on its option.
        known = (name for name in PID_OPTIONS if f"--{name}".encode() in usage.stderr)
        return cls(shim, tuple(keepalived), tuple(known), build_asked(keepalived))

    def private_paths(self, scratch: Path) -> list[str]:
        """The options that keep keepalived's files in one directory: two share nothing."""
        return [word for name in self.pid_options for word in (f"--{name}", str(scratch / name))]

    def variables(self, services: Path) -> dict[str, str]:
        """The environment variables with which keepalived writes its services to a file."""
        return {"LD_PRELOAD": str(self.shim), "ORACLE_SERVICES": str(services)}

    def ask(
        self, configuration: Path, config_id: str, scratch: Path, *, here: bool = False
    ) -> Verdict:
        """Run keepalived on a configuration; ``scratch`` is an empty directory for its files.

        With ``here`` it runs in the namespace of the caller, and leaves its nftables behind.
        """
        services = scratch / "services"
        command = ["prlimit", f"--cpu={HANGS_SECONDS}", *([] if here else ["unshare", "--net"])]
        command += [*self.command, *OPTIONS]
        command += ["--log-detail"]
        command += ["--config-id", config_id, "--use-file", str(configuration)]
        command += self.private_paths(scratch)
        with (scratch / "log").open("w+b") as log:
            process = subprocess.Popen(
                command,
                env=os.environ | self.variables(services),
                cwd=configuration.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                process.wait(TIMEOUT_SECONDS)
            finally:
                _kill_group(process.pid)
                process.wait()
        text = services.read_text() if services.exists() else ""
        pairs = (line.split() for line in text.splitlines())
        return Verdict(
            frozenset((family, int(mark)) for family, mark in pairs),
            (scratch / "log").read_text(errors="replace"),
        )


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
