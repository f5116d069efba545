"""Somebody who has firewalld's name on the bus, and is as it is only for moments."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dbus_next import BusType, Message, MessageType, Variant

from lvsmarkd.backends.firewalld.client.bus import _Bus
from lvsmarkd.backends.firewalld.client.calls import BUS_NAME


@dataclass(slots=True)
class StandIn:
    """What it says of its state; None: it answers nothing at all."""

    state: str | None = None

    def answer(self, said: Message) -> Message | bool:
        """To a call; to what the bus says to us, dbus-next listens itself."""
        if said.message_type is not MessageType.METHOD_CALL:
            return False
        if self.state is None:
            return True
        return Message.new_method_return(said, "v", [Variant("s", self.state)])


@contextmanager
def substitute(state: str | None = None) -> Iterator[StandIn]:
    """Have it on the bus for as long as the block."""
    firewalld, there, done = StandIn(state), threading.Event(), threading.Event()

    async def be() -> None:
        bus = _Bus(bus_type=BusType.SYSTEM)
        await bus.connect()
        bus.add_message_handler(firewalld.answer)
        await bus.request_name(BUS_NAME)
        there.set()
        while not done.is_set():
            await asyncio.sleep(0.005)
        bus.end()

    thread = threading.Thread(target=lambda: asyncio.run(be()))
    thread.start()
    try:
        assert there.wait(5)
        yield firewalld
    finally:
        done.set()
        thread.join()
