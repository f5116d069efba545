"""What the last pass left in force, and since when a rule serves nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.plan import AddRule, EnsureJump, RemoveChain, RemoveRule, ReplaceChain, Step
from lvsmarkd.model.report import Cause
from lvsmarkd.model.rule import ChainKey, Rule
from lvsmarkd.model.snapshot import Chain, Snapshot


@dataclass(slots=True)
class AppliedState:
    """Kept from pass to pass.

    Rules of a service that left the configuration linger: an editor may just be writing the
    file, and keepalived balances the service until it is reloaded.
    """

    _in_force: frozenset[tuple[ChainKey, Rule]] = frozenset()
    _blank: bool = True
    _jumped: set[ChainKey] = field(default_factory=set)
    _unwanted_since: dict[Rule, float] = field(default_factory=dict)

    def notice(self, wanted: Desired, seen: Snapshot, now: float) -> None:
        """Start the clock for rules that serve nothing now; forget it for all others."""
        there = {rule for _, rule in rules_of(seen)}
        for chain in seen.held.values():
            if isinstance(chain, Chain):
                there.update(chain.partial)
        unwanted = there - wanted.rules
        self._unwanted_since = {rule: self._unwanted_since.get(rule, now) for rule in unwanted}

    def lingers(self, rule: Rule, now: float, linger: float) -> bool:
        """Whether the time of a rule that serves nothing has not come yet."""
        return now < self._unwanted_since.get(rule, now) + linger

    def next_due(self, now: float, linger: float) -> float | None:
        """When the time of the first lingering rule comes."""
        dues = (since + linger for since in self._unwanted_since.values())
        return min((due for due in dues if due > now), default=None)

    def remember(self, wanted: Desired, seen: Snapshot) -> None:
        """Keep what is in force at the end of a pass.

        What was in force, is still wanted and is not there now was undone by somebody: it
        stays drift, also if it may be mended only later (a pause, a fight).
        """
        undone = {(chain_key, rule) for chain_key, rule in self._in_force if rule in wanted.rules}
        self._in_force = frozenset(rules_of(seen)) | undone
        self._blank = False
        spots = {(rule.family, rule.hook) for rule in wanted.rules}
        jumped = {
            chain_key for chain_key in self._jumped if (chain_key.family, chain_key.hook) in spots
        }
        self._jumped = jumped | {
            chain_key
            for chain_key, chain in seen.held.items()
            # What holds many chains' rules is known to be ours only by a rule of ours.
            if isinstance(chain, Chain) and chain.jumps and (chain.rules or not chain.container)
        }

    def knows(self, chain_key: ChainKey) -> bool:
        """Whether rules of ours were in force there."""
        return chain_key in self._jumped or any(known == chain_key for known, _ in self._in_force)

    def forget_jumps(self) -> None:
        """The jumps belong elsewhere from now on: those that are there were displaced by nobody."""
        self._jumped = set()

    def cause(self, step: Step, wanted: Desired) -> Cause:
        """Why a step is needed: somebody undid what was in force, or the configuration asks.

        Where nothing is known from before, nobody is blamed.
        """
        if self._blank:
            return Cause.CONFIG
        match step:
            case AddRule(chain_key, rule):
                undone = (chain_key, rule) in self._in_force
            case RemoveRule(chain_key, rule):
                undone = (chain_key, rule) not in self._in_force or rule in wanted.rules
            case ReplaceChain(chain_key, _) | EnsureJump(chain_key, _):
                undone = chain_key in self._jumped
            case RemoveChain():
                undone = False
        return Cause.DRIFT if undone else Cause.CONFIG


def rules_of(seen: Snapshot) -> Iterator[tuple[ChainKey, Rule]]:
    """The rules of ours that are there, with their chains."""
    for chain_key, chain in seen.held.items():
        if isinstance(chain, Chain):
            for rule in chain.rules:
                yield chain_key, rule
