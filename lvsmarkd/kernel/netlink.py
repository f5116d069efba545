"""Questions to the kernel by netlink, and the whole answers: of all of something, or of one thing.

pyroute2 could ask too. It is used for events, where it lives as long as the daemon; a command
such as `marks` would pay 110 ms and 21 MB for its import to ask one question of 0.1 ms, and five
to eight times the CPU time for the answer (measured). In the tests it is the witness of what is
read here.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from sys import byteorder
from time import monotonic
from types import TracebackType
from typing import Self

from msgspec import Struct

NETLINK_ROUTE = 0
NETLINK_GENERIC = 16

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_REQUEST_DUMP = 0x1 | 0x300  # NLM_F_REQUEST, NLM_F_DUMP
_REQUEST_ACK = 0x1 | 0x4  # NLM_F_REQUEST, NLM_F_ACK
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR
_TYPE = 0x3FFF  # the rest are flags: nested, byte order
_LOOKS = 3
"""How often is asked for what changes meanwhile."""
_SOL_NETLINK, _GET_STRICT_CHK = 270, 12
_DATAGRAM = 1 << 17
"""Bytes: the kernel makes none of a dump larger than 32 KiB, or than what is read at once."""


class NetlinkError(Exception):
    """No whole answer; says what came instead. The kernel's own refusals are OSError."""


class Dump(Struct, frozen=True):
    """The bodies of the messages of one dump, and in how many datagrams they came.

    Each datagram is made at one moment. Between two of them what is dumped may change, which
    only some parts of the kernel tell (``interrupted``).
    """

    bodies: tuple[bytes, ...]
    datagrams: int
    interrupted: bool


class NetlinkSocket:
    """A netlink socket, for the calling thread's network namespace. Use it by ``with``.

    All its questions together end within ``timeout`` seconds, or raise TimeoutError; one that is
    kept says ``within`` before the next ones. ``strict``: the kernel leaves out what the question
    does not ask for, where it can (since Linux 4.20). ``taken`` is the descriptor of a socket that
    is there already, and the object's from now on; OSError where it is one of another protocol.
    """

    def __init__(
        self, protocol: int, timeout: float, *, strict: bool = False, taken: int | None = None
    ) -> None:
        self._deadline = monotonic() + timeout
        self._sequence = 0
        if taken is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        else:
            self._socket = _socket_of(taken, protocol)
        if strict:
            with suppress(OSError):
                self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ask no more."""
        self._socket.close()

    def within(self, timeout: float) -> Self:
        """Itself: the questions from now on end within so many seconds, together."""
        self._deadline = monotonic() + timeout
        return self

    def dump(self, kind: int, payload: bytes) -> Dump:
        """Ask for all of something, and read to the end.

        Raises OSError where the kernel refuses or does not answer in time, and NetlinkError
        where the answer is not whole.
        """
        return self._answer(kind, _REQUEST_DUMP, payload)

    def ask(self, kind: int, payload: bytes) -> tuple[bytes, ...]:
        """The bodies of the messages that answer a question about some things by name.

        Raises OSError and NetlinkError, as ``dump``; ENOENT where one of them is not there.
        """
        return self._answer(kind, _REQUEST_ACK, payload).bodies

    def _answer(self, kind: int, flags: int, payload: bytes) -> Dump:
        self._sequence += 1
        self._wait_no_longer()
        self._socket.sendto(message(kind, flags, self._sequence, payload), (0, 0))
        return read_dump(self._datagrams(), self._sequence)

    def steady_dump(self, kind: int, payload: bytes) -> Dump:
        """The same of what did not change while it was dumped, as far as the kernel tells.

        Raises OSError and NetlinkError, as ``dump``; the latter too where it changes each time.
        """
        for _ in range(_LOOKS):
            answer = self.dump(kind, payload)
            if not answer.interrupted:
                return answer
        raise NetlinkError(f"they were changing each of the {_LOOKS} times that was asked")

    def _datagrams(self) -> Iterator[bytes]:
        while True:
            self._wait_no_longer()
            data, _, flags, sender = self._socket.recvmsg(_DATAGRAM)
            if flags & socket.MSG_TRUNC:
                raise NetlinkError(f"a datagram of more than {_DATAGRAM} bytes was cut off")
            # Any process may send to a netlink port; the kernel's own port is 0.
            if sender[0] == 0:
                yield data

    def _wait_no_longer(self) -> None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)


def _socket_of(descriptor: int, protocol: int) -> socket.socket:
    found = socket.socket(fileno=descriptor)
    if (found.family, found.proto) != (socket.AF_NETLINK, protocol):
        found.detach()
        raise OSError(errno.EPROTOTYPE, f"descriptor {descriptor} is no such netlink socket")
    os.set_inheritable(found.fileno(), False)  # noqa: FBT003 - it takes no name
    return found


def read_dump(datagrams: Iterator[bytes], sequence: int) -> Dump:
    """Read the answer to question number ``sequence`` from datagrams, up to its end.

    Raises OSError where it is a refusal, NetlinkError where it is malformed or breaks off.
    """
    bodies: list[bytes] = []
    interrupted = False
    for count, data in enumerate(datagrams, 1):
        for kind, flags, number, body in messages(data):
            if number != sequence:
                continue
            interrupted = interrupted or bool(flags & _INTERRUPTED)
            if kind in (_ERROR, _DONE):
                _raise_if_refused(body)
                return Dump(tuple(bodies), count, interrupted)
            bodies.append(body)
    raise NetlinkError("the answer breaks off")


def attributes(data: bytes, at: int = 0) -> dict[int, bytes]:
    """The attributes that begin at an offset, by type; of a type that repeats, the last.

    Raises NetlinkError where they are not well formed.
    """
    return {kind: value for kind, _, value in each_attribute(data, at)}


def each_attribute(data: bytes, at: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """The same one after the other: type, offset, value. Raises NetlinkError, as ``attributes``."""
    size, last = len(data), len(data) - _ATTRIBUTE.size
    while at <= last:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size or at + length > size:
            raise NetlinkError(f"an attribute of {length} bytes is none")
        yield kind & _TYPE, at, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def number(data: bytes) -> int:
    """An unsigned integer in the byte order of the machine."""
    return int.from_bytes(data, byteorder)


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    """A message to the kernel, padded for another one behind it."""
    header = _HEADER.pack(_HEADER.size + len(payload), kind, flags, sequence, 0)
    return header + payload + bytes(-len(payload) % 4)


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, sequence and body of each message of a datagram."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            raise NetlinkError(f"a message of {length} bytes is none")
        yield kind, flags, sequence, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _raise_if_refused(body: bytes) -> None:
    """The end of a dump, or an error, begins with a negative errno, or 0."""
    code = int.from_bytes(body[:4], byteorder, signed=True)
    if code < 0:
        raise OSError(-code, os.strerror(-code))
