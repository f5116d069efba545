"""Copy what is worth keeping to a safe place, once, before the first write ever."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lvsmarkd.backends.firewalld.listing import Listing
from lvsmarkd.backends.keeping import keep
from lvsmarkd.netfilter.errors import FirewallError, Trouble

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
    permanent configuration back. Where lvsmarkd may not read them there is none, and ``files``
    in the former says why.
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
        told: dict[str, object] = {
            str(listing.plane): {
                k: v for k, v in msgspec.to_builtins(listing).items() if k != "plane"
            }
            for listing in (runtime, permanent)
        }
        match self._files():
            case bytes() as files:
                keep(self.directory / f"{stamp}-firewalld.tar", files)
            case str() as reason:
                told["files"] = reason
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

    def _files(self) -> bytes | str:
        """Firewalld's directory as a whole in a tar, or why there is none: a part of it, unpacked
        some day, would pass for all of it.
        """
        import tarfile  # noqa: PLC0415 - once in a director's life

        content = io.BytesIO()
        try:
            with tarfile.open(fileobj=content, mode="w") as tar:
                tar.add(self.etc, arcname=".")
        except FileNotFoundError:
            return f"{self.etc} is not there, or changed while it was saved"
        except PermissionError as error:
            return f"not saved, since lvsmarkd may not read all of it: {error}"
        except (OSError, tarfile.TarError) as error:
            raise FirewallError(
                Trouble.GONE,
                f"firewalld's files could not be saved ({error}), and nothing is written before"
                " they are",
            ) from error
        return content.getvalue()
