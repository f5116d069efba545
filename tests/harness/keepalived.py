"""The real keepalived as it runs on a director, in the namespace of the test.

It needs no ip_vs: the oracle's shim answers for it (tests/keepalived/ipvs_shim.c).
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.harness.daemon import until
from tests.keepalived.oracle import Oracle

RUN = Path("/run")
"""The test's own (tests/harness/netns.py), with the pid files."""


@dataclass(slots=True)
class Director:
    """A keepalived that was started; ``pid`` is its parent's."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def words(self) -> str:
        return self.log.read_text(errors="replace")

    def said(self, text: str, times: int = 1) -> None:
        """Wait until it has logged a text."""
        until(
            lambda: self.words().count(text) >= times or self.process.poll() is not None,
            f"{text!r} in {self.words()}",
        )
        assert self.words().count(text) >= times, self.words()

    def reload(self, *, answer: str = "Reload complete") -> None:
        """As ``systemctl reload``; waits until it is done."""
        times = self.words().count(answer) + 1
        self.process.send_signal(signal.SIGHUP)
        self.said(answer, times)

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(15)


@dataclass(frozen=True, slots=True)
class Keepaliveds:
    """Starts keepalived, as often as asked."""

    oracle: Oracle
    scratch: Path

    @contextmanager
    def running(
        self,
        config: Path,
        *options: str,
        prefix: Sequence[str] = (),
        use_file: Sequence[str] | None = None,
        ready: str = "Startup complete",
    ) -> Iterator[Director]:
        """Run it on a configuration, in the foreground, until the end of the block."""
        log = self.scratch / f"log-{len(list(self.scratch.iterdir()))}"
        named = ["--use-file", str(config)] if use_file is None else use_file
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*prefix, "keepalived", "-nlD", *options, *named],
                env=os.environ
                | {
                    "LD_PRELOAD": str(self.oracle.shim),
                    "ORACLE_STAYS": "1",
                    "ORACLE_SERVICES": str(self.scratch / "services"),
                },
                cwd=config.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        director = Director(process, log)
        try:
            director.said(ready)
            yield director
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            # One that is killed leaves these, and the next one minds them.
            for file in RUN.glob("**/*.pid"):
                file.unlink()
