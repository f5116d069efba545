"""The kernel's word of every change of nf_tables: nft, iptables-nft, firewalld.

A change is heard 1.4 ms after the program that makes it was started, and about 15 ms before
it ends (measured). iptables-legacy and ipset change nothing here.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from math import inf

from msgspec import Struct

from lvsmarkd.backends.nftables.view import OWN_TABLE
from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.generations import (
    Concern,
    FirstMessage,
    Generation,
    Matters,
    NftablesMarshal,
    ReceiveError,
)
from lvsmarkd.watch.netlink_socket import AsyncNetlinkSocket
from lvsmarkd.watch.own_writers import OwnWriters
from lvsmarkd.watch.process_info import ProcessInfo, process_info
from lvsmarkd.watch.source import SourceFailedError, SourceHealth

RECEIVE_BUFFER = 8 << 20
"""Bytes, of kernel memory, and only while they are filled: this holds a restore of 10,000 rules
when nobody reads; half of it does not (measured)."""
_SO_RCVBUFFORCE = 33  # the limit net.core.rmem_max is not for root; Python has no name for it
NETLINK_NETFILTER = 12
_NFNLGRP_NFTABLES = 7


BESIDE_PAUSE = 2.0
"""Seconds between two looks for what changes in tables beside ours: kube-proxy and Docker write
theirs all day."""


def native_tables(family: NftFamily, table: str) -> Concern:
    """Ours are in a table of our own; packets meet every other one, too."""
    own = family is NftFamily.INET and table == OWN_TABLE
    return Concern.OWN if own else Concern.BESIDE


def iptables_tables(family: NftFamily, table: str) -> Concern:
    """Ours are in two of iptables' tables."""
    of_iptables = family in {NftFamily.IP, NftFamily.IP6} and table in {"mangle", "filter"}
    return Concern.OWN if of_iptables else Concern.BESIDE


def firewalld_tables(family: NftFamily, table: str) -> Concern:
    """Ours are in firewalld's tables, or in those of iptables that its other backend uses."""
    own = family is NftFamily.INET and table in {"firewalld", "firewalld_policy_drop"}
    return Concern.OWN if own else iptables_tables(family, table)


class Coalesced(Struct):
    """Wakes at once, and then once in ``pause`` seconds at most, however often it is asked. For the
    event loop's thread.
    """

    wake: Callable[[Wake], None]
    pause: float = BESIDE_PAUSE
    _last: float = -inf
    _due: asyncio.TimerHandle | None = None

    def ask(self, wake: Wake) -> None:
        """Wake, now or when it is time."""
        if self._due is not None:
            return
        loop = asyncio.get_running_loop()
        left = self._last + self.pause - loop.time()
        if left <= 0:
            self._now(wake)
        else:
            self._due = loop.call_later(left, self._now, wake)

    def cancel(self) -> None:
        """Wake no more."""
        if self._due is not None:
            self._due.cancel()

    def _now(self, wake: Wake) -> None:
        self._due, self._last = None, asyncio.get_running_loop().time()
        self.wake(wake)


class NftablesEvents(Struct, frozen=True):
    """Wakes for every transaction that touched a table that matters and is not our own."""

    health: SourceHealth
    own: OwnWriters
    matters: Matters = iptables_tables

    @property
    def name(self) -> str:
        """Its name."""
        return "nftables"

    async def run(self, wake: Callable[[Wake], None]) -> None:
        """Wake until cancelled."""
        nft = AsyncNetlinkSocket(NETLINK_NETFILTER)
        beside = Coalesced(wake)
        try:
            nft.set_marshal(NftablesMarshal(self.matters))
            await _join(nft)
            self.health.up(self.name)
            seen = ProcessInfo()
            while True:
                # It ends after each datagram.
                async for message in nft.get():
                    seen = self._hear(message["event"], seen, wake, beside)
        finally:
            beside.cancel()
            nft.close()

    def _hear(
        self,
        event: FirstMessage | Generation | ReceiveError,
        seen: ProcessInfo,
        wake: Callable[[Wake], None],
        beside: Coalesced,
    ) -> ProcessInfo:
        """Wake for one event; gives what was seen last of who is at work."""
        match event:
            case FirstMessage(port):
                # The end of a transaction of 10,000 rules is read 30 ms later: by then the
                # program is gone (measured).
                return process_info(port)
            case Generation(pid, name, concern):
                if pid not in self.own:
                    who = seen if seen.pid == pid else process_info(pid)
                    said = Wake(Trigger.NETLINK, who.actor(name))
                    wake(said) if concern is Concern.OWN else beside.ask(said)
            case ReceiveError(errno.ENOBUFS):
                # The socket goes on; what was lost, a look at the firewall tells.
                self.health.overrun(self.name)
                wake(Wake(Trigger.NETLINK))
            case ReceiveError(code):
                raise OSError(code, "the netlink socket failed")
        return seen


async def _join(nft: AsyncNetlinkSocket) -> None:
    """Begin to hear. Raises SourceFailedError if that is not to be had here."""
    try:
        await nft.setup_endpoint()
        try:
            nft.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:
            nft.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        # Not bind(groups=…): that takes every refusal for a port in use, and tries 180.
        await nft.bind()
        nft.add_membership(_NFNLGRP_NFTABLES)
    except PermissionError as error:
        raise SourceFailedError(
            "the kernel refuses its nf_tables events: lvsmarkd needs CAP_NET_ADMIN"
        ) from error
    except OSError as error:
        raise SourceFailedError(
            f"no nf_tables events are to be had from this kernel: {error.strerror or error}"
        ) from error
