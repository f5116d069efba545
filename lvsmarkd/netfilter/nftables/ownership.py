"""Tables that nobody else can change: what the kernel can, and whose a table is.

Measured: an owned table stays as it is through ``nft flush ruleset`` of others, and ends without a
word with the last descriptor of the socket that made it (since Linux 5.12). With ``persist`` it
stays then, as a plain table, until somebody adds it as owner (since 6.9, and earlier where it was
taken over): so versions are not compared, the kernel is asked.
"""

import errno
import os
from enum import Enum, auto

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.kernel.nf_tables_writer import NfTablesWriter
from lvsmarkd.netfilter.nftables.changes import add, delete
from lvsmarkd.netfilter.nftables.objects import NftTable, TableFlag, TableId
from lvsmarkd.netfilter.nftables.transaction import RefusedError, write

_DOES_NOT_KNOW = frozenset({errno.EOPNOTSUPP, errno.EINVAL})
"""How a kernel answers for flags: EINVAL where it knew none but ``dormant``."""


def supported_flags(writer: NfTablesWriter | NfTablesSocket) -> TableFlag:
    """Which of OWNER and PERSIST the kernel has: both, OWNER, or none.

    It makes a table and deletes it in the same transaction, which no packet meets. Raises what
    ``write`` raises.
    """
    table = TableId(NftFamily.INET, f"lvsmarkd_probe_{os.getpid()}")
    for flags in (TableFlag.OWNER | TableFlag.PERSIST, TableFlag.OWNER):
        try:
            write(writer, add(NftTable(table, flags)) + delete(table))
        except RefusedError as error:
            if not any(each.error in _DOES_NOT_KNOW for each in error.refused):
                raise
        else:
            return flags
    return TableFlag(0)


class Ownership(Enum):
    """Whose a table is."""

    ABSENT = auto()
    """There is none."""
    OURS = auto()
    OTHERS = auto()
    """It is another socket's: of a second daemon, perhaps."""
    ORPHAN = auto()
    """Its owner is gone and it persists: whoever adds it as owner is its owner."""
    PLAIN = auto()
    """It has no owner, and can have none: it would have to be deleted and made anew."""


def ownership(table: NftTable | None, port: int) -> Ownership:
    """Whose a table is, to the socket with this port."""
    if table is None:
        return Ownership.ABSENT
    if table.flags & TableFlag.OWNER:
        return Ownership.OURS if table.owner == port else Ownership.OTHERS
    return Ownership.ORPHAN if table.flags & TableFlag.PERSIST else Ownership.PLAIN
