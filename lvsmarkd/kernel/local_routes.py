"""What is delivered to this host: the routing table ``local``, which the kernel keeps of its own
addresses, and to which ``ip route add local`` adds.

include/uapi/linux/rtnetlink.h. A whole routing table may be a million routes: the kernel is asked
for this one only.
"""

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
from lvsmarkd.model.service import Family, Network
from lvsmarkd.model.unknown import Unknown

TIMEOUT_SECONDS = 2.0

_GETROUTE = 26  # RTM_GETROUTE
# struct rtmsg: family, lengths of dst and src, tos, table, protocol, scope, type, flags
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HHI")
_DST, _TABLE = 1, 15  # RTA_*
_LOCAL_TABLE = 255  # RT_TABLE_LOCAL
_LOCAL = 2  # RTN_LOCAL; the same table has broadcast and anycast addresses
_AF = {Family.INET: 2, Family.INET6: 10}
_ANYWHERE = {Family.INET: "0.0.0.0", Family.INET6: "::"}  # noqa: S104 - where a route without one leads
_LOOKS = 3


def local_networks(timeout: float = TIMEOUT_SECONDS) -> tuple[Network, ...] | Unknown:
    """The addresses and networks of the calling thread's network namespace; anybody may ask.

    It ends within ``timeout`` seconds. Raises nothing: what could not be read is Unknown.
    """
    try:
        with NetlinkSocket(NETLINK_ROUTE, timeout, strict=True) as kernel:
            return tuple(net for family in Family for net in _routes(kernel, family))
    except NetlinkError as error:
        return Unknown(f"the kernel's local addresses were not understood: {error}")
    except OSError as error:
        return Unknown(f"the kernel does not tell its local addresses: {error.strerror or error}")


def _routes(kernel: NetlinkSocket, family: Family) -> tuple[Network, ...]:
    head = _ROUTE.pack(_AF[family], 0, 0, 0, _LOCAL_TABLE, 0, 0, _LOCAL, 0)
    for _ in range(_LOOKS):
        answer = kernel.dump(_GETROUTE, head + _ATTRIBUTE.pack(8, _TABLE, _LOCAL_TABLE))
        if not answer.interrupted:
            return tuple(_networks(answer, family))
    raise NetlinkError(f"they were changing each of the {_LOOKS} times that they were looked at")


def _networks(answer: Dump, family: Family) -> Iterator[Network]:
    for body in answer.bodies:
        if len(body) < _ROUTE.size:
            raise NetlinkError(f"a route of {len(body)} bytes is none")
        af, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
        parts = attributes(body, _ROUTE.size)
        table = number(parts[_TABLE]) if _TABLE in parts else table
        # One that does not know the filter answers with all routes.
        if (af, table, kind) == (_AF[family], _LOCAL_TABLE, _LOCAL):
            to = parts.get(_DST)
            address = ip_address(to) if to else ip_address(_ANYWHERE[family])
            yield ip_network((address, length))
