"""The real keepalived, asked which services by mark it programmes for a configuration.

It runs as installed, in a network namespace of its own; ipvs_shim.c answers for IPVS.
"""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCES = [Path(__file__).parent / name for name in ("ipvs_shim.c", "fork_server.c")]
TIMEOUT_SECONDS = 20

# Checker only, in the foreground, never restarted, logging to stderr.
OPTIONS = ["--check", "--dont-fork", "--dont-respawn", "--log-console", "--no-syslog"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The (family, mark) pairs programmed; ``log`` tells why, where they surprise."""

    services: frozenset[tuple[str, int]]
    log: str


@dataclass(frozen=True, slots=True)
class Oracle:
    """A compiled shim, ready to be asked, also from several threads."""

    shim: Path
    program: str = "keepalived"

    @classmethod
    def build(cls, directory: Path, program: str = "keepalived") -> "Oracle":
        shim = directory / "ipvs_shim.so"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
        command += ["-I/usr/include/libnl3", "-o", str(shim), *map(str, SOURCES), "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        return cls(shim, program)

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
        command = [*([] if here else ["unshare", "--net"]), self.program, *OPTIONS]
        command += ["--log-detail"]
        command += ["--config-id", config_id, "--use-file", str(configuration)]
        command += private_paths(scratch)
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


def private_paths(scratch: Path) -> list[str]:
    """The options that keep keepalived's files in one directory.

    That of BFD is left out: a keepalived built without it ends on the option.
    """
    names = ("pid", "checkers_pid", "vrrp_pid")
    return [word for name in names for word in (f"--{name}", str(scratch / name))]


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
