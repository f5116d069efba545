"""What a firewall was seen to hold."""

from collections.abc import Mapping

from msgspec import Struct, field

from lvsmarkd.model.firewall import NO_FIREWALL, FirewallIdentity
from lvsmarkd.model.guard import GUARD_IN_RULES
from lvsmarkd.model.host import UNKNOWN_HOST, HostView
from lvsmarkd.model.limits import DEFAULT_LIMITS, Limits
from lvsmarkd.model.notice import Notice
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule
from lvsmarkd.model.rule_ref import RuleRef
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


class OwnPlace(Struct, frozen=True):
    """Where our rules of one chain key are in a ruleset: a chain of a table, to which a jump of
    ours leads from a base chain. ``base_chain`` is empty where what leads there is not ours to
    move.
    """

    table: TableKey
    chain: str
    base_chain: str
    hook: Hook
    priority: int

    @property
    def _chain(self) -> RuleRef:
        return self.table.rule(self.chain, 0, "")

    @property
    def _base(self) -> RuleRef:
        return self.table.rule(self.base_chain, 0, "")

    def holds(self, rule: RuleRef) -> bool:
        """Whether a rule stands in our chain."""
        return rule.is_beside(self._chain)

    def leads_from(self, rule: RuleRef) -> bool:
        """Whether a rule stands in the base chain with our jump."""
        return bool(self.base_chain) and rule.is_beside(self._base)


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
    notices: tuple[Notice, ...] = ()
    """What the firewall was seen to be like, besides its rules."""
    names: frozenset[str] = frozenset()
    """Of all chains that were seen: they tell which other programs keep rules here."""
    firewall: FirewallIdentity = NO_FIREWALL
    """Which one keeps the rules."""
    limits: Limits = DEFAULT_LIMITS
    """What its rules can say."""
    previous: tuple[PreviousRules, ...] = ()
    """Our own rules that other firewalls still hold."""
    ruleset: Ruleset = field(default_factory=Ruleset)
    """All that packets meet on their way to IPVS, of every kind of firewall, as far as it could be
    read (``backends/surroundings.py``)."""
    listed: Ruleset = field(default_factory=Ruleset)
    """What the firewall itself lists of it, in its own words: they name a rule to people."""
    lasting: Ruleset | None = None
    """What packets will meet once the firewall has begun anew with its permanent configuration;
    None where it has none, or that could not be read."""
    host: HostView = UNKNOWN_HOST
    """What else decides on the way of packets."""
    places: Mapping[ChainKey, OwnPlace] = field(default_factory=dict)
    """Where our rules are, or will be, in the ruleset, as far as that is known; those of the
    permanent plane in what is ``lasting``."""

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

    def unread(self, family: Family, plane: Plane = Plane.RUNTIME) -> Unknown | None:
        """Why our rules that mark a family's packets could not be read."""
        chain = self.chains.get(ChainKey(plane, family, Hook.PREROUTING))
        return chain if isinstance(chain, Unknown) else None

    def is_own(self, rule: RuleRef) -> bool:
        """Whether a rule stands in a chain of ours, or is the guard's."""
        if rule.table == GUARD_IN_RULES:
            return True
        return any(place.holds(rule) for place in self.places.values())
