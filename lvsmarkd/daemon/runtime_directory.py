"""The lock and the control socket, made anew where somebody removes them under a running daemon.

Without them ``pause`` and ``status`` reach nobody, and a second daemon could start beside this
one. Where they cannot be made anew the daemon ends, and says so: its unit's directory is
systemd's to make (ProtectSystem=strict), which it does at the next start, five seconds later; the
rules stay meanwhile.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from lvsmarkd.reconcile.paths import DaemonPaths, take_lock

INTERVAL = 2.0
"""Seconds between two looks, of two stat() each."""
_FOR_GOOD = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
"""What no later try mends, unlike a full file system or a lack of descriptors."""

log = logging.getLogger(__name__)
_FileIdentity = tuple[int, int]


class RuntimeDirectoryError(Exception):
    """The runtime directory is gone and cannot be made anew. ``str()`` is a sentence."""


class RuntimeDirectory:
    """Watches over the lock, which is held already, and the socket. ``serve`` listens anew at it,
    and keeps there whatever else is to be kept; ``interval`` is in seconds.
    """

    def __init__(
        self,
        paths: DaemonPaths,
        serve: Callable[[], Awaitable[None]],
        interval: float = INTERVAL,
    ) -> None:
        self.paths = paths
        self.serve = serve
        self.interval = interval
        self._said = False
        self._lock, self._socket = _identity(self.paths.lock), _identity(self.paths.socket)

    async def keep(self) -> None:
        """Look again and again until cancelled.

        Raises LockedError where another daemon has the lock by now, RuntimeDirectoryError where
        the directory cannot be made anew.
        """
        while True:
            await asyncio.sleep(self.interval)
            lost_lock = self._lock is None or _identity(self.paths.lock) != self._lock
            if lost_lock or self._socket is None or _identity(self.paths.socket) != self._socket:
                await self._renew(lost_lock=lost_lock)

    async def _renew(self, *, lost_lock: bool) -> None:
        try:
            if lost_lock:
                take_lock(self.paths.lock)  # the old one, which nobody finds, ends with us
                self._lock = _identity(self.paths.lock)
            await self.serve()
            self._socket = _identity(self.paths.socket)
        except OSError as error:
            sentence = (
                f"{self.paths.runtime} was removed and cannot be made anew ({error.strerror})"
            )
            if error.errno in _FOR_GOOD:
                raise RuntimeDirectoryError(
                    f"{sentence}: systemd makes it when it starts lvsmarkd again; the rules stay"
                ) from error
            if not self._said:
                log.warning("%s; it is tried again", sentence)
            self._said = True
        else:
            self._said = False
            log.warning(
                "somebody removed files of %s: the lock and the control socket are there again",
                self.paths.runtime,
            )


def _identity(path: Path) -> _FileIdentity | None:
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino
