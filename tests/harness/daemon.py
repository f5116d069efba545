"""The real daemon as a process, in the namespace of the test."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TIMEOUT = 15.0


def until(holds: Callable[[], object], what: str = "", seconds: float = TIMEOUT) -> float:
    """Wait until something holds; gives how long it took."""
    start = time.monotonic()
    while not holds():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.002)
    return time.monotonic() - start


def _name(message: str) -> str:
    return message.split("FDNAME=")[1].splitlines()[0]


class Daemon:
    """``lvsmarkd run`` over ``conf`` and ``toml`` in a directory, spoken to as systemd does."""

    def __init__(
        self,
        directory: Path,
        *,
        metrics: int = 0,
        python: str = sys.executable,
        **environment: str,
    ) -> None:
        self.directory = directory
        self.python = python
        self.conf = directory / "keepalived.conf"
        self.toml = directory / "lvsmarkd.toml"
        self.log = directory / "journal"
        self.metrics_port = metrics
        self.said: list[str] = []
        self.store: dict[str, int] = {}
        """Descriptors that it had kept, by name, as systemd's fd store has them over a restart."""
        self.environment = {
            "RUNTIME_DIRECTORY": str(directory / "run"),
            "STATE_DIRECTORY": str(directory / "state"),
            "NOTIFY_SOCKET": str(directory / "notify"),
            **environment,
        }
        if not self.toml.exists():
            self.settings("")

    def settings(self, text: str) -> None:
        """Write lvsmarkd.toml: these lines, and what every test needs."""
        listen = f'["127.0.0.1:{self.metrics_port}"]' if self.metrics_port else "[]"
        self.toml.write_text(
            f'[keepalived]\nconfig = "{self.conf}"\n[metrics]\nlisten = {listen}\n{text}'
        )

    def start(self, *, ready: bool = True) -> Self:
        """Start it, and wait for READY."""
        self._deaf()
        (self.directory / "notify").unlink(missing_ok=True)
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ear.bind(str(self.directory / "notify"))
        self.said = []
        threading.Thread(target=self._listen, args=(self.ear, self.said), daemon=True).start()
        with self.log.open("ab") as log:
            command = [self.python, "-m", "lvsmarkd", "run", "--config", str(self.toml)]
            environment = os.environ | self.environment
            if self.store:
                # systemd passes them from 3 on, and names the process that they are for.
                moves = [f"{at}<&{kept}" for at, kept in enumerate(self.store.values(), 3)]
                script = f'exec {" ".join(moves)}; LISTEN_PID=$$ exec "$@"'
                command = ["bash", "-c", script, "bash", *command]
                environment |= {
                    "LISTEN_FDS": str(len(self.store)),
                    "LISTEN_FDNAMES": ":".join(self.store),
                }
            self.process = subprocess.Popen(
                command, env=environment, stderr=log, pass_fds=tuple(self.store.values())
            )
        if ready:
            # Two seconds of imports and a first pass; ten times that where others are at work.
            until(lambda: self.told("READY=1") or self.process.poll() is not None, "READY", 40)
            assert self.process.poll() is None, self.words()
        return self

    def told(self, text: str) -> bool:
        """Whether it told systemd so since it was started."""
        return any(text in message for message in self.said)

    def forget_store(self) -> None:
        """As systemd does where a service is stopped for good."""
        for kept in self.store.values():
            os.close(kept)
        self.store.clear()

    def _listen(self, ear: socket.socket, said: list[str]) -> None:
        """As systemd does, all the time: a full queue would make the daemon wait."""
        while (received := socket.recv_fds(ear, 4096, 4))[0]:
            message, descriptors = received[0].decode(), received[1]
            said.append(message)
            if "FDSTOREREMOVE=1" in message and (gone := self.store.pop(_name(message), None)):
                os.close(gone)
            for descriptor in descriptors:
                name = _name(message)
                if name in self.store:
                    os.close(descriptor)  # the same once more
                else:
                    self.store[name] = descriptor

    def words(self) -> str:
        """All that it said to the journal."""
        return self.log.read_text() if self.log.exists() else ""

    def ask(self, *arguments: str) -> tuple[int, str]:
        """Run another lvsmarkd command beside it; gives exit status and output."""
        done = subprocess.run(
            [sys.executable, "-m", "lvsmarkd", *arguments],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        """What ``lvsmarkd status --json`` says."""
        _, text = self.ask("status", "--json")
        answer = json.loads(text)
        assert isinstance(answer, dict)
        return answer

    def page(self, path: str = "/metrics") -> str:
        """A page of its HTTP server."""
        url = f"http://127.0.0.1:{self.metrics_port}{path}"
        with urllib.request.urlopen(url, timeout=5) as page:
            return str(page.read().decode())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it, as `systemctl stop` does, or, by another signal, as it may end by itself; gives
        its exit status. A service that is stopped has nothing in systemd's store any more.
        """
        self.process.send_signal(number)
        status = self.process.wait(TIMEOUT)
        if number == signal.SIGTERM:
            self.forget_store()
        return status

    def _deaf(self) -> None:
        ear = getattr(self, "ear", None)
        if ear is not None:
            ear.shutdown(socket.SHUT_RD)
            ear.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _at: TracebackType | None,
    ) -> None:
        process = getattr(self, "process", None)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(TIMEOUT)
        self._deaf()
        self.forget_store()
