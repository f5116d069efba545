"""Marks that others use: policy routing, container networks, VPNs."""

from enum import StrEnum

from msgspec import Struct

from lvsmarkd.model.service import MAX_MARK, Family


class Use(StrEnum):
    """What a mark is to the one who claims it."""

    ROUTE = "route"
    """An ``ip rule`` chooses a routing table by it."""
    MATCH = "match"
    """Packets with ``mark & mask == value`` are treated in a way of their own."""
    FIELD = "field"
    """The bits of the mask are read and written, each or some of them for itself."""


class MarkClaim(Struct, frozen=True):
    """Somebody's use of some marks.

    ``owner`` says whose it is, ``where`` where it was seen: a clause for a sentence. ``family``
    is None where it holds for both. ``meant`` tells that it names one mark, whole, to route the
    packets that bear it: with a service by that mark this is a well-known way of balancing
    addresses that the director does not have (LVS-HOWTO, transparent proxy), and no accident.
    """

    value: int
    mask: int
    owner: str
    where: str
    use: Use = Use.MATCH
    family: Family | None = None
    meant: bool = False

    def concerns(self, mark: int) -> bool:
        """Whether a packet is treated otherwise with this mark than with none."""
        if self.use is Use.FIELD:
            return mark & self.mask != 0
        return self._matches(mark) is not self._matches(0)

    def _matches(self, mark: int) -> bool:
        return mark & self.mask == self.value & self.mask

    def __str__(self) -> str:
        if self.use is Use.FIELD:
            return f"bits {self.mask:#x}"
        whole = self.mask == MAX_MARK
        return f"mark {self.value}" if whole else f"mark {self.value:#x}/{self.mask:#x}"
