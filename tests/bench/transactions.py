"""The kernel's own account of time: every nf_tables transaction, as it is heard of."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Queue

from lvsmarkd.model.wake import Wake
from lvsmarkd.watch.generations import Matters
from lvsmarkd.watch.nftables import NftablesEvents, iptables_tables
from lvsmarkd.watch.own_writers import OwnWriters

PATIENCE = 30.0
"""Seconds that anything is waited for."""
QUIET = 0.2
"""Seconds without a transaction after which it is worth a look whether all is done."""


class _Quiet:
    def up(self, name: str) -> None: ...
    def down(self, name: str, reason: str) -> None:
        raise RuntimeError(f"{name}: {reason}")

    def overrun(self, name: str) -> None:
        raise RuntimeError(name)


class Transactions:
    """When each was heard of (``time.perf_counter``), and by which program it was made."""

    def __init__(self) -> None:
        self.heard: Queue[tuple[float, str]] = Queue()

    def clear(self) -> None:
        """Forget what was heard."""
        try:
            while True:
                self.heard.get_nowait()
        except Empty:
            pass

    def next(self, name: str) -> float:
        """When a program whose name begins so made the next one."""
        while True:
            at, who = self.heard.get(timeout=PATIENCE)
            if who.startswith(name):
                return at

    def until(self, done: Callable[[], bool]) -> tuple[float, float]:
        """When the first and the last one were made of those that led to what is to hold.

        It is looked at only when nothing is heard: the look does not slow down what it waits for.
        """
        start = time.perf_counter()
        times: list[float] = []
        while time.perf_counter() - start < PATIENCE:
            try:
                times.append(self.heard.get(timeout=QUIET)[0])
            except Empty:
                if times and done():
                    return times[0], times[-1]
        raise AssertionError(f"waited {PATIENCE} s in vain")


@contextmanager
def transactions(matters: Matters = iptables_tables) -> Iterator[Transactions]:
    """Hear those of the namespace that touch a table that matters."""
    made = Transactions()

    def wake(event: Wake) -> None:
        made.heard.put((time.perf_counter(), event.actor.name if event.actor else ""))

    loop = asyncio.new_event_loop()
    task = loop.create_task(NftablesEvents(_Quiet(), OwnWriters(), matters).run(wake))

    def hear() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    time.sleep(0.3)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(PATIENCE)
