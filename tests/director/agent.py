"""The guest's agent, as a machine in QEMU has it: a question and its answer are a line each."""

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 180.0
"""The machine is emulated, and its cores are shared with who knows what."""


class GuestError(AssertionError):
    """The machine does not do what it is told; says why."""


def connected(path: Path, ended: Callable[[], object]) -> socket.socket:
    """Connected to a socket of QEMU's. It is there a moment before it is listened to (bind
    and listen are two calls): an attempt in between is refused, and says nothing."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ear = socket.socket(socket.AF_UNIX)
        try:
            ear.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            ear.close()
            ended()
            if time.monotonic() > deadline:
                raise
        else:
            return ear
        time.sleep(0.02)


class Agent:
    """Its socket on this side. Errors say ``name``; ``ended`` raises where QEMU has ended."""

    def __init__(self, path: Path, name: str, ended: Callable[[], object]) -> None:
        self.name = name
        self._ended = ended
        self._heard = b""
        self._speaking = threading.Lock()
        self._ear = connected(path, ended)

    def close(self) -> None:
        self._ear.close()

    def greet(self, seconds: float) -> None:
        """An answer to this very question: what is left of earlier ones is passed over."""
        token = time.monotonic_ns()
        with self._speaking:
            self._send({"execute": "guest-sync", "arguments": {"id": token}})
            while self._hear(seconds).get("return") != token:
                pass

    def ask(
        self, what: str, arguments: dict[str, Any] | None = None, seconds: float = PATIENCE
    ) -> Any:  # noqa: ANN401 - what JSON holds
        """What it answers; raises GuestError where that is an error, or nothing in time."""
        with self._speaking:
            self._send({"execute": what, "arguments": arguments or {}})
            answer = self._hear(seconds)
        if "error" in answer:
            raise GuestError(f"{self.name}: {what}: {answer['error']}")
        return answer["return"]

    def _send(self, message: dict[str, Any]) -> None:
        self._ear.settimeout(PATIENCE)
        self._ear.sendall(json.dumps(message).encode() + b"\n")

    def _hear(self, seconds: float) -> dict[str, Any]:
        """The next whole line."""
        self._ear.settimeout(seconds)
        while b"\n" not in self._heard:
            try:
                more = self._ear.recv(65536)
            except TimeoutError:
                raise GuestError(f"{self.name}: its agent does not answer") from None
            except ConnectionResetError:
                more = b""
            if not more:
                self._ended()
                raise GuestError(f"{self.name}: QEMU has hung up")
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer
