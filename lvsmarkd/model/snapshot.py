"""What a firewall was seen to hold."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from lvsmarkd.model.firewall import NO_FIREWALL, FirewallIdentity
from lvsmarkd.model.host import UNKNOWN_HOST, HostView
from lvsmarkd.model.limits import DEFAULT_LIMITS, Limits
from lvsmarkd.model.notice import Notice
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.rule import Accept, ChainKey, Hook, Rule, SetMark
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.rule_spec import MarkTest, SetConnmark, SetsUnknownMark
from lvsmarkd.model.ruleset import Ruleset, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown


class Chain(Struct, frozen=True):
    """Our own part of one chain: the chain, the rules in it, the jump that leads there.

    ``rules`` stand in their order, repeats included; ``unknown_rules`` are the texts of rules in
    our chain that we cannot have written. ``jumps`` counts the plain jumps to it.
    ``packets`` are the counters of ``rules``, in the same order, where the firewall counts.

    ``incomplete`` are rules of ours that are in some of the places where they belong and not in
    all: of two zones in one, in firewalld's list and not in the kernel. They are not in force.
    ``container`` names what holds our rules where that is no chain of their own, but something
    that all chains of the plane share (a policy of firewalld's, zones): it is not made for one
    chain nor removed with it. ``fault`` says what is wrong with it where ``jumps`` is 0.
    """

    exists: bool = False
    jumps: int = 0
    rules: tuple[Rule, ...] = ()
    unknown_rules: tuple[str, ...] = ()
    packets: tuple[int, ...] = ()
    incomplete: tuple[Rule, ...] = ()
    container: str = ""
    fault: str = ""


class Side(StrEnum):
    """Where a foreign rule stands, as a packet meets it: before our jump or after it."""

    BEFORE = "before"
    AFTER = "after"


class LeavesTable(Struct, frozen=True):
    """It ends the way through the table, so that rules after it are not met."""


class Drop(Struct, frozen=True):
    """It drops or rejects the packet."""


ForeignEffect = SetMark | SetConnmark | SetsUnknownMark | LeavesTable | Drop | Accept


class ForeignRule(Struct, frozen=True):
    """A rule of somebody else's that marks packets, refuses them or takes them away.

    ``path`` holds the packets that it is about, and those of the jumps that lead to it.
    ``narrowed`` says that it takes less than ``path`` says: further conditions, not understood or
    about the sender, narrow it.
    ``later`` says that it stands in a later hook than our jump, so that no move of ours passes it.
    ``where`` names the table and chain, ``text`` is the rule as the firewall lists it.
    ``fleeting`` says that its firewall has a permanent plane, where it should be too.
    ``table``, ``chain`` and ``line`` are where it stands, of a rule that was read from the kernel.
    """

    chain_key: ChainKey
    side: Side
    effect: ForeignEffect
    path: tuple[Packets, ...]
    where: str
    text: str
    narrowed: bool = False
    guards: tuple[MarkTest, ...] = ()
    later: bool = False
    fleeting: bool = False
    table: TableKey | None = None
    chain: str = ""
    line: int = 0

    @property
    def ref(self) -> RuleRef:
        """Its name."""
        if self.table is None:
            return RuleRef("", self.where, self.text)
        return self.table.rule(self.chain, self.line, self.text)

    def may_match(self, flow: Packets, mark: int | None) -> bool:
        """Whether a packet of ``flow`` that bears ``mark`` may meet it; None: any mark."""
        if mark is not None and not all(guard.admits(mark) for guard in self.guards):
            return False
        return all(match.overlaps(flow) for match in self.path)

    def matches_all_of(self, flow: Packets, mark: int | None = None) -> bool:
        """Whether it takes every packet of ``flow``, all of which bear ``mark``; None: any."""
        if self.narrowed or (self.guards and mark is None):
            return False
        if mark is not None and not all(guard.admits(mark) for guard in self.guards):
            return False
        return all(match.covers(flow) for match in self.path)

    def takes_all_of(self, other: "ForeignRule") -> bool:
        """Whether it takes every packet that another rule takes, by what is known of both."""
        return (
            not self.narrowed
            and not self.guards
            and all(
                any(match.covers(narrow) for narrow in (*other.path, EVERY_PACKET))
                for match in self.path
            )
        )


class OwnPlace(Struct, frozen=True):
    """Where our rules of one chain key are in the kernel's ruleset: a chain of a table, to which a
    jump leads from a base chain.
    """

    table: TableKey
    chain: str
    base_chain: str
    hook: Hook
    priority: int


class PreviousRules(Struct, frozen=True):
    """What a firewall still holds of ours from the time when it kept our rules: packets meet it as
    well. It is cleaned up by the means of that firewall.
    """

    chains: Mapping[ChainKey, Chain]
    """By keys that name the program."""
    ended: bool = False
    """It has ended, and will look for its rules there if it was only out of reach: those that are
    wanted stay."""


class Snapshot(Struct, frozen=True):
    """One reading of the firewall: all that was seen at one moment."""

    chains: Mapping[ChainKey, Chain | Unknown]
    """Our own rules. A chain that is not in it is not looked at."""
    foreign: tuple[ForeignRule, ...] = ()
    """The rules of others that bear on packets of ours, in the order in which these meet them."""
    dropping_families: frozenset[Family] = frozenset()
    """The families whose INPUT drops what no rule accepts."""
    notices: tuple[Notice, ...] = ()
    """What the firewall was seen to be like, besides its rules."""
    names: frozenset[str] = frozenset()
    """Of all chains that were seen: they tell which other programs keep rules here."""
    unreached_reason: str = ""
    """Why nothing that this firewall holds of ours is met by packets, where that is known."""
    firewall: FirewallIdentity = NO_FIREWALL
    """Which one keeps the rules."""
    limits: Limits = DEFAULT_LIMITS
    """What its rules can say."""
    previous: tuple[PreviousRules, ...] = ()
    """Our own rules that other firewalls still hold."""
    ruleset: Ruleset = field(default_factory=Ruleset)
    """All that was read from the kernel, of every kind of firewall."""
    host: HostView = UNKNOWN_HOST
    """What else decides on the way of packets."""
    is_complete: bool = False
    """Whether ``ruleset`` has all that packets meet on their way to IPVS, as far as it could be
    read (``backends/surroundings.py``)."""
    places: Mapping[ChainKey, OwnPlace] = field(default_factory=dict)
    """Where our rules are, or will be, in the ruleset, as far as that is known."""

    @property
    def held(self) -> Mapping[ChainKey, Chain | Unknown]:
        """All chains that hold, or may hold, rules of ours: those of other firewalls too."""
        if not self.previous:
            return self.chains
        return dict(self.chains) | {k: c for each in self.previous for k, c in each.chains.items()}

    @property
    def whole(self) -> bool:
        """Whether all that is looked at could be read, and there is something to look at."""
        return bool(self.chains) and not any(isinstance(c, Unknown) for c in self.chains.values())
