"""What a firewall was seen to be like, besides its rules: facts, which the judge makes words of."""

from enum import Enum, auto

from msgspec import Struct

from lvsmarkd.model.rule import Plane, Rule
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.service import Family


class NoticeKind(Enum):
    """What was seen. Each says which values of a Notice tell more."""

    DOWN = auto()
    """The firewall is not there, and nothing that it had in the kernel either. ``reason``."""
    FAILED = auto()
    """firewalld could not load its configuration. ``reason``; ``names`` are files of it that are
    broken, each with what is wrong, as far as could be seen."""
    PANIC = auto()
    """firewalld drops every packet, since somebody asked for it. ``reason``."""
    KERNEL_UNSEEN = auto()
    """Whether the kernel has what firewalld lists could not be seen. ``reason``."""
    OTHERS_TABLE_UNSEEN = auto()
    """A native table of nf_tables could not be read: ``names`` are its family and name. What it
    does to packets is not known. ``reason``."""
    DROPPING = auto()
    """A reload that failed left firewalld dropping every new connection."""
    FLUSHED = auto()
    """firewalld's tables are not in the kernel."""
    LISTED_ONLY = auto()
    """firewalld lists rules of ours, ``own``, that the kernel does not have, and is not reloaded:
    ``reason``."""
    INTERIM = auto()
    """What holds our rules for now, ``names[0]``, and what is to hold them after a reload,
    ``names[1]``; ``reason`` is why there is none. ``count``: how many are there."""
    NO_ZONE = auto()
    """Zones that are to hold our rules in a ``plane`` and are not there. ``names``."""
    NOT_ENTERED = auto()
    """No packet enters by the zones that hold our rules. ``names``."""
    OTHER_ENTRANCE = auto()
    """Packets enter by a zone that does not hold our rules: ``names[0]``, by the interfaces and
    sources that follow it."""
    MASKED = auto()
    """A rich rule that sets a mark with a mask. ``plane``, ``rule``."""
    NOT_AT_BOOT = auto()
    """firewalld runs, and is not started at boot: ``reason`` is the state of its unit."""
    OTHER_VARIANT = auto()
    """Rules, ``count`` of them, in a table of the other variant of iptables. ``names``: variant
    and table. ``family``."""
    TABLE_UNREAD = auto()
    """firewalld's table, which is met after iptables, could not be read: ``reason``."""
    GUARD_SAVED = auto()
    """A file that nft loads holds the guard's table: ``names`` are the file and the line."""
    FIREWALLD_BESIDE = auto()
    """firewalld runs, and iptables keeps our rules."""


class Notice(Struct, frozen=True):
    """One fact. Which values it has, its kind says."""

    kind: NoticeKind
    reason: str = ""
    names: tuple[str, ...] = ()
    count: int = 0
    plane: Plane = Plane.RUNTIME
    family: Family | None = None
    rule: RuleRef | None = None
    own: tuple[Rule, ...] = ()
