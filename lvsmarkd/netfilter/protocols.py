"""IP protocols by the names that listings use."""

import socket
from functools import lru_cache

from lvsmarkd.model.protocols import AH_PROTOCOL, TRANSPORTS, VRRP_PROTOCOL

_KNOWN: dict[str, int] = {
    **TRANSPORTS,
    "icmp": 1,
    "igmp": 2,
    "ipencap": 4,
    "gre": 47,
    "esp": 50,
    "ah": AH_PROTOCOL,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "ospf": 89,
    "vrrp": VRRP_PROTOCOL,
    "udplite": 136,
}
"""The same on every host, whatever its /etc/protocols has."""
_MOST = 255


@lru_cache(256)
def protocol_number(name: str) -> int | None:
    """The number of a protocol by number or name; None where there is none of that name."""
    if name.isascii() and name.isdecimal():
        return int(name) if int(name) <= _MOST else None
    if name in _KNOWN:
        return _KNOWN[name]
    try:
        return socket.getprotobyname(name)
    except (OSError, ValueError):
        return None
