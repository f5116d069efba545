"""The last good reading of keepalived.conf, kept over a boot: what a file that keepalived does not
start with said before it was broken.
"""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.kernel.own_files import read_own, write_whole
from lvsmarkd.model.keepalived import Reading

_MOST = 64 << 20
"""Bytes: some 100,000 services."""


class _Kept(Struct, frozen=True):
    """A reading, and of which file it is, read with which config id."""

    path: str
    config_id: str | None
    reading: Reading


class LastGood(Struct):
    """Kept at ``path``; without one, in memory only. A file that says nothing is none.

    Where it only ``reads``, what is new is not written down: a command changes nothing.
    """

    path: Path | None = None
    reads: bool = False
    _known: _Kept | None = None

    def take(self, reading: Reading, path: Path, config_id: str | None) -> None:
        """Remember a good reading, without what was said about it. One that cannot be written
        down is still known.
        """
        plain = replace(reading, problems=(), files=reading.files[:1], lookups=())
        now = _Kept(str(path), config_id, plain)
        if self.reads or now == self._last():
            return
        self._known = now
        if self.path is not None:
            with suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_whole(self.path, msgspec.json.encode(now, enc_hook=str))

    def of(self, path: Path, config_id: str | None) -> Reading | None:
        """The last good reading of a file; None where another one was read last."""
        known = self._last()
        if known is None or (known.path, known.config_id) != (str(path), config_id):
            return None
        return known.reading

    def _last(self) -> _Kept | None:
        if self._known is None and self.path is not None:
            # What another version wrote may not be understood.
            with suppress(OSError, ValueError, RecursionError):
                text = read_own(self.path, _MOST)
                self._known = msgspec.json.decode(text, type=_Kept, dec_hook=_address)
        return self._known


def _address(_type: type, text: object) -> IPv4Address | IPv6Address:
    if not isinstance(text, str):
        raise ValueError(text)  # noqa: TRY004 - what the caller of a decoder expects
    return ip_address(text)
