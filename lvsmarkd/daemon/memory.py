"""What the last pass left in force, and since when a rule serves nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.observed import Chain, Observed
from lvsmarkd.model.plan import AddRule, Anchor, Dissolve, RemoveRule, Rewrite, Step
from lvsmarkd.model.report import Cause
from lvsmarkd.model.rule import Rule, Spot


@dataclass(slots=True)
class Memory:
    """Kept from pass to pass.

    Rules of a service that left the configuration linger: an editor may just be writing the
    file, and keepalived balances the service until it is reloaded.
    """

    _in_force: frozenset[tuple[Spot, Rule]] = frozenset()
    _blank: bool = True
    _anchored: set[Spot] = field(default_factory=set)
    _unwanted_since: dict[Rule, float] = field(default_factory=dict)

    def notice(self, wanted: Desired, seen: Observed, now: float) -> None:
        """Start the clock for rules that serve nothing now; forget it for all others."""
        there = {rule for _, rule in rules_of(seen)}
        for chain in seen.chains.values():
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

    def remember(self, wanted: Desired, seen: Observed) -> None:
        """Keep what is in force at the end of a pass.

        What was in force, is still wanted and is not there now was undone by somebody: it
        stays drift, also if it may be mended only later (a pause, a fight).
        """
        undone = {(spot, rule) for spot, rule in self._in_force if rule in wanted.rules}
        self._in_force = frozenset(rules_of(seen)) | undone
        self._blank = False
        spots = {(rule.family, rule.place) for rule in wanted.rules}
        anchored = {spot for spot in self._anchored if (spot.family, spot.place) in spots}
        self._anchored = anchored | {
            spot
            for spot, chain in seen.chains.items()
            # What holds many spots' rules is known to be ours only by a rule of ours.
            if isinstance(chain, Chain) and chain.anchors and (chain.rules or not chain.holder)
        }

    def knows(self, spot: Spot) -> bool:
        """Whether rules of ours were in force there."""
        return spot in self._anchored or any(known == spot for known, _ in self._in_force)

    def forget_anchors(self) -> None:
        """The jumps belong elsewhere from now on: those that are there were displaced by nobody."""
        self._anchored = set()

    def cause(self, step: Step, wanted: Desired) -> Cause:
        """Why a step is needed: somebody undid what was in force, or the configuration asks.

        Where nothing is known from before, nobody is blamed.
        """
        if self._blank:
            return Cause.CONFIG
        match step:
            case AddRule(spot, rule):
                undone = (spot, rule) in self._in_force
            case RemoveRule(spot, rule):
                undone = (spot, rule) not in self._in_force or rule in wanted.rules
            case Rewrite(spot, _) | Anchor(spot, _):
                undone = spot in self._anchored
            case Dissolve():
                undone = False
        return Cause.DRIFT if undone else Cause.CONFIG


def rules_of(seen: Observed) -> Iterator[tuple[Spot, Rule]]:
    """The rules of ours that are there, with their spots."""
    for spot, chain in seen.chains.items():
        if isinstance(chain, Chain):
            for rule in chain.rules:
                yield spot, rule
