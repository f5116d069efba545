"""journald by its own protocol, without ever waiting for it.

systemd-python's ``sendv`` waits where journald does not read (measured: a stopped journald holds
its caller from the 513th message on), and a daemon that waits repairs nothing. So a message that
is not taken at once is lost, and the next one that is taken tells how many were. The protocol:
https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

SOCKET = Path("/run/systemd/journal/socket")
_ROOM = 8 << 20
"""Bytes of the socket's buffer: what systemd's own library asks for."""


def encoded(entry: Mapping[str, str]) -> bytes:
    """An entry as journald reads it. What is no UTF-8 is written with backslashes."""
    parts = []
    for name, text in entry.items():
        value = text.encode(errors="backslashreplace")
        if b"\n" in value:
            parts.append(b"%b\n%b%b\n" % (name.encode(), len(value).to_bytes(8, "little"), value))
        else:
            parts.append(b"%b=%b\n" % (name.encode(), value))
    return b"".join(parts)


class Journald(Struct):
    """Sends entries to the socket at ``path``."""

    path: Path = SOCKET
    lost: int = 0
    """Entries since the last that was taken."""
    _socket: socket.socket | None = None

    def send(self, entry: Mapping[str, str]) -> None:
        """Send one, now or never."""
        more = {"LVSMARKD_LOST": str(self.lost)} if self.lost else {}
        try:
            self._opened().sendto(encoded({**entry, **more}), str(self.path))
        except OSError:  # full, gone, or the entry is larger than the buffer
            self.lost += 1
        else:
            self.lost = 0

    def close(self) -> None:
        """Close the socket; another message opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        if self._socket is None:
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            opened.settimeout(0)
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
            self._socket = opened
        return self._socket
