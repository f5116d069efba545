"""The real keepalived, asked which services by mark it programmes for a configuration.

It runs as installed, in a network namespace of its own; ipvs_shim.c answers for IPVS.
"""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

SHIM = Path(__file__).parent / "ipvs_shim.c"
TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """The (family, mark) pairs programmed; ``log`` tells why, where they surprise."""

    services: frozenset[tuple[str, int]]
    log: str


@dataclass(frozen=True, slots=True)
class Oracle:
    """A compiled shim, ready to be asked, also from several threads."""

    shim: Path

    @classmethod
    def build(cls, directory: Path) -> "Oracle":
        shim = directory / "ipvs_shim.so"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
        command += ["-I/usr/include/libnl3", "-o", str(shim), str(SHIM), "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        return cls(shim)

    def ask(
        self, configuration: Path, config_id: str, scratch: Path, *, here: bool = False
    ) -> Verdict:
        """Run keepalived on a configuration; ``scratch`` is an empty directory for its files.

        With ``here`` it runs in the namespace of the caller, and leaves its nftables behind.
        """
        services = scratch / "services"
        environment = os.environ | {
            "LD_PRELOAD": str(self.shim),
            "ORACLE_SERVICES": str(services),
        }
        command = [*([] if here else ["unshare", "--net"]), "keepalived"]
        # Checker only, in the foreground, never restarted, logging to stderr.
        command += ["--check", "--dont-fork", "--dont-respawn", "--log-console", "--log-detail"]
        command += ["--config-id", config_id, "--use-file", str(configuration)]
        for option in ("pid", "checkers_pid", "vrrp_pid", "bfd_pid"):
            command += [f"--{option}", str(scratch / option)]
        with (scratch / "log").open("w+b") as log:
            process = subprocess.Popen(
                command,
                env=environment,
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
