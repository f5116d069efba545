"""Marks that keepalived hands out by itself: ``nftables_ipvs`` in global_defs.

keepalived/core/global_parser.c, ipvs_nftables_handler; check/check_nftables.c, set_vs_fwmark;
check/ipvswrapper.c, ipvs_cmd.
"""

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.servers import Group, VirtualServer
from lvsmarkd.keepalived.conf.unsigned import read_plain
from lvsmarkd.model.keepalived import ReservedMark, ReservedMarks
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import MAX_MARK, Family, ServiceKey

_TABLE = "keepalived_ipvs"
_START = 1000
_MAX_TABLE_NAME = 255  # NFT_TABLE_MAXNAMELEN less the NUL; one less from 2.3 on


class NftablesIpvs(Struct, frozen=True):
    """What global_defs says about it."""

    table: str
    start: int
    origin: Origin


class OpenNftablesIpvs(Struct):
    """``nftables_ipvs`` and ``nftables_ipvs_start_fwmark``, while global_defs are read."""

    problems: list[Problem]
    _table: str | None = None
    _start: int = _START
    _origin: Origin | None = None
    _early: LogicalLine | None = None

    def line(self, line: LogicalLine) -> None:
        """One line of global_defs."""
        match line.words:
            case ["nftables_ipvs", *rest] if self._origin is None:
                table = rest[0] if rest else _TABLE
                if len(table.encode(errors="surrogateescape")) <= _MAX_TABLE_NAME:
                    # It begins with its own first mark, whatever was said before.
                    self._table, self._start, self._origin = table, _START, line.origin
            case ["nftables_ipvs_start_fwmark", str(word), *_]:
                if (start := read_plain(word, 1, MAX_MARK)) is not None:
                    self._start = start
                    self._early = line if self._origin is None else None

    def close(self) -> NftablesIpvs | None:
        """What counts in the end; None where keepalived hands out no marks."""
        if self._table is None or self._origin is None:
            return None
        if self._early is not None:
            message = (
                f"{' '.join(self._early.words)!r} stands before nftables_ipvs, which sets the "
                f"first mark to {_START} again: write it after {self._origin}"
            )
            self.problems.append(Problem(self._early.origin, message))
        return NftablesIpvs(self._table, self._start, self._origin)


class MarkAllocator(Struct):
    """Hands out marks, in the order in which virtual servers are sent to the kernel."""

    nftables_ipvs: NftablesIpvs
    _next: int = 0
    _marks: dict[tuple[str, Transport], ReservedMark] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._next = self.nftables_ipvs.start

    def use(self, server: VirtualServer, group: Group) -> None:
        """A virtual server with a group of addresses; its first one gives it a mark.

        Its real servers' family is the group's, or it has none and serves all of the group's.
        """
        use = (group.name, server.protocol)
        if use in self._marks:
            return
        mark = self._next
        # After the last mark comes 0, on which keepalived begins anew.
        self._next = mark + 1 if mark < MAX_MARK else self.nftables_ipvs.start
        keys = tuple(ServiceKey(family, mark) for family in Family if family in group.families)
        self._marks[use] = ReservedMark(mark, keys, group.name, server.protocol, server.origin)

    def reserved(self) -> ReservedMarks:
        """All that was handed out."""
        known = self.nftables_ipvs
        return ReservedMarks(known.table, known.start, known.origin, tuple(self._marks.values()))
