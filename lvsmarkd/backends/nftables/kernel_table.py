"""Our table in the kernel: read, and changed in one transaction to what is wanted.

It is a plain table, so that it outlives whoever made it, and anybody may flush it: what is lost
then is put back, and marked by the guard meanwhile.
"""

from collections.abc import Callable

from msgspec import Struct

from lvsmarkd.backends.nftables.view import OWN_TABLE
from lvsmarkd.kernel.netlink import NetlinkError
from lvsmarkd.kernel.nf_tables import NftFamily, named_tables
from lvsmarkd.kernel.nf_tables_link import NfTablesLink
from lvsmarkd.kernel.nf_tables_writer import KernelHeldError
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
    return not isinstance(there, Unknown) and there.has("inet", OWN_TABLE)


class KernelTable(Struct):
    """For one thread at a time. ``on_write`` hears the number of each thread that writes, before
    it does: the kernel tells of a transaction by it.
    """

    on_write: Callable[[int], None] = lambda _thread: None
    _opened: NfTablesLink | None = None

    def read(self) -> TableContents:
        """All that is in it. Raises FirewallError (GONE, BUSY)."""
        try:
            return read_contents(self._link().reader, TABLE, _PATIENCE_SECONDS)
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
        link = self._link()
        try:
            rewrite(link.reader, link.writer, TABLE, plan)
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
            self._opened.close()
        self._opened = None

    def _link(self) -> NfTablesLink:
        if self._opened is None:
            try:
                self._opened = NfTablesLink(self.on_write)
            except (OSError, NetlinkError) as error:
                raise FirewallError(
                    Trouble.GONE, f"nf_tables cannot be spoken to: {error}"
                ) from error
        return self._opened

    def _give_up(self) -> None:
        """Ask nothing more of these sockets: an answer that was broken off is under way still."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.abandon()
