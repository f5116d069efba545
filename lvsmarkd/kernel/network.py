"""Our network namespace: who lives in it, by which interfaces packets come, whether it forwards.

The links under /proc/PID/ns are shown to those only who may trace the process. The files under
/proc/PID/net are there for all, and each namespace has its own, with inodes that no other has
(proc_generic.c, proc_alloc_inum; measured).
"""

import fcntl
import os
import socket
import struct
from collections.abc import Collection
from pathlib import Path

from lvsmarkd.kernel.files import file_identity

_IPV4_CONF = Path("/proc/sys/net/ipv4/conf")
"""Of the calling thread's network namespace."""
_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_LOOPBACK = 1, 8


def same_network(pid: int, proc: Path = Path("/proc")) -> bool | None:
    """Whether it is in the calling thread's network namespace; None where that is not seen."""
    theirs = file_identity(proc / str(pid) / "net" / "dev")
    ours = file_identity(proc / "thread-self" / "net" / "dev")
    return None if theirs is None or ours is None else theirs == ours


def links_up() -> tuple[str, ...]:
    """The network interfaces that packets may come in by: those that are up, but for loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        return tuple(name for _, name in socket.if_nameindex() if _is_up(asked, name))


def forwards_ipv4(interfaces: Collection[str], conf: Path = _IPV4_CONF) -> bool | None:
    """Whether one of some interfaces, or one that comes up later, forwards what is for others; None
    where there is none of them, or it cannot be read. The kernel asks the interface that a packet
    comes by (net/ipv4/route.c, IN_DEV_FORWARD); ``net.ipv4.ip_forward`` sets it for all.
    """
    if not interfaces:
        return None
    try:
        told = [(conf / name / "forwarding").read_text() for name in (*interfaces, "default")]
    except (OSError, ValueError):
        return None
    return any(text.strip() != "0" for text in told)


def _is_up(asked: socket.socket, name: str) -> bool:
    try:
        answer = fcntl.ioctl(asked, _SIOCGIFFLAGS, struct.pack("16sH14x", os.fsencode(name), 0))
    except OSError:
        return False  # it has just gone
    (flags,) = struct.unpack_from("H", answer, 16)
    return bool(flags & _IFF_UP) and not flags & _IFF_LOOPBACK
