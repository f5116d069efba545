"""The VRRP process's view: instances and their addresses.

keepalived/vrrp/vrrp_parser.c, vrrp_handler and what it calls.
"""

from collections.abc import Iterable

from msgspec import Struct

from lvsmarkd.keepalived.conf.blocks import TOP, BlockHandler, process_stream
from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.grammar import KeywordTable
from lvsmarkd.keepalived.conf.logical import Item, LogicalLine
from lvsmarkd.keepalived.conf.open_instance import OpenInstance
from lvsmarkd.keepalived.conf.parent import ParentConfig
from lvsmarkd.keepalived.conf.shared_keywords import BFD_INSTANCE
from lvsmarkd.keepalived.conf.stops import incomplete
from lvsmarkd.keepalived.conf.structure import StructureProblems
from lvsmarkd.keepalived.conf.unknown_words import UnknownWords
from lvsmarkd.keepalived.conf.virtual_address import made_local
from lvsmarkd.keepalived.conf.vrrp_keywords import (
    AUTHENTICATION,
    GROUP,
    OWN_BLOCKS,
    ROUTES,
    STATIC_IPADDRESS,
    SYNC_GROUP,
    TRACK_GROUP,
    UNICAST_PEER,
    VIRTUAL_IPADDRESS,
    VIRTUAL_IPADDRESS_EXCLUDED,
    VRRP,
    VRRP_INSTANCE,
)
from lvsmarkd.keepalived.conf.vrrp_start import start_problems
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.service import Network

_NAMED = frozenset({SYNC_GROUP, TRACK_GROUP})
_NAMED_OR_INSTANCE = _NAMED | {VRRP_INSTANCE}
_BYTES = ("utf-8", "surrogateescape")
_BFD_NAME = 32
"""Bytes of a bfd_instance's name and its NUL (BFD_INAME_MAX)."""
_ADDRESSES = frozenset({UNICAST_PEER, VIRTUAL_IPADDRESS, VIRTUAL_IPADDRESS_EXCLUDED})


class VrrpConfig(Struct, frozen=True):
    """What the VRRP process keeps; ``starts`` tells that it does start with it."""

    instances: tuple[VrrpInstance, ...] = ()
    starts: bool = True
    doubtful: bool = False
    """What keepalived makes of it cannot be known."""
    local: tuple[Network, ...] = ()
    """What else it makes local: ``static_ipaddress``, routes of type local."""


def vrrp_config(
    items: Iterable[Item],
    complaints: Complaints,
    parent: ParentConfig,
    dialect: Dialect,
) -> VrrpConfig:
    """The instances, in the order written, and what keepalived does not start with."""
    vrrp = _Vrrp(complaints, dialect)
    process_stream(items, VRRP, vrrp, dialect)
    vrrp.structure.follows(TOP)
    if not parent.vrrp_starts:
        complaints.problems += [_not_started(instance) for instance in vrrp.instances[:1]]
        return VrrpConfig()
    for instance in vrrp.instances:
        instance.settle(parent.vrrp)
    closed = tuple(instance.settled_as() for instance in vrrp.instances)
    found = [*vrrp.incompletes, *start_problems(vrrp.instances, parent.vrrp)]
    complaints.problems += found
    return VrrpConfig(closed, not any(p.fatal for p in found), vrrp.doubtful, tuple(vrrp.local))


class _Vrrp(BlockHandler):
    # What is wrong with the structure at top level, the checker's view says.

    def __init__(self, complaints: Complaints, dialect: Dialect) -> None:
        self.instances: list[OpenInstance] = []
        self.incompletes: list[Problem] = []
        self._by_name: dict[str, OpenInstance] = {}
        self.doubtful = False
        self.local: list[Network] = []
        self._problems = complaints.problems
        self._dialect = dialect
        self._header: LogicalLine | None = None
        self._names: dict[str, set[str]] = {}
        self._has_group = False
        """Of the sync group that is open: it takes no second one."""
        self._headless = False
        """Its header is invalid, and its block is not skipped."""
        self._open: OpenInstance | None = None
        self.structure = StructureProblems(complaints, UnknownWords(VRRP, dialect))

    def line(self, block: str, line: LogicalLine) -> bool:
        self.structure.follows(block)
        if block == TOP:
            return self._top(line)
        if line.words[0] == GROUP and block in _NAMED:
            return self._has_group
        if block == VRRP_INSTANCE and (instance := self._current(line)) is not None:
            instance.line(line)
        elif block == AUTHENTICATION and (instance := self._current(line)) is not None:
            instance.authentication(line)
        return False

    def value(self, block: str, line: LogicalLine) -> None:
        self.structure.follows(block)
        self._has_group = self._has_group or block == GROUP
        if block == STATIC_IPADDRESS or block in ROUTES:
            self.local += made_local(line.words, is_route=block in ROUTES)
        if block not in _ADDRESSES or (instance := self._current(line)) is None:
            return
        if block == UNICAST_PEER:
            instance.peer(line)
        elif block == VIRTUAL_IPADDRESS:
            instance.vip(line)
        elif block == VIRTUAL_IPADDRESS_EXCLUDED:
            instance.excluded_vip(line)

    def end(self, block: str, closing: LogicalLine | None) -> None:
        self.structure.follows(block)
        if block == VRRP_INSTANCE:
            if not self.instances:
                self._doubt(closing or self._header)
            self._open = None

    def unknown(self, block: str, line: LogicalLine, known: KeywordTable) -> None:
        # A service in here is said by the checker's view, which passes over this block.
        if block in OWN_BLOCKS and line.words[0] not in VRRP:
            self.structure.unknown(block, line, known, ())

    def unexpected_open(self, block: str, line: LogicalLine) -> None:
        if block in OWN_BLOCKS and line.words[0] not in VRRP:
            self.structure.unexpected_open(block, line, ())

    def missing_open(self, block: str, line: LogicalLine) -> None:
        if block in OWN_BLOCKS and (block != VRRP_INSTANCE or self._open is not None):
            self.structure.missing_open(block, line, ())

    def not_skipped(self, block: str, line: LogicalLine) -> None:
        self._headless = block in _NAMED
        if self._headless:
            self._doubt(line)

    def ignores(self, block: str) -> bool:
        headless = self._headless if block in _NAMED else self._open is None
        return not self._dialect.keeps_closed_blocks and block in _NAMED_OR_INSTANCE and headless

    def _top(self, line: LogicalLine) -> bool:
        """Whether the block of a line at top level is skipped: of what has no name of its own
        (vrrp_parser.c, vrrp_sync_group_handler, static_track_group_handler; vrrp_track.c,
        alloc_vrrp_tracked_bfd).
        """
        word, *names = line.words
        if word == VRRP_INSTANCE:
            return not self._opens(line)
        self._has_group = self._headless = False
        if word not in _NAMED and word != BFD_INSTANCE:
            return False
        known = self._names.setdefault(word, set())
        name = names[0] if names else ""
        fits = len(names) == 1 if word in _NAMED else len(name.encode(*_BYTES)) < _BFD_NAME
        if not fits or name in known:
            return True
        known.add(name)
        return False

    def _current(self, line: LogicalLine) -> OpenInstance | None:
        """What a line is about. Where the header is none, and nothing is left out without a '{'
        after it, that is the instance before it, in some versions.
        """
        if self._open is None and self._dialect.keeps_closed_blocks:
            if self.instances:
                self._open = self.instances[-1]
            else:
                self._doubt(line)
        return self._open

    def incomplete(self, block: str, line: LogicalLine) -> None:
        about_none = block in {VRRP_INSTANCE, AUTHENTICATION} and self._open is None
        if self._dialect.keeps_closed_blocks or not about_none:
            self.incompletes.append(incomplete(line, "exits"))

    def _opens(self, line: LogicalLine) -> bool:
        """vrrp_handler (2.2.7: 397-425): whether the line makes an instance."""
        names = line.words[1:]
        self._open = None
        self._header = line
        if len(names) != 1:
            found = "no name" if not names else f"{len(names)} names"
            self._say(line, f"keepalived skips a vrrp_instance that has {found}: give it one name")
            return False
        if (taken := self._by_name.get(names[0])) is not None:
            self._say(
                line,
                f"keepalived skips this vrrp_instance, since {taken.origin} has one of the name "
                f"{names[0]}: give it another",
            )
            return False
        self._open = OpenInstance(names[0], line.origin, self._problems, self._dialect)
        self.instances.append(self._open)
        self._by_name[names[0]] = self._open
        return True

    def _doubt(self, line: LogicalLine | None) -> None:
        """What is taken for the instance before a skipped one is a list's own head."""
        if line is not None and self._dialect.keeps_closed_blocks and not self.doubtful:
            self.doubtful = True
            message = (
                "the block around this line is skipped, and keepalived may crash on it, so that "
                "nothing is balanced: give it a name of its own, and its '{' and '}'"
            )
            self._problems.append(Problem(line.origin, message))

    def _say(self, line: LogicalLine, message: str) -> None:
        self._problems.append(Problem(line.origin, message))


def _not_started(instance: OpenInstance) -> Problem:
    return Problem(
        instance.origin,
        f"keepalived does not start VRRP for vrrp_instance {instance.name}, since the blocks "
        "before it are not closed as their braces count: balance the braces",
    )
