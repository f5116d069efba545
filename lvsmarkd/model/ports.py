"""Ports, and what can be done with sets of them.

A set of ports is a tuple of ranges. Port 0 is none: no service has it, and no range holds it.
"""

from collections.abc import Iterable

from msgspec import Struct

MAX_PORT = 65535


class PortRange(Struct, frozen=True, order=True):
    """Ports ``first`` to ``last``, both included, 1 to 65535. Raises ValueError for others."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last <= MAX_PORT:
            raise ValueError(f"no port range: {self.first}-{self.last}")

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def overlaps(self, other: "PortRange") -> bool:
        """Whether one port is in both."""
        return self.first <= other.last and other.first <= self.last

    def covers(self, other: "PortRange") -> bool:
        """Whether each port of ``other`` is in this one."""
        return self.first <= other.first and other.last <= self.last


PortSet = tuple[PortRange, ...]
EVERY_PORT = PortRange(1, MAX_PORT)


def joined(ranges: Iterable[PortRange]) -> PortSet:
    """The same ports in sorted ranges with gaps between them."""
    whole: list[PortRange] = []
    for each in sorted(ranges):
        if whole and each.first <= whole[-1].last + 1:
            whole[-1] = PortRange(whole[-1].first, max(whole[-1].last, each.last))
        else:
            whole.append(each)
    return tuple(whole)


def within(inner: PortSet, outer: PortSet) -> bool:
    """Whether each port of ``inner`` is in ``outer``."""
    if all(any(ours.covers(each) for ours in outer) for each in inner):
        return True
    if len(outer) < 2:
        return False
    whole = joined(outer)  # ranges that touch hold together what neither holds alone
    return all(any(ours.covers(each) for ours in whole) for each in inner)


def shared(some: PortSet, others: PortSet) -> PortSet:
    """The ports that are in both."""
    return joined(
        PortRange(max(one.first, other.first), min(one.last, other.last))
        for one in some
        for other in others
        if one.overlaps(other)
    )


def without(ports: PortSet, taken: PortSet) -> PortSet:
    """What is left of ports without others."""
    left: list[PortRange] = []
    holes = joined(taken)
    for each in joined(ports):
        start = each.first
        for hole in holes:
            if hole.first > each.last or hole.last < start:
                continue
            if hole.first > start:
                left.append(PortRange(start, hole.first - 1))
            start = hole.last + 1
        if start <= each.last:
            left.append(PortRange(start, each.last))
    return tuple(left)
