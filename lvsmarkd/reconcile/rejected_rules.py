"""Rules that the kernel refused: named, left out, tried again after growing delays."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lvsmarkd.model.backoff import Backoff
from lvsmarkd.model.plan import AddRule, ReplaceChain, Step
from lvsmarkd.model.rule import Rule

REJECTED_DELAYS = (5.0, 15.0, 60.0, 300.0)
"""Seconds after which a refused rule is tried again; the last one repeats."""


@dataclass(slots=True)
class _Case:
    reason: str
    backoff: Backoff = field(default_factory=lambda: Backoff(REJECTED_DELAYS))


@dataclass(slots=True)
class RejectedRules:
    """The rules refused at their last try, with the reason. Times are monotonic."""

    _cases: dict[Rule, _Case] = field(default_factory=dict)

    def record(
        self,
        steps: Iterable[Step],
        rejected: Iterable[tuple[Rule, str]],
        now: float,
        *,
        whole: bool = True,
    ) -> None:
        """Take in what was refused of these steps; release what was tried and taken, which is
        known only where the ``whole`` of them was carried out.
        """
        reasons = dict(rejected)
        tried = {rule for step in steps for rule in _tried(step)} if whole else set()
        for rule in tried - reasons.keys():
            self._cases.pop(rule, None)
        for rule, reason in reasons.items():
            case = self._cases.setdefault(rule, _Case(reason))
            case.reason = reason
            case.backoff = case.backoff.failed(now)

    def reset_backoff(self) -> None:
        """Let every rule be tried now: a person asks for it."""
        for case in self._cases.values():
            case.backoff = case.backoff.at_once()

    def keep(self, wanted: frozenset[Rule]) -> None:
        """Forget rules that nobody wants any more."""
        self._cases = {rule: case for rule, case in self._cases.items() if rule in wanted}

    def seen(self, there: Iterable[Rule]) -> None:
        """These are in force, by whatever means: nothing is wrong with them now."""
        for rule in set(there) & self._cases.keys():
            del self._cases[rule]

    def without_refused(self, step: Step, now: float) -> Step | None:
        """The step without the rules that are not to be tried yet; None if nothing is left."""
        match step:
            case AddRule(_, rule):
                return step if self._due(rule, now) else None
            case ReplaceChain(_, rules):
                return replace(step, rules=tuple(r for r in rules if self._due(r, now)))
            case _:
                return step

    def _due(self, rule: Rule, now: float) -> bool:
        case = self._cases.get(rule)
        return case is None or case.backoff.due(now)

    def next_due(self, now: float) -> float | None:
        """When the first of them is tried again."""
        return min(
            (c.backoff.until for c in self._cases.values() if not c.backoff.due(now)), default=None
        )

    def refused(self) -> tuple[tuple[Rule, str], ...]:
        """The rules refused, with the reasons."""
        return tuple((rule, case.reason) for rule, case in self._cases.items())


def _tried(step: Step) -> tuple[Rule, ...]:
    match step:
        case AddRule(_, rule):
            return (rule,)
        case ReplaceChain(_, rules):
            return rules
        case _:
            return ()
