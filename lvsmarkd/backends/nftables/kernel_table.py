"""Our table in the kernel: read, and changed in one transaction to what is wanted.

It is a plain table, so that it outlives whoever made it, and anybody may flush it: what is lost
then is put back, and marked by the guard meanwhile.
"""

from collections.abc import Callable
from threading import Thread, get_native_id

from msgspec import Struct

from lvsmarkd.backends.nftables.view import OWN_TABLE
from lvsmarkd.kernel.netlink import NetlinkError
from lvsmarkd.kernel.nf_tables import NftFamily, named_tables
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.kernel.nf_tables_writer import KernelHeldError, NfTablesWriter
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.nftables.changes import NftChange
from lvsmarkd.netfilter.nftables.contents import read_contents
from lvsmarkd.netfilter.nftables.objects import TableContents, TableId
from lvsmarkd.netfilter.nftables.transaction import (
    ContendedError,
    RefusedError,
    WhyRefused,
    rewrite,
)

TABLE = TableId(NftFamily.INET, OWN_TABLE)
_PATIENCE_SECONDS = 5.0
"""For one look: some 100,000 elements on a busy machine."""
_NOT_OURS_TO_SAY = frozenset({WhyRefused.FORBIDDEN, WhyRefused.OWNED, WhyRefused.NOT_SUPPORTED})


def is_there() -> bool:
    """Whether there is such a table: no socket is kept to ask. One that cannot be seen is none."""
    there = named_tables()
    return not isinstance(there, Unknown) and any(
        (each.family, each.name) == ("inet", OWN_TABLE) for each in there.tables
    )


class KernelTable(Struct):
    """For one thread at a time. ``on_write`` hears the number of each thread that writes, before
    it does: the kernel tells of a transaction by it.
    """

    on_write: Callable[[int], None] = lambda _thread: None
    _opened: tuple[NfTablesSocket, NfTablesWriter] | None = None
    """What reads, and what writes."""

    def read(self) -> TableContents:
        """All that is in it. Raises FirewallError (GONE, BUSY)."""
        try:
            return read_contents(self._sockets()[0], TABLE, _PATIENCE_SECONDS)
        except TimeoutError as error:
            self._give_up()
            raise FirewallError(
                Trouble.BUSY, f"others change nf_tables all the time: {error}"
            ) from error
        except (OSError, NetlinkError) as error:
            self._give_up()
            raise FirewallError(Trouble.GONE, f"nf_tables cannot be read: {error}") from error

    def change(self, plan: Callable[[TableContents], tuple[NftChange, ...]]) -> None:
        """Do what ``plan`` says of what is there. It may be called often, and does nothing else.
        Raises FirewallError, and what it raises.
        """
        reader, writer = self._sockets()
        try:
            rewrite(reader, writer, TABLE, plan)
        except RefusedError as error:
            gone = error.why in _NOT_OURS_TO_SAY
            trouble = Trouble.GONE if gone else Trouble.REJECTED
            raise FirewallError(trouble, f"nf_tables refuses it: {error}") from error
        except (ContendedError, KernelHeldError, TimeoutError) as error:
            self._give_up()
            raise FirewallError(Trouble.BUSY, f"nf_tables is busy: {error}") from error
        except (OSError, NetlinkError) as error:
            self._give_up()
            raise FirewallError(Trouble.GONE, f"nf_tables cannot be written: {error}") from error

    def close(self) -> None:
        """Let go of it; it stays as it is."""
        if self._opened is not None:
            reader, writer = self._opened
            writer.close()
            reader.close()
        self._opened = None

    def _sockets(self) -> tuple[NfTablesSocket, NfTablesWriter]:
        if self._opened is None:
            try:
                writer = NfTablesWriter(NfTablesSocket(), self._before)
                self._opened = NfTablesSocket(), writer
            except (OSError, NetlinkError) as error:
                raise FirewallError(
                    Trouble.GONE, f"nf_tables cannot be spoken to: {error}"
                ) from error
        return self._opened

    def _give_up(self) -> None:
        """Ask nothing more of these sockets: an answer that was broken off is under way still. To
        close one waits for whoever changes nf_tables just now.
        """
        opened, self._opened = self._opened, None
        if opened is not None:
            reader, writer = opened
            for close in (writer.close, reader.close):
                Thread(target=close, name="nf_tables", daemon=True).start()

    def _before(self) -> None:
        self.on_write(get_native_id())
