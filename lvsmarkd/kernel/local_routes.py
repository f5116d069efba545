"""What is delivered to this host: the routing table ``local``, which the kernel keeps of its own
addresses, and to which ``ip route add local`` adds; and such routes of other tables, to which
rules of policy routing may lead.

include/uapi/linux/rtnetlink.h. A whole routing table may be a million routes: the kernel is asked
for those of this type only.
"""

import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from lvsmarkd.kernel.netlink import (
    NETLINK_ROUTE,
    Dump,
    NetlinkError,
    NetlinkSocket,
    attributes,
    number,
)
from lvsmarkd.model.host import LOCAL_TABLE, LocalRoute
from lvsmarkd.model.service import Family, Network
from lvsmarkd.model.unknown import Unknown

TIMEOUT_SECONDS = 2.0

_GETROUTE = 26  # RTM_GETROUTE
# struct rtmsg: family, lengths of dst and src, tos, table, protocol, scope, type, flags
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HHI")
_DST, _TABLE = 1, 15  # RTA_*
_OIF = 4
_UNICAST = 1  # RTN_*
_LOCAL = 2  # the table local has broadcast and anycast addresses, too
_AF = {Family.INET: 2, Family.INET6: 10}
_ANYWHERE = {Family.INET: "0.0.0.0", Family.INET6: "::"}  # noqa: S104 - where a route without one leads
_SHORT = 255
"""Higher numbers of tables are in an attribute only."""


def local_networks(timeout: float = TIMEOUT_SECONDS) -> tuple[Network, ...] | Unknown:
    """The addresses and networks of the table ``local``; as `local_routes`."""
    found = local_routes(timeout)
    if isinstance(found, Unknown):
        return found
    return tuple(route.network for route in found if route.table == LOCAL_TABLE)


def local_routes(timeout: float = TIMEOUT_SECONDS) -> tuple[LocalRoute, ...] | Unknown:
    """The routes of all tables that deliver to this host, of the calling thread's network
    namespace; anybody may ask.

    It ends within ``timeout`` seconds. Raises nothing: what could not be read is Unknown.
    """
    try:
        with NetlinkSocket(NETLINK_ROUTE, timeout, strict=True) as kernel:
            return tuple(route for family in Family for route in _routes(kernel, family))
    except NetlinkError as error:
        return Unknown(f"the kernel's local addresses were not understood: {error}")
    except OSError as error:
        return Unknown(f"the kernel does not tell its local addresses: {error.strerror or error}")


def unicast_route_by(interface: str, timeout: float = TIMEOUT_SECONDS) -> bool | None:
    """Whether some route of IPv4 leads to hosts by an interface, in whichever table; None where
    that is not told. The kernel is asked for such routes only: where it has none, it says so.
    """
    head = _ROUTE.pack(_AF[Family.INET], 0, 0, 0, 0, 0, 0, _UNICAST, 0)
    try:
        index = socket.if_nametoindex(interface)
        with NetlinkSocket(NETLINK_ROUTE, timeout, strict=True) as kernel:
            question = head + _ATTRIBUTE.pack(8, _OIF, index)
            return bool(kernel.steady_dump(_GETROUTE, question).bodies)
    except (NetlinkError, OSError):
        return None


def is_empty(kernel: NetlinkSocket, table: int, family: Family) -> bool:
    """Whether a routing table has no route at all. Raises what `NetlinkSocket.dump` raises; the
    socket is strict.
    """
    head = _ROUTE.pack(_AF[family], 0, 0, 0, table if table <= _SHORT else 0, 0, 0, 0, 0)
    try:
        answer = kernel.dump(_GETROUTE, head + _ATTRIBUTE.pack(8, _TABLE, table))
    except FileNotFoundError:
        return True  # there is no such table: nothing was ever put into it
    return not any(_table_of(body) == table for body in answer.bodies)


def _routes(kernel: NetlinkSocket, family: Family) -> tuple[LocalRoute, ...]:
    head = _ROUTE.pack(_AF[family], 0, 0, 0, 0, 0, 0, _LOCAL, 0)
    return tuple(_read(kernel.steady_dump(_GETROUTE, head), family))


def _read(answer: Dump, family: Family) -> Iterator[LocalRoute]:
    for body in answer.bodies:
        table = _table_of(body)
        af, length, _, _, _, _, _, kind, _ = _ROUTE.unpack_from(body)
        # One that does not know the filter answers with all routes.
        if (af, kind) == (_AF[family], _LOCAL):
            to = attributes(body, _ROUTE.size).get(_DST)
            address = ip_address(to) if to else ip_address(_ANYWHERE[family])
            yield LocalRoute(table, ip_network((address, length)))


def _table_of(body: bytes) -> int:
    if len(body) < _ROUTE.size:
        raise NetlinkError(f"a route of {len(body)} bytes is none")
    parts = attributes(body, _ROUTE.size)
    return number(parts[_TABLE]) if _TABLE in parts else _ROUTE.unpack_from(body)[4]
