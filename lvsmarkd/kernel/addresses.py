"""The address of each interface that the kernel lists first: REDIRECT sends packets that come by
the interface there.

include/uapi/linux/if_addr.h. A dump has the addresses in the kernel's own order, the one of which
REDIRECT takes the first (net/netfilter/nf_nat_redirect.c; measured).
"""

import socket
import struct
from collections.abc import Mapping
from ipaddress import ip_address

from lvsmarkd.kernel.netlink import NETLINK_ROUTE, NetlinkError, NetlinkSocket, attributes, number
from lvsmarkd.model.service import Address, Family
from lvsmarkd.model.unknown import Unknown

TIMEOUT_SECONDS = 2.0

_GETADDR = 22  # RTM_GETADDR
# struct ifaddrmsg: family, length of the prefix, flags, scope, index of the interface
_HEAD = struct.Struct("=BBBBI")
_ADDRESS, _LOCAL, _FLAGS = 1, 2, 8  # IFA_*
_UNSETTLED = 0x08 | 0x40  # IFA_F_DADFAILED, IFA_F_TENTATIVE: older kernels take it, newer do not
_AF = {2: Family.INET, 10: Family.INET6}

FirstAddresses = Mapping[tuple[str, Family], Address | None]


def first_addresses(timeout: float = TIMEOUT_SECONDS) -> FirstAddresses | Unknown:
    """For each interface of the calling thread's network namespace its first address, None where
    it has none; nothing where that one is not settled yet. Anybody may ask.

    It ends within ``timeout`` seconds. Raises nothing: what could not be read is Unknown.
    """
    try:
        names = dict(socket.if_nameindex())
        with NetlinkSocket(NETLINK_ROUTE, timeout) as kernel:
            bodies = kernel.steady_dump(_GETADDR, _HEAD.pack(0, 0, 0, 0, 0)).bodies
        return _firsts(bodies, names)
    except NetlinkError as error:
        return Unknown(f"the interfaces' addresses were not understood: {error}")
    except OSError as error:
        return Unknown(f"the kernel does not tell its addresses: {error.strerror or error}")


def _firsts(bodies: tuple[bytes, ...], names: Mapping[int, str]) -> FirstAddresses:
    found: dict[tuple[str, Family], Address | None] = {}
    unsettled: set[tuple[str, Family]] = set()
    for body in bodies:
        if len(body) < _HEAD.size:
            raise NetlinkError(f"an address of {len(body)} bytes is none")
        af, _, flags, _, index = _HEAD.unpack_from(body)
        family, name = _AF.get(af), names.get(index)
        if family is None or name is None or (name, family) in found:
            continue
        parts = attributes(body, _HEAD.size)
        address = parts.get(_LOCAL) or parts.get(_ADDRESS)
        if address is None:
            raise NetlinkError("an address without its number")
        found[name, family] = ip_address(address)
        if (number(parts[_FLAGS]) if _FLAGS in parts else flags) & _UNSETTLED:
            unsettled.add((name, family))
    every = {(name, family): None for name in names.values() for family in Family}
    return {key: address for key, address in {**every, **found}.items() if key not in unsettled}
