"""A client that does not stop asking: stream.py FILE PER_SECOND ADDRESS:PORT...

To each address it opens PER_SECOND new connections, and holds one that it asks just as often. What
became of each is a line of JSON in FILE: when it began, how long it took, who answered or what went
wrong. SIGTERM ends it when all that was begun is told.
"""

import asyncio
import json
import signal
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Coroutine

FILE, RATE = sys.argv[1], float(sys.argv[2])
TARGETS = [target.rsplit(":", 1) for target in sys.argv[3:]]
PATIENCE = 4.0
"""More than the second that a client waits before it repeats a lost SYN."""
ended = asyncio.Event()


async def ask(reader: StreamReader, writer: StreamWriter) -> str:
    writer.write(b"GET / HTTP/1.1\r\nHost: director\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    return (await reader.readexactly(length)).decode()


async def fresh(address: str, port: str) -> str:
    reader, writer = await asyncio.open_connection(address, int(port))
    try:
        return await ask(reader, writer)
    finally:
        writer.close()


class ListedRule:
    """One connection that is asked again and again, and made anew when it fails."""

    def __init__(self, address: str, port: str) -> None:
        self.address, self.port = address, port
        self.ends: tuple[StreamReader, StreamWriter] | None = None

    async def again(self) -> str:
        if self.ends is None:
            self.ends = await asyncio.open_connection(self.address, int(self.port))
        return await ask(*self.ends)

    def drop(self) -> None:
        if self.ends:
            self.ends[1].transport.abort()
            self.ends = None


async def main() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    with open(FILE, "w", buffering=1) as out:  # noqa: ASYNC230, PTH123 - a few bytes at a time

        async def tell(
            kind: str, target: list[str], attempt: Coroutine[object, object, str]
        ) -> bool:
            began = time.time()
            line = {"kind": kind, "to": ":".join(target), "at": began}
            try:
                line["by"] = await asyncio.wait_for(attempt, PATIENCE)
            except (OSError, EOFError, TimeoutError) as error:
                line["wrong"] = type(error).__name__
            line["took"] = time.time() - began
            out.write(json.dumps(line) + "\n")
            return "wrong" not in line

        async def news(target: list[str]) -> None:
            tasks = set()
            while not ended.is_set():
                task = asyncio.create_task(tell("new", target, fresh(*target)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                await asyncio.sleep(1 / RATE)
            await asyncio.gather(*tasks)

        async def holds(target: list[str]) -> None:
            held = ListedRule(*target)
            while not ended.is_set():
                if not await tell("held", target, held.again()):
                    held.drop()
                await asyncio.sleep(1 / RATE)

        await asyncio.gather(*(run(target) for target in TARGETS for run in (news, holds)))


asyncio.run(main())
