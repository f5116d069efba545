"""What goes to a program and comes from it, until a deadline and up to a limit.

``Popen.communicate`` has no limit, and after its timeout it waits for ever where a child of
the program keeps the pipes open (met with a wrapper script around iptables-save).
"""

import os
import selectors
from subprocess import Popen
from time import monotonic
from typing import IO

from msgspec import Struct, field

_CHUNK = 1 << 16


class Overflow(Exception):  # noqa: N818 - what happened, not whose fault it is
    """The program printed more than the limit."""


class Pipes(Struct):
    """The ends of the pipes to a process: one to write to, two to read from."""

    stdin: IO[bytes]
    out: int
    err: int
    rest: bytes
    read: dict[int, bytearray] = field(default_factory=dict)

    @classmethod
    def of(cls, process: Popen[bytes], given: bytes) -> "Pipes":
        """Those of a process that was started with three pipes; ``given`` is for its stdin."""
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("a process without pipes")
        os.set_blocking(process.stdin.fileno(), False)
        return cls(process.stdin, process.stdout.fileno(), process.stderr.fileno(), given)

    def exchange(self, deadline: float, most: int) -> tuple[bytes, bytes]:
        """All that it prints, and all that it complains of, until it closes both.

        ``deadline`` is monotonic. Raises TimeoutError then, Overflow beyond ``most`` bytes.
        """
        self.read = {self.out: bytearray(), self.err: bytearray()}
        with selectors.DefaultSelector() as selector:
            for pipe in self.read:
                selector.register(pipe, selectors.EVENT_READ)
            into = self.stdin.fileno()
            selector.register(into, selectors.EVENT_WRITE)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - monotonic()))
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    done = self._write(into) if key.fd == into else self._read(key.fd, most)
                    if done:
                        selector.unregister(key.fd)
                    if done and key.fd == into:
                        self.stdin.close()
        return bytes(self.read[self.out]), bytes(self.read[self.err])

    def _write(self, into: int) -> bool:
        try:
            self.rest = self.rest[os.write(into, self.rest[:_CHUNK]) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self.rest = b""  # it ended before it had read all: its status tells why
        return not self.rest

    def _read(self, pipe: int, most: int) -> bool:
        chunk = os.read(pipe, _CHUNK)
        self.read[pipe] += chunk
        if len(self.read[pipe]) > most:
            raise Overflow
        return not chunk
