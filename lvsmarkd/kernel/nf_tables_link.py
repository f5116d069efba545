"""The two sockets that whoever keeps a table in nf_tables has: one reads, one writes."""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread, get_native_id

from lvsmarkd.kernel.netlink import NetlinkError
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.kernel.nf_tables_writer import NfTablesWriter


class NfTablesLink:
    """For one thread at a time. ``on_write`` hears the number of each thread that writes, before
    it does: the kernel tells of a transaction by it. ``owner`` makes the socket that writes.

    Raises OSError and NetlinkError where there is no nf_tables to speak to.
    """

    def __init__(
        self,
        on_write: Callable[[int], None],
        owner: Callable[[], NfTablesSocket] = NfTablesSocket,
    ) -> None:
        # The reader first: where there is no descriptor left, a kept one is not asked for in vain.
        self.reader = NfTablesSocket()
        self.writer = NfTablesWriter(owner(), lambda: on_write(get_native_id()))

    def renew_reader(self) -> None:
        """Read by a new socket: an answer that was broken off is under way still at this one.
        Where there is none to be had, it stays.
        """
        with suppress(OSError, NetlinkError):
            left, self.reader = self.reader, NfTablesSocket()
            _close_meanwhile(left.close)

    def abandon(self) -> None:
        """Ask nothing more of both."""
        _close_meanwhile(self.writer.close)
        _close_meanwhile(self.reader.close)

    def close(self) -> None:
        """Let go of both. To close one waits for whoever changes nf_tables just now."""
        self.writer.close()
        self.reader.close()


def _close_meanwhile(close: Callable[[], None]) -> None:
    Thread(target=close, name="nf_tables", daemon=True).start()
