"""nf_tables' notifications, read just as far as needed.

pyroute2 decodes every message in full: 0.37 s of CPU for a restore of 10,000 rules. All that
is asked here is which table each message is about and who made the generation, which takes
0.04 s (measured). So this stands in for the marshal of a pyroute2 socket, which has a
method for that (``set_marshal``): the socket, its queue and its life stay pyroute2's.
"""

import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any

from msgspec import Struct

from lvsmarkd.kernel.nf_tables import NftFamily


class Concern(IntEnum):
    """Why a change of a table is worth a look."""

    NONE = 0
    BESIDE = 1
    """Packets meet it on their way to IPVS, and our rules are in another table."""
    OWN = 2
    """Our rules are, or may be, in it."""


Matters = Callable[[NftFamily, str], Concern]
"""What a change of a table is to us."""


class FirstMessage(Struct, frozen=True):
    """The first message of a transaction that is about a table that matters.

    ``port`` is the netlink port of the program behind it. That is its process number, unless
    it has several such sockets (measured with nft and the iptables-nft programs).
    """

    port: int


class Generation(Struct, frozen=True):
    """The end of a transaction that touched a table that matters, the most by ``concern``."""

    pid: int
    name: str
    concern: Concern = Concern.OWN


class ReceiveError(Struct, frozen=True):
    """What the socket failed with, as pyroute2 passes it on: an errno."""

    code: int


_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_NFGENMSG = 4  # bytes: family, version, resource
_ERROR = 2  # NLMSG_ERROR
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_NEWGEN = _SUBSYSTEM << 8 | 15  # NFT_MSG_NEWGEN
_TABLE = 1  # NFTA_TABLE_NAME, and NFTA_*_TABLE of all that lives in a table
_GEN_PID, _GEN_NAME = 2, 3  # NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME
_TYPE = 0x3FFF  # the rest are flags: nested, byte order


class NftablesMarshal(Struct):
    """A marshal that makes of the messages of a socket two events per generation."""

    matters: Matters
    _touched: Concern = Concern.NONE

    def parse(self, data: bytes, *_: object) -> Iterator[dict[str, Any]]:
        """The events in a datagram, in the shape that pyroute2 passes on."""
        for event in self._events(data):
            yield {"header": {"type": 0, "flags": 0}, "event": event}

    def is_enough(self, _message: object) -> bool:
        """Whether a message ends an answer: there are no answers here."""
        return False

    def _events(self, data: bytes) -> Iterator[FirstMessage | Generation | ReceiveError]:
        at = 0
        while at + _HEADER.size <= len(data):
            length, kind, _, _, port = _HEADER.unpack_from(data, at)
            if length < _HEADER.size:
                return
            body = at + _HEADER.size
            end = min(at + length, len(data))
            at += (length + 3) & ~3
            if kind == _NEWGEN:
                touched, self._touched = self._touched, Concern.NONE
                if touched:
                    yield _generation(_attributes(data, body + _NFGENMSG, end), touched)
            elif kind == _ERROR and end >= body + 4:
                # The messages up to the next generation may be lost, or its end.
                self._touched = Concern.NONE
                yield ReceiveError(abs(struct.unpack_from("=i", data, body)[0]))
            elif (
                self._touched is not Concern.OWN
                and kind >> 8 == _SUBSYSTEM
                and end > body + _NFGENMSG
            ):
                table = _attributes(data, body + _NFGENMSG, end).get(_TABLE, b"")
                before, concern = self._touched, self._matters(data[body], table)
                self._touched = max(before, concern)
                if concern and not before:
                    yield FirstMessage(port)

    def _matters(self, number: int, table: bytes) -> Concern:
        try:
            family = NftFamily(number)
        except ValueError:
            return Concern.NONE
        return self.matters(family, table.rstrip(b"\0").decode("utf-8", "replace"))


def _attributes(data: bytes, at: int, end: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while at + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE] = data[at + _ATTRIBUTE.size : min(at + length, end)]
        at += (length + 3) & ~3
    return found


def _generation(attributes: dict[int, bytes], concern: Concern) -> Generation:
    name = attributes.get(_GEN_NAME, b"").rstrip(b"\0").decode("utf-8", "replace")
    return Generation(int.from_bytes(attributes.get(_GEN_PID, b""), "big"), name, concern)
