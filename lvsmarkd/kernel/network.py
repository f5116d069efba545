"""Our network namespace: who lives in it, and by which interfaces packets come.

The links under /proc/PID/ns are shown to those only who may trace the process. The files under
/proc/PID/net are there for all, and each namespace has its own, with inodes that no other has
(proc_generic.c, proc_alloc_inum; measured).
"""

import fcntl
import socket
import struct
from pathlib import Path

from lvsmarkd.kernel.files import file_identity

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


def _is_up(asked: socket.socket, name: str) -> bool:
    try:
        answer = fcntl.ioctl(asked, _SIOCGIFFLAGS, struct.pack("16sH14x", name.encode(), 0))
    except OSError:
        return False  # it has just gone
    (flags,) = struct.unpack_from("H", answer, 16)
    return bool(flags & _IFF_UP) and not flags & _IFF_LOOPBACK
