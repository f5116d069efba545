"""All sources of wake-ups of the daemon, each kept running by itself."""

import asyncio
from collections.abc import Callable
from random import Random

from lvsmarkd.model.wake import Wake
from lvsmarkd.watch.files import Files
from lvsmarkd.watch.firewalld import FirewalldEvents
from lvsmarkd.watch.generations import Matters
from lvsmarkd.watch.ipvs import IpvsServices
from lvsmarkd.watch.keepalived_process import KeepalivedProcess
from lvsmarkd.watch.nftables import NftablesEvents, iptables_tables
from lvsmarkd.watch.own_writers import OwnWriters
from lvsmarkd.watch.source import SourceHealth, WakeSource, keep
from lvsmarkd.watch.timer import Timer
from lvsmarkd.watch.xtables_lock import XtablesLock, lock_path


class Watchers:
    """Files, the kernel's nf_tables events, the xtables lock, keepalived, IPVS, firewalld, the
    slow full check.

    ``follow_keepalived`` is off where only a file that was named on the command line counts.
    ``follow_firewalld`` is on where firewalld keeps the rules, or may come to; it is not
    ``firewalld_expected`` where nobody asked for it by name. ``matters`` tells which tables are
    those that the rules are in.
    """

    def __init__(  # noqa: PLR0913 - what it is wired from
        self,
        health: SourceHealth,
        resync_seconds: float,
        *,
        follow_keepalived: bool,
        follow_firewalld: bool = False,
        firewalld_expected: bool = True,
        matters: Matters = iptables_tables,
    ) -> None:
        self.own_writers = OwnWriters()
        self._health = health
        self._files = Files(health)
        self._timer = Timer(health, resync_seconds, Random())  # noqa: S311 - mere jitter
        self._follow_keepalived = follow_keepalived
        self._follow_firewalld = follow_firewalld
        self._firewalld_expected = firewalld_expected
        self._matters = matters
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, wake: Callable[[Wake], None]) -> None:
        """Start all sources; ``wake`` is called from the event loop's thread."""
        sources: list[WakeSource] = [
            self._files,
            NftablesEvents(self._health, self.own_writers, self._matters),
            XtablesLock(self._health, lock_path()),
            self._timer,
        ]
        if self._follow_keepalived:
            sources += [KeepalivedProcess(self._health), IpvsServices(self._health)]
        if self._follow_firewalld:
            sources.append(FirewalldEvents(self._health, self._firewalld_expected))
        self._tasks = [
            asyncio.create_task(keep(source, wake, self._health), name=source.name)
            for source in sources
        ]

    def follow(self, files: tuple[str, ...], lookups: tuple[str, ...]) -> None:
        """The files that matter from now on."""
        self._files.follow(files, lookups)

    def resync(self, seconds: float) -> None:
        """How long a round of the slow full check takes from the next one on."""
        self._timer.seconds = seconds

    async def stop(self) -> None:
        """Stop all sources."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
