"""Settings of the kernel that take packets of services away, whatever rules there are.

Each is one of the calling thread's network namespace.
"""

from collections.abc import Collection
from pathlib import Path

from lvsmarkd.kernel.local_routes import unicast_route_by

_NET = Path("/proc/sys/net")
_STRICT = 1


def switched_on(name: str, net: Path = _NET) -> bool | None:
    """Whether a setting (``ipv4/vs/conntrack``) is other than 0; None where there is none, or it
    cannot be read.
    """
    value = _value(net / name)
    return None if value is None else value != 0


def dead_ends(interfaces: Collection[str], net: Path = _NET) -> frozenset[str]:
    """The interfaces of which all packets of IPv4 are dropped: their sender would have to be
    reached by the interface (rp_filter = 1), and no route leads there (net/ipv4/fib_frontend.c,
    __fib_validate_source; measured). Only those of which it is certain.
    """
    every = _value(net / "ipv4/conf/all/rp_filter")
    found = set()
    for name in interfaces:
        own = _value(net / "ipv4/conf" / name / "rp_filter")
        # The greater one counts: 2 is loose (ip-sysctl.rst).
        strict = every is not None and own is not None and max(every, own) == _STRICT
        if strict and unicast_route_by(name) is False:
            found.add(name)
    return frozenset(found)


def _value(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
