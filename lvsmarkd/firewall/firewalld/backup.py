"""Copy what is worth keeping to a safe place, once, before the first write ever."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from lvsmarkd.firewall.firewalld.listing import Listing
from lvsmarkd.firewall.keeping import keep

ETC = Path("/etc/firewalld")
ROOM = 1 << 20
"""Bytes: a policy of some thousand rules."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Backup:
    """Saves zones, policies and direct rules of both planes, and firewalld's own files.

    ``…-firewalld.json`` is what firewalld told, ``…-firewalld.tar`` are its files: unpacked in
    the directory that they came from, and loaded by ``firewall-cmd --reload``, they bring the
    permanent configuration back.
    """

    directory: Path
    etc: Path = ETC
    now: Callable[[], datetime] = _now
    _done: bool = False

    def save_once(self, runtime: Listing, permanent: Listing) -> None:
        """Save, unless an earlier one is there.

        Raises FirewallError if it cannot be saved: then nothing may be written either.
        """
        if self._done or any(self.directory.glob("*-firewalld.json")):
            self._done = True
            return
        stamp = self.now().strftime("%Y%m%dT%H%M%SZ")
        files = self._files()
        if files:
            keep(self.directory / f"{stamp}-firewalld.tar", files)
        told = {
            str(listing.plane): {k: v for k, v in asdict(listing).items() if k != "plane"}
            for listing in (runtime, permanent)
        }
        text = json.dumps(told, indent=1, ensure_ascii=False)
        keep(self.directory / f"{stamp}-firewalld.json", text.encode(errors="surrogateescape"))
        self._done = True

    def room(self) -> bool:
        """Whether the disk with firewalld's files has room for one more."""
        try:
            disk = os.statvfs(self.etc / "policies")
        except OSError:
            return True  # what cannot be seen, firewalld will tell
        return disk.f_bavail * disk.f_frsize >= ROOM

    def _files(self) -> bytes:
        """Firewalld's directory as a tar; nothing where it may not be read."""
        content = io.BytesIO()
        with suppress(OSError, tarfile.TarError), tarfile.open(fileobj=content, mode="w") as tar:
            tar.add(self.etc, arcname=".")
        return content.getvalue() if self.etc.is_dir() else b""
