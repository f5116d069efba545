"""One running keepalived under watch: its end, and its copy of the configuration."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from msgspec import Struct

from lvsmarkd.keepalived.process.running_copy import CopyStamp, find_copy, stamp_at
from lvsmarkd.model.running import RunningKeepalived
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.watch.inode import inode_changes

SETTLED = 0.05
"""Seconds without a write after which the copy is whole: keepalived reads in some ms."""
UNSETTLED = 2.0
"""Seconds after which a copy is looked at though it is still being written."""


class ProcessWatch(Struct):
    """What is watched of one process. ``trouble`` says why its reloads are told late.
    Without a copy that may be looked at, they are not told.
    """

    copy: str | None = None
    stamp: CopyStamp | None = None
    trouble: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it is worth nothing to attach again: a copy may come, or be another file."""
        return self.trouble is None and self.stamp is not None

    async def reread(self) -> bool:
        """Whether keepalived has read its configuration since the last time; waits until it
        has come to the end of it.
        """
        if self.copy is None or (stamp := stamp_at(self.copy)) == self.stamp:
            return False
        for _ in range(int(UNSETTLED / SETTLED)):
            if stamp is None:
                break  # it has ended
            await asyncio.sleep(SETTLED)
            before, stamp = stamp, stamp_at(self.copy)
            if stamp == before and stamp and stamp[1]:
                break
        self.stamp = stamp
        return True


@contextmanager
def watch_process(
    keepalived: RunningKeepalived, notify: Callable[[], None]
) -> Iterator[ProcessWatch]:
    """Watch a process; ``notify`` is called in the event loop's thread where a look is worth it.

    What happened before is not told: look again once it is in place.
    """
    with ExitStack() as watches:
        _end(keepalived.pid, notify, watches)
        copy = find_copy(keepalived.pid)
        if isinstance(copy, Unknown):
            # A finding says so. What a reload comes to in IPVS is seen there, at once as well.
            yield ProcessWatch()
            return
        stamp = stamp_at(copy)
        trouble = None
        try:
            watches.enter_context(inode_changes(copy, notify))
        except OSError as error:
            trouble = f"reloads of keepalived are noticed late ({error.strerror or error})"
        yield ProcessWatch(copy, stamp, trouble)


def _end(pid: int, notify: Callable[[], None], watches: ExitStack) -> None:
    """Have the end of a process told, where the kernel can; a look finds it otherwise."""
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return
    watches.callback(os.close, process)
    loop = asyncio.get_running_loop()
    watches.callback(loop.remove_reader, process)

    def ended() -> None:
        loop.remove_reader(process)  # it stays readable from now on
        notify()

    loop.add_reader(process, ended)
