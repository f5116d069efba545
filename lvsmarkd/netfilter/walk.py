"""The way of a packet through a hook: the rules that it may meet, in the order of the hooks.

The order is that of `base_chains`. Jumps are followed; each rule keeps what leads to it.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.evaluation.hook_path import HookedChain, base_chains
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule import Hook, SetMark
from lvsmarkd.model.rule_spec import (
    Condition,
    Effect,
    Jump,
    MarkTest,
    RuleSpec,
    StateTest,
    Verdict,
    VerdictMap,
    When,
)
from lvsmarkd.model.ruleset import (
    Ruleset,
    TableChain,
    TableKey,
    TableRule,
)
from lvsmarkd.model.service import Family

DEPTH = 256
"""Jumps deeper than this are not followed; nf_tables allows 16, legacy has no such limit."""
LENGTH = 50_000
"""Rules of one base chain met after this many are left out: a tree of jumps can grow without
bound."""
_STALE = frozenset({"ESTABLISHED", "RELATED"})
_LOOPBACK = InInterface.of("lo")


class OwnChain(Struct, frozen=True):
    """The chain of our own rules, to which a plain jump leads from a base chain of its tables;
    what else jumps there is somebody's on some condition. ``priority`` is that base chain's.
    ``marks`` says that our rules mark: then what is met at INPUT comes after them all.
    """

    name: str
    tables: frozenset[TableKey]
    priority: int
    marks: bool = True

    @property
    def jump(self) -> RuleSpec:
        """The jump that we write: every packet, to our chain, no more."""
        return RuleSpec(effects=(Jump(self.name),))


class MatchContext(Struct, frozen=True):
    """What led to a chain, or to a rule with its own conditions. Nothing changes it.

    ``path`` are the packets that each step is about, ``conditions`` what else must hold.
    ``is_unsure`` says that some packets for which all of it holds may not come by: a rule before
    sent them away.
    """

    path: tuple[Packets, ...] = ()
    conditions: tuple[Condition, ...] = ()
    is_unsure: bool = False
    family: Family | None = None
    depth: int = 0

    def through(self, spec: RuleSpec, *, unsure: bool) -> "MatchContext":
        """The way past the conditions of a rule."""
        return MatchContext(
            self.path if spec.packets is EVERY_PACKET else (*self.path, spec.packets),
            (*self.conditions, *spec.conditions) if spec.conditions else self.conditions,
            unsure,
            spec.family or self.family,
            self.depth + 1,
        )

    @property
    def mark_tests(self) -> tuple[MarkTest, ...]:
        """The conditions on the packet's mark."""
        if not self.conditions:
            return ()
        return tuple(c for c in self.conditions if isinstance(c, MarkTest))

    @property
    def is_narrowed(self) -> bool:
        """Whether more narrows it than its path and its tests of the mark."""
        return self.is_unsure or (bool(self.conditions) and any(map(_narrows, self.conditions)))


class ReachableRule(Struct, frozen=True):
    """A rule that packets may meet. Nothing changes it.

    ``is_after`` says that our own rules come before it. ``past_verdict`` says that some rule
    before it, in the same base chain, may have ended the way of some packets. ``after_goto`` says
    that it was met before, led to another chain by a goto, and that packets are at the end of it.
    """

    hooked: HookedChain
    chain: TableChain
    rule: TableRule
    spec: RuleSpec
    way: MatchContext
    is_after: bool
    past_verdict: bool
    after_goto: bool = False

    @property
    def at_base(self) -> bool:
        """Whether it stands in the base chain itself."""
        return self.chain is self.hooked.chain

    @property
    def is_later(self) -> bool:
        """Whether it stands at a later hook than PREROUTING."""
        return self.hooked.base.hook is Hook.INPUT


def _narrows(condition: Condition) -> bool:
    match condition:
        case MarkTest():
            return False
        case StateTest(states, negated):
            return negated or "NEW" not in states
        case _:
            return True


def is_for_held_connections(spec: RuleSpec, *, related: bool) -> bool:
    """Whether it is only for packets of connections that are known already: the first packet of
    each counts here. ``related`` says that one that another connection announced is a first one.
    """
    return any(
        isinstance(c, StateTest)
        and not c.negated
        and c.states <= _STALE
        and not (related and "RELATED" in c.states)
        for c in spec.conditions
    )


class Walk:
    """A walk through one base chain."""

    def __init__(
        self,
        hooked: HookedChain,
        own: OwnChain,
    ) -> None:
        self.hooked = hooked
        self.own = own
        self.is_complete = True
        self._past_verdict = False
        self._met: int = 0
        base = self.hooked.base
        self._is_own_table = self.hooked.table.key in self.own.tables
        later = base.hook is Hook.INPUT and self.own.marks
        own_priority = self.own.priority
        # At our own priority the order is not known: the worse is assumed.
        after = base.priority >= own_priority and not self._is_own_table
        self._behind = later or after

    def meetings(self) -> Iterator[ReachableRule]:
        """All rules, in order; ``is_complete`` tells afterwards whether none was left out."""
        yield from self._chain(self.hooked.chain, MatchContext())

    def _chain(self, chain: TableChain, way: MatchContext) -> Iterator[ReachableRule]:
        unsure = way.is_unsure
        for rule in chain.rules:
            self._met += 1
            if self._met > LENGTH:
                self.is_complete = False
                return
            spec = rule.spec
            if self._passed_over(spec):
                continue
            if self._is_own_table and self._leads_to_own(chain, spec):
                continue
            here = way.through(spec, unsure=unsure)
            yield self._meeting(chain, rule, spec, here)
            if any(map(_leads_on, spec.effects)):
                yield from self._follow(chain, rule, spec, here)
            unsure = unsure or self._sends_away(chain, spec)

    def _meeting(
        self,
        chain: TableChain,
        rule: TableRule,
        spec: RuleSpec,
        way: MatchContext,
        *,
        after_goto: bool = False,
    ) -> ReachableRule:
        return ReachableRule(
            self.hooked, chain, rule, spec, way, self._behind, self._past_verdict, after_goto
        )

    def _follow(
        self, chain: TableChain, rule: TableRule, spec: RuleSpec, here: MatchContext
    ) -> Iterator[ReachableRule]:
        for effect in spec.effects:
            match effect:
                case Jump(name):
                    yield from self._enter(name, here)
                    if effect.goto:
                        yield self._meeting(chain, rule, spec, here, after_goto=True)
                        self._past_verdict = True
                case When(inner):
                    within = here.through(inner, unsure=here.is_unsure)
                    yield self._meeting(chain, rule, inner, within)
                    yield from self._follow(chain, rule, inner, within)
                case VerdictMap(lookup):
                    some = replace(here, is_unsure=True)
                    for element in lookup.elements or ():
                        if isinstance(element.data, Jump):
                            yield from self._enter(element.data.chain, some)
                    self._past_verdict = True
                case _:
                    continue

    def _enter(self, name: str, way: MatchContext) -> Iterator[ReachableRule]:
        chain = self.hooked.table.chains.get(name)
        if chain is None:
            return
        if way.depth >= DEPTH:
            self.is_complete = False
            return
        yield from self._chain(chain, way)

    def _passed_over(self, spec: RuleSpec) -> bool:
        """Whether a rule cannot matter: to set a mark, the first packet of each connection
        counts, that of a related one too. What comes by the loopback is no client's.
        """
        if spec.packets.qualifiers and spec.packets.qualifier(InInterface) == _LOOPBACK:
            return True
        return bool(spec.conditions) and is_for_held_connections(spec, related=self.own.marks)

    def _leads_to_own(self, chain: TableChain, spec: RuleSpec) -> bool:
        """Whether it leads to our own rules, which are not foreign; our jump all packets."""
        leads = False
        for effect in spec.effects:
            leads = leads or (isinstance(effect, Jump) and effect.chain == self.own.name)
        if leads and chain is self.hooked.chain and spec == self.own.jump:
            self._behind = True
        return leads

    def _sends_away(self, chain: TableChain, spec: RuleSpec) -> bool:
        """Whether what follows in this chain is met by some packets only, without a verdict that
        is told of the rule itself.
        """
        for effect in spec.effects:
            if isinstance(effect, SetMark):
                continue
            match effect:
                case Verdict():
                    self._past_verdict = True
                    if effect is Verdict.RETURN and chain is not self.hooked.chain:
                        return True
                case Jump(_, True) | VerdictMap():
                    return True
                case When(inner) if self._sends_away(chain, inner):
                    return True
                case _:
                    continue
        return False


def _leads_on(effect: Effect) -> bool:
    return isinstance(effect, Jump | When | VerdictMap)


Chosen = Callable[[HookedChain], bool]


def walk(
    ruleset: Ruleset,
    family: Family,
    hooks: tuple[Hook, ...],
    own: OwnChain,
    chosen: Chosen = lambda _hooked: True,
) -> Iterator[ReachableRule]:
    """The rules that a packet of a family may meet, hook by hook, base chain by base chain (those
    that are ``chosen``).
    """
    for hook in hooks:
        for hooked in base_chains(ruleset, family, hook):
            if chosen(hooked):
                for meeting in Walk(hooked, own).meetings():
                    if meeting.way.family in {None, family}:
                        yield meeting
