"""A netlink socket to nf_tables that is kept: questions, generations, transactions.

A table with the flag ``owner`` belongs to the socket that made it, by its netlink port, until the
last descriptor of it is closed. And closing one waits for whoever changes nf_tables just now
(nf_tables_api.c, nft_rcv_nl_event): so one is kept for reading, too.
"""

import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from lvsmarkd.kernel.netlink import NetlinkError, NetlinkSocket, attributes
from lvsmarkd.kernel.nf_tables_batch import (
    NFGENMSG,
    SUBSYSTEM,
    NftRequest,
    check_answers,
    packed_batch,
)

NETLINK_NETFILTER = 12
TIMEOUT_SECONDS = 2.0
_GETGEN = SUBSYSTEM | 16  # NFT_MSG_GETGEN
_GENERATION = 1  # NFTA_GEN_ID
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_SPARE = 1 << 16
"""Bytes: what the kernel keeps for itself in a send buffer, and more."""
_ANSWERS = 1 << 20
"""Bytes of kernel memory, only while they are filled: the refusals of some 1,000 requests."""
_LOOKS = 200
"""How often is read what others change meanwhile; the time ends it before, nearly always."""

T = TypeVar("T")


class NfTablesSocket(NetlinkSocket):
    """For the network namespace of the thread that makes it. One thread may use it at a time.

    ``taken`` is a descriptor of such a socket that somebody kept (systemd's fd store): it has the
    port, and so the tables, that it had. It is this object's from now on. Raises OSError where the
    kernel has no nf_tables, or the descriptor is something else.
    """

    def __init__(self, *, taken: int | None = None) -> None:
        super().__init__(NETLINK_NETFILTER, TIMEOUT_SECONDS, taken=taken)
        if taken is None:
            self._socket.bind((0, 0))
        else:
            # What was still to be read by whoever had it before.
            for _ in self._queued():
                pass
        # Without them refusals are told with the whole message, and without the place in it.
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        with suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ANSWERS)

    @property
    def port(self) -> int:
        """Its netlink port, which the kernel names as the owner of a table."""
        address: tuple[int, int] = self._socket.getsockname()
        return address[0]

    def fileno(self) -> int:
        """Its descriptor; it is not inherited by programs that are started."""
        return self._socket.fileno()

    def generation(self) -> int:
        """The generation that nf_tables is at: each transaction makes one.

        Raises OSError (EPERM without CAP_NET_ADMIN) and NetlinkError.
        """
        self.within(TIMEOUT_SECONDS)
        return self._generation()

    def steadily(self, read: Callable[[int], T], timeout: float = TIMEOUT_SECONDS) -> T:
        """What ``read`` gives, of the generation that it is given.

        It is called again where somebody changed nf_tables meanwhile: dumps of elements do not tell
        that themselves (measured). Raises what it raises, OSError, TimeoutError among these, and
        NetlinkError.
        """
        self.within(timeout)
        generation = self._generation()
        for _ in range(_LOOKS):
            try:
                found = read(generation)
            except OSError:
                # A table, or a set, may be gone since it was listed.
                now = self._generation()
                if now == generation:
                    raise
            else:
                now = self._generation()
                if now == generation:
                    return found
            generation = now
        raise NetlinkError(f"nf_tables was changing each of the {_LOOKS} times that it was read")

    def commit(self, requests: Sequence[NftRequest], generation: int | None = None) -> None:
        """Do all of it, or nothing: only at this ``generation``, where one is given.

        Raises BatchRefusedError, LostRaceError, UnansweredError, OSError. While somebody else's
        transaction is being done it sleeps in the kernel, for seconds, whatever the timeout.
        """
        if not requests:
            return
        self._make_room(sum(each.size for each in requests))
        self._sequence += 1
        first = self._sequence
        self._sequence += len(requests) + 1
        self._socket.settimeout(None)
        self._socket.sendto(packed_batch(requests, first, generation), (0, 0))
        check_answers(self._queued(), first, len(requests))

    def _generation(self) -> int:
        for body in self.ask(_GETGEN, NFGENMSG.pack(0, 0, 0)):
            return int.from_bytes(attributes(body, NFGENMSG.size).get(_GENERATION, b""))
        raise NetlinkError("nf_tables does not tell its generation")

    def _queued(self) -> Iterator[bytes]:
        """What is there to be read. The kernel has answered by the time that a send returns."""
        self._socket.settimeout(0)
        while True:
            try:
                data, sender = self._socket.recvfrom(_ANSWERS)
            except BlockingIOError:
                return
            except OSError as error:
                # Some answers found no room; those that did are still to be read.
                if error.errno != errno.ENOBUFS:
                    raise
                continue
            if sender[0] == 0:
                yield data

    def _make_room(self, size: int) -> None:
        """A transaction is one datagram, and its socket must have room for it."""
        wanted = size + _SPARE
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= wanted:
            return
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, wanted)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wanted)
