"""What IPVS holds, looked at every second or so: nothing tells of its changes.

keepalived's process tells of a reload, where it may be looked at; this needs no leave to, and it
sees what ``ipvsadm`` does, too.
"""

import asyncio
from collections.abc import Callable
from time import thread_time

from msgspec import Struct

from lvsmarkd.kernel.ipvs import kernel_services
from lvsmarkd.model.ipvs import KernelServices
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.source import SourceHealth

PAUSE = 1.0
"""Seconds between two looks, at least."""
PAUSE_PER_CPU_SECOND = 200.0
"""A look is followed by at least so many times the CPU time that it took: however many services
there are, it takes half a hundredth of a core at most. With no service in IPVS a look
takes 0.09 ms (measured)."""


class IpvsServices(Struct, frozen=True):
    """Wakes when other services by mark are in IPVS than at the last look."""

    health: SourceHealth
    look: Callable[[], KernelServices] = kernel_services
    pause: float = PAUSE

    @property
    def name(self) -> str:
        """Its name."""
        return "ipvs"

    async def run(self, wake: Callable[[Wake], None]) -> None:
        """Wake until cancelled. What cannot be read is no change."""
        known: KernelServices | None = None
        while True:
            seen, seconds = await asyncio.to_thread(self._look)
            if known is None:
                self.health.up(self.name)
            if not isinstance(seen, Unknown):
                if known is not None and seen != known:
                    wake(Wake(Trigger.IPVS))
                known = seen
            elif known is None:
                known = seen
            await asyncio.sleep(max(self.pause, PAUSE_PER_CPU_SECOND * seconds))

    def _look(self) -> tuple[KernelServices, float]:
        began = thread_time()
        return self.look(), thread_time() - began
