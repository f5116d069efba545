"""The xtables lock: the one trace that iptables-legacy leaves when it writes.

It opens the lock read-only before it changes anything and closes it when it ends, so the
close is told after the change (measured). iptables-legacy-save and iptables-nft leave it alone
(measured), and so do programs that link libiptc: those only the slow check finds.
"""

import os
from collections.abc import Callable

from msgspec import Struct

from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.directories import ContentEvent
from lvsmarkd.watch.path_watcher import EventQueue, watch_paths
from lvsmarkd.watch.source import SourceHealth
from lvsmarkd.watch.watched_paths import paths_to_watch

DEFAULT_LOCK = "/run/xtables.lock"


def lock_path() -> str:
    """Where iptables has its lock; it obeys this variable itself."""
    return os.environ.get("XTABLES_LOCKFILE") or DEFAULT_LOCK


class XtablesLock(Struct, frozen=True):
    """Wakes when a program let go of the lock.

    inotify does not tell which program: our own writes wake too, once, and the look that
    follows takes no lock.
    """

    health: SourceHealth
    path: str

    @property
    def name(self) -> str:
        """Its name."""
        return "xtables_lock"

    async def run(self, wake: Callable[[Wake], None]) -> None:
        """Wake until cancelled."""
        queue = EventQueue()
        with watch_paths(
            lambda: paths_to_watch([self.path], ()), ContentEvent.READ, queue
        ) as watched:
            self.health.up(self.name)
            while True:
                events = await queue.take()
                lock = watched.watched_paths.files
                # A lock file that comes is only being opened. A directory that does may hold
                # one that was closed before it was watched.
                if any(not h.renamed or lock.isdisjoint(h.paths) for h in watched.relevant(events)):
                    wake(Wake(Trigger.LOCK))
