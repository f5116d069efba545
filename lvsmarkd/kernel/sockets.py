"""At which ports sockets of this host wait: TPROXY hands packets to one, or drops them.

include/uapi/linux/inet_diag.h.
"""

import struct

from lvsmarkd.kernel.netlink import NetlinkError, NetlinkSocket
from lvsmarkd.model.host import ListeningPort
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.unknown import Unknown

TIMEOUT_SECONDS = 2.0

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
# struct inet_diag_req_v2: family, protocol, extensions, padding, states, and no one socket
_QUESTION = struct.Struct("=BBBBI48x")
# struct inet_diag_msg: family, state, timer, retransmissions, and the port of this side
_ANSWER = struct.Struct("=BBBB")
_PORT = struct.Struct("!H")
_STATES = {Transport.TCP: 1 << 10, Transport.UDP: 1 << 7 | 1 << 1}
"""TCP_LISTEN; of UDP any."""
_AF_INET, _AF_INET6 = 2, 10


def listening_ports(timeout: float = TIMEOUT_SECONDS) -> frozenset[ListeningPort] | Unknown:
    """The ports of the calling thread's network namespace; anybody may ask. A socket of IPv6 may
    wait for IPv4, too: they are not told apart.

    It ends within ``timeout`` seconds. Raises nothing: what could not be read is Unknown.
    """
    found = set[ListeningPort]()
    try:
        with NetlinkSocket(_SOCK_DIAG, timeout) as kernel:
            for protocol, states in _STATES.items():
                for family in (_AF_INET, _AF_INET6):
                    question = _QUESTION.pack(family, protocol, 0, 0, states)
                    for body in kernel.dump(_BY_FAMILY, question).bodies:
                        found.add(ListeningPort(protocol, _port(body)))
    except NetlinkError as error:
        return Unknown(f"the list of sockets was not understood: {error}")
    except OSError as error:
        return Unknown(f"the kernel does not tell its sockets: {error.strerror or error}")
    return frozenset(found)


def _port(body: bytes) -> int:
    if len(body) < _ANSWER.size + _PORT.size:
        raise NetlinkError(f"a socket of {len(body)} bytes is none")
    (port,) = _PORT.unpack_from(body, _ANSWER.size)
    return int(port)
