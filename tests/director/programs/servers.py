"""A real server: HTTP on 80, HTTPS on 443, FTP on 21, each telling who it is.

servers.py NAME ADDRESS: FTP's passive answer names ADDRESS, the virtual one.
"""

import asyncio
import contextlib
import itertools
import ssl
import sys
from asyncio import StreamReader, StreamWriter

from systemd.daemon import notify

NAME, ADDRESS = sys.argv[1:3]
PASSIVE = itertools.cycle(range(10000, 10016))


async def http(reader: StreamReader, writer: StreamWriter) -> None:
    """Answers each request on a connection with its name, and keeps the connection."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(NAME)}\r\n\r\n"
            writer.write(f"{head}{NAME}".encode())
            await writer.drain()
    writer.close()


class Ftp:
    """One control connection: as much of FTP as curl asks for."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.data: asyncio.Future[StreamWriter] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        self.say(f"220 {NAME}")
        while line := (await self.reader.readline()).decode().strip():
            word, _, rest = line.partition(" ")
            await self.obey(word.upper(), rest)
        self.writer.close()

    def say(self, text: str) -> None:
        self.writer.write(f"{text}\r\n".encode())

    async def obey(self, word: str, rest: str) -> None:
        match word:
            case "USER":
                self.say("331 a password, please")
            case "PASS":
                self.say("230 come in")
            case "PWD":
                self.say('257 "/"')
            case "PASV":
                port = await self.listen()
                where = ADDRESS.replace(".", ",")
                self.say(f"227 Entering Passive Mode ({where},{port // 256},{port % 256})")
            case "EPSV":
                self.say(f"229 Entering Extended Passive Mode (|||{await self.listen()}|)")
            case "PORT":
                numbers = rest.split(",")
                port = 256 * int(numbers[4]) + int(numbers[5])
                own = self.writer.get_extra_info("sockname")[0]
                # From the address that was asked: behind DR that is the virtual one.
                _, writer = await asyncio.open_connection(
                    ".".join(numbers[:4]), port, local_addr=(own, 20)
                )
                self.data = asyncio.get_running_loop().create_future()
                self.data.set_result(writer)
                self.say("200 connected")
            case "RETR":
                self.say("150 here it comes")
                writer = await self.data
                writer.write(f"{NAME}\n".encode())
                await writer.drain()
                writer.close()
                self.say("226 done")
            case "TYPE" | "NOOP":
                self.say("200 so be it")
            case "QUIT":
                self.say("221 good bye")
            case _:
                self.say("502 not here")

    async def listen(self) -> int:
        """The next passive port, for one connection."""
        self.data = asyncio.get_running_loop().create_future()

        async def accept(_: StreamReader, writer: StreamWriter) -> None:
            server.close()
            if not self.data.done():
                self.data.set_result(writer)

        port = next(PASSIVE)
        server = await asyncio.start_server(accept, None, port)
        return port


async def ftp(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await Ftp(reader, writer).serve()


async def main() -> None:
    secret = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secret.load_cert_chain("/etc/ssl/private/director.pem")
    servers = [
        await asyncio.start_server(http, None, 80),
        await asyncio.start_server(http, None, 443, ssl=secret),
        await asyncio.start_server(ftp, None, 21),
    ]
    notify("READY=1")
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
