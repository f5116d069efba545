"""The daemon's ear: status, pause, resume and apply over a Unix socket only root can reach.

One JSON object per line each way. There is no way to write rules over a network.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lvsmarkd.daemon.control import Answer

Handler = Callable[[dict[str, Any]], Awaitable[Answer]]

LIMIT = 64 * 1024
"""Bytes of a request."""
TIMEOUT = 10.0
"""Seconds for a request to come, and for its answer to be taken."""


async def serve(path: Path, handle: Handler) -> asyncio.Server:
    """Listen at ``path`` until the server is closed. Raises OSError if that cannot be.

    A socket left by a daemon that was killed is replaced: the lock says that there is no
    other.
    """
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, before anything runs

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            line = await asyncio.wait_for(reader.readline(), TIMEOUT)
            try:
                reply = await _answer(line, handle)
            except Exception as error:  # noqa: BLE001 - no question ends the daemon, each is answered
                reply = {"error": f"the daemon failed at it: {type(error).__name__}: {error}"}
            writer.write(json.dumps(reply).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), TIMEOUT)
        writer.close()

    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(answer, path, limit=LIMIT)
    finally:
        os.umask(before)


async def _answer(line: bytes, handle: Handler) -> Answer:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        return {"error": "a request is one JSON object on one line"}
    return await handle(request)
