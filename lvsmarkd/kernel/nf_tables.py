"""Which tables nf_tables has, asked by netlink: a tenth of a millisecond, and no program.

include/uapi/linux/netfilter/nf_tables.h; each message of a dump bears the lower half of the
generation that it was made at (nf_tables_api.c, nf_tables_fill_table_info).
"""

import struct
from enum import IntEnum
from threading import Thread

from msgspec import Struct

from lvsmarkd.kernel.netlink import NetlinkError, NetlinkSocket, attributes
from lvsmarkd.model.unknown import Unknown

TIMEOUT_SECONDS = 2.0
_NETLINK_NETFILTER = 12
_GETTABLE = (10 << 8) | 1  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE
_NFGENMSG = struct.Struct("=BBH")  # family, version, resource: network byte order
_NAME, _FLAGS, _HANDLE = 1, 2, 4  # NFTA_TABLE_*
_DORMANT = 1  # NFT_TABLE_F_DORMANT
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}  # NFPROTO_*


class NftFamily(IntEnum):
    """The families of tables that can mark a packet of ours (NFPROTO_*)."""

    INET = 1
    IP = 2
    NETDEV = 5
    IP6 = 10


class NamedTable(Struct, frozen=True):
    """A table, by netfilter's name of its family. A ``dormant`` one is met by no packet."""

    family: str
    name: str
    handle: int = 0
    dormant: bool = False


class NamedTables(Struct, frozen=True):
    """All of them. Equal for two looks between which nothing changed."""

    tables: tuple[NamedTable, ...] = ()
    generation: int = 0

    def has(self, family: str, name: str) -> bool:
        """Whether one of this name is among them."""
        return any((each.family, each.name) == (family, name) for each in self.tables)


def named_tables(timeout: float = TIMEOUT_SECONDS) -> NamedTables | Unknown:
    """The tables of the calling thread's network namespace. Needs CAP_NET_ADMIN.

    It ends within ``timeout`` seconds. Raises nothing: what could not be read is Unknown. A kernel
    without nf_tables has none.
    """
    try:
        kernel = NetlinkSocket(_NETLINK_NETFILTER, timeout)
        try:
            return _tables_of(kernel.steady_dump(_GETTABLE, _NFGENMSG.pack(0, 0, 0)).bodies)
        finally:
            # To close it waits for whoever changes nf_tables just now: for seconds, where that is
            # much (nf_tables_api.c, nft_rcv_nl_event; 4.8 s measured).
            Thread(target=kernel.close, name="nf_tables", daemon=True).start()
    except NetlinkError as error:
        return Unknown(f"nf_tables' list of tables was not understood: {error}")
    except OSError as error:
        if error.errno in _NO_NF_TABLES:
            return NamedTables()
        return Unknown(f"nf_tables does not tell its tables: {error.strerror or error}")


_NO_NF_TABLES = frozenset({93, 95, 22})
"""EPROTONOSUPPORT, EOPNOTSUPP, and EINVAL, by which nfnetlink answers for a subsystem that is not
there (nfnetlink.c, nfnetlink_rcv_msg)."""


def _tables_of(bodies: tuple[bytes, ...]) -> NamedTables:
    found = []
    generation = 0
    for body in bodies:
        if len(body) < _NFGENMSG.size:
            raise NetlinkError(f"a table of {len(body)} bytes is none")
        family, _, resource = _NFGENMSG.unpack_from(body)
        generation = ((resource & 0xFF) << 8) | resource >> 8
        parts = attributes(body, _NFGENMSG.size)
        name = parts.get(_NAME, b"").rstrip(b"\0").decode(errors="surrogateescape")
        handle = int.from_bytes(parts.get(_HANDLE, b""), "big")
        flags = int.from_bytes(parts.get(_FLAGS, b""), "big")
        named = _FAMILIES.get(family, str(family))
        found.append(NamedTable(named, name, handle, bool(flags & _DORMANT)))
    return NamedTables(tuple(found), generation)
