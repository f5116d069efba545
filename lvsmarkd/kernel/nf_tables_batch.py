"""One transaction of nf_tables as bytes, and what the kernel says to it.

nfnetlink.c, nfnetlink_rcv_batch: all of it is done, or nothing. A refused message does not keep the
kernel from looking at those behind it, so all refusals come at once; what is wrong with the whole
is said about its first line.
"""

import errno
import os
import struct
from collections.abc import Iterable, Sequence
from sys import byteorder

from msgspec import Struct

from lvsmarkd.kernel.netlink import NetlinkError, attributes, message, messages

NFGENMSG = struct.Struct(">BBH")
"""What each body begins with: family, version, resource."""
SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES

_BEGIN, _END = 0x10, 0x11  # NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END
_GENERATION = 1  # NFNL_BATCH_GENID
_REQUEST, _ACK = 0x1, 0x4  # NLM_F_REQUEST, NLM_F_ACK
_ERROR = 2  # NLMSG_ERROR
_SAID = 0x200  # NLM_F_ACK_TLVS
_WORDS, _OFFSET = 1, 2  # NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS
_SAID_AT = 20  # behind the errno and the header of what it is about (NETLINK_CAP_ACK)
HEADER_BYTES = 16


class NftRequest(Struct, frozen=True):
    """One message of a transaction. ``kind`` is an NFT_MSG_*, ``flags`` are NLM_F_*, ``payload``
    are its attributes.
    """

    kind: int
    family: int
    payload: bytes
    flags: int = 0

    @property
    def size(self) -> int:
        """Its bytes on the way to the kernel, at most."""
        return HEADER_BYTES + NFGENMSG.size + len(self.payload) + 3


class NftRefusal(Struct, frozen=True):
    """What the kernel does not do, and why.

    ``request`` is the place of the request among those sent; None: it is about the whole.
    ``offset`` is where in the request's payload that begins which it does not like, where it
    says so.
    """

    request: int | None
    error: int
    offset: int | None = None
    words: str = ""

    def __str__(self) -> str:
        return self.words or os.strerror(self.error)


class BatchRefusedError(Exception):
    """A transaction of which nothing is done; with all that the kernel did not like."""

    def __init__(self, refusals: tuple[NftRefusal, ...]) -> None:
        super().__init__("; ".join(sorted(set(map(str, refusals)))))
        self.refusals = refusals


class LostRaceError(Exception):
    """Somebody changed nf_tables since the generation that a transaction is about: nothing of it
    is done, and what it was made from is to be read again.
    """


class UnansweredError(Exception):
    """A transaction of which the kernel's answer got lost: whether it is done is to be read."""


def packed_batch(
    requests: Sequence[NftRequest], first: int, generation: int | None = None
) -> bytes:
    """A transaction of one request at least, in messages numbered from ``first`` on.

    With a ``generation``, the kernel does it only where that is still the one it is at. The last
    request is acknowledged, by which the whole is.
    """
    guard = (
        b"" if generation is None else struct.pack("=HH", 8, _GENERATION) + generation.to_bytes(4)
    )
    last = len(requests) - 1
    return b"".join(
        [
            message(_BEGIN, _REQUEST, first, NFGENMSG.pack(0, 0, SUBSYSTEM >> 8) + guard),
            *(
                message(
                    SUBSYSTEM | each.kind,
                    _REQUEST | each.flags | (_ACK if at == last else 0),
                    first + 1 + at,
                    NFGENMSG.pack(each.family, 0, 0) + each.payload,
                )
                for at, each in enumerate(requests)
            ),
            message(_END, _REQUEST, first + 2 + last, NFGENMSG.pack(0, 0, SUBSYSTEM >> 8)),
        ]
    )


def check_answers(datagrams: Iterable[bytes], first: int, count: int) -> None:
    """Look at the answers to a transaction of ``count`` requests, numbered from ``first`` on.

    Raises BatchRefusedError, LostRaceError, UnansweredError, and NetlinkError for an answer that is
    not well formed. Answers to others are passed over.
    """
    refusals: list[NftRefusal] = []
    acknowledged = False
    for data in datagrams:
        for kind, flags, number, body in messages(data):
            if kind != _ERROR or not first <= number <= first + count + 1:
                continue
            at = number - first - 1
            refusal = _refusal(at if 0 <= at < count else None, flags, body)
            if refusal is None:
                acknowledged = True
            else:
                refusals.append(refusal)
    if any(each.error == errno.ERESTART for each in refusals):
        raise LostRaceError("somebody else changed nf_tables meanwhile")
    if refusals:
        raise BatchRefusedError(tuple(refusals))
    if not acknowledged:
        raise UnansweredError("the kernel's answer to a transaction got lost")


def _refusal(at: int | None, flags: int, body: bytes) -> NftRefusal | None:
    """What one answer refuses; None where it is an acknowledgement."""
    if len(body) < _SAID_AT:
        raise NetlinkError(f"an answer of {len(body)} bytes is none")
    code = int.from_bytes(body[:4], byteorder, signed=True)
    if code == 0:
        return None
    said = attributes(body, _SAID_AT) if flags & _SAID else {}
    offset = said.get(_OFFSET)
    return NftRefusal(
        request=at,
        error=-code,
        offset=None
        if offset is None
        else int.from_bytes(offset, byteorder) - HEADER_BYTES - NFGENMSG.size,
        words=said.get(_WORDS, b"").rstrip(b"\0").decode(errors="replace"),
    )
