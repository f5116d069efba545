"""firewalld's word of what changes in it, or of its coming and going.

What its signals carry is not to be believed: a zone without its name, a rule as it was typed
(measured). They say that a look is worth it, and that is all that is taken from them. Changes
that others make in the kernel behind its back it does not tell.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from lvsmarkd.backends.firewalld.client.calls import (
    BUS_NAME,
    BusError,
    CallFault,
    FirewalldError,
    Interface,
    Request,
)
from lvsmarkd.backends.firewalld.client.system_bus import connect
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.source import SourceFailedError, SourceHealth

if TYPE_CHECKING:
    from lvsmarkd.backends.firewalld.client.bus import Connection, Signal

PAUSE = 0.25
"""Seconds between two wake-ups. The first sign of something wakes at once, the rest of it once
more: a reload tells of every zone and policy, and of itself at last."""
STARTING = 0.2
"""Seconds between two questions whether a firewalld that has come has loaded its rules."""
NO_BUS = 5.0
"""Seconds between two looks for a bus where there may be none at all."""
_BUS = "org.freedesktop.DBus"
_OWNER = "NameOwnerChanged"
_TELLING = (
    (Interface.MAIN, None),  # Reloaded, panic mode, the default zone
    (Interface.ZONE, None),  # rules, settings, and the moves of interfaces and sources
    (Interface.POLICY, None),
    (Interface.DIRECT, None),
    (Interface.CONFIG, "ZoneAdded"),  # not the whole: a reload tells 300 times of things added
    (Interface.CONFIG, "PolicyAdded"),
    (Interface.CONFIG_ZONE, None),
    (Interface.CONFIG_POLICY, None),
    (Interface.CONFIG_DIRECT, None),
)
MATCHES = (
    f"type='signal',sender='{_BUS}',interface='{_BUS}',member='{_OWNER}',arg0='{BUS_NAME}'",
    *(
        f"type='signal',sender='{BUS_NAME}',interface='{interface}'"
        + (f",member='{member}'" if member else "")
        for interface, member in _TELLING
    ),
)
"""What the bus is to let through to us."""
_STATE = Request(Interface.PROPERTIES, "Get", (str(Interface.MAIN), "state"))


class FirewalldEvents(Struct, frozen=True):
    """Wakes for what firewalld tells, on a connection of its own to the bus.

    While firewalld is stopped it hears all the same: that it comes. Our own changes wake, too.
    Where it is not ``expected``, a host without a bus is none of its failures: it waits for one.
    It is never overrun: a bus that we do not keep up with hangs up.
    """

    health: SourceHealth
    expected: bool = True

    @property
    def name(self) -> str:
        """Its name."""
        return "firewalld"

    async def run(self, wake: Callable[[Wake], None]) -> None:
        """Wake until cancelled. Raises SourceFailedError where there is no bus (any more)."""
        connection = None
        while connection is None:
            try:
                connection = await connect()
            except BusError as error:
                if self.expected:
                    raise SourceFailedError(str(error)) from error
                await asyncio.sleep(NO_BUS)  # where no bus is, no firewalld is either
        try:
            await self._hear(connection, wake)
        except BusError as error:
            raise SourceFailedError(str(error)) from error
        finally:
            connection.close()

    async def _hear(self, connection: "Connection", wake: Callable[[Wake], None]) -> None:
        pending = asyncio.Event()
        came = False

        def heard(signal: "Signal") -> None:
            nonlocal came
            came = came or signal.member == _OWNER
            pending.set()

        await connection.listen(MATCHES, heard)
        self.health.up(self.name)
        end = asyncio.ensure_future(connection.ended())
        try:
            while True:
                sign = asyncio.ensure_future(pending.wait())
                await asyncio.wait({sign, end}, return_when=asyncio.FIRST_COMPLETED)
                sign.cancel()
                if end.done():
                    raise SourceFailedError(f"the bus is gone ({end.result()})")
                pending.clear()
                if came:
                    came = False
                    await self._loaded(connection, wake)
                wake(Wake(Trigger.DBUS))
                await asyncio.sleep(PAUSE)
        finally:
            end.cancel()

    async def _loaded(self, connection: "Connection", wake: Callable[[Wake], None]) -> None:
        """Wait until a firewalld that came has loaded its rules, failed to, or went again."""
        told = False
        while True:
            try:
                if await connection.call(_STATE) != "INIT":
                    return
            except FirewalldError:
                return
            except BusError as error:
                if error.fault is not CallFault.TIMEOUT:
                    return
                if not told:
                    wake(Wake(Trigger.DBUS))  # that it hangs is worth a look
                told = True
            await asyncio.sleep(STARTING)
