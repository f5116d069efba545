"""Ask as clients: fetch.py PATIENCE ADDRESS,PORT,SOURCE...; prints who answered each, as JSON."""

import asyncio
import json
import ssl
import sys

PATIENCE = float(sys.argv[1])
SECRET = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SECRET.check_hostname = False
SECRET.verify_mode = ssl.CERT_NONE


async def ask(address: str, port: str, source: str) -> str:
    reader, writer = await asyncio.open_connection(
        address, int(port), local_addr=(source, 0), ssl=SECRET if port == "443" else None
    )
    writer.write(b"GET / HTTP/1.1\r\nHost: director\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    answer = (await reader.readexactly(length)).decode()
    writer.transport.abort()
    return answer


async def answer(wanted: str) -> str:
    try:
        return await asyncio.wait_for(ask(*wanted.split(",")), PATIENCE)
    except (OSError, EOFError, TimeoutError):
        return ""


async def main() -> None:
    print(json.dumps(await asyncio.gather(*map(answer, sys.argv[2:]))))  # noqa: T201 - its job


asyncio.run(main())
