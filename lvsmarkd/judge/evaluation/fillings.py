"""Sets that packets themselves fill: no listing tells what the next packet finds in one."""

from collections import Counter
from collections.abc import Iterator, Mapping

from lvsmarkd.judge.evaluation.fork import Likelihood, likelihood
from lvsmarkd.model.rule_spec import FillSet, Lookup, Opaque, RuleSpec, When
from lvsmarkd.model.ruleset import TableKey

Filled = tuple[TableKey | None, str]
"""A set by its table, None for ipset's, and its name."""


class Fillings:
    """The rules that fill sets, counted: all of them, and those that do it whoever sends; the
    others do it for who sends too much.
    """

    def __init__(self) -> None:
        self._all = Counter[Filled]()
        self._whoever = Counter[Filled]()

    def add(self, table: TableKey, spec: RuleSpec, number: int) -> None:
        """Count a rule; with -1, count it no more."""
        for filled, by_rate in _filled(spec, by_rate=False):
            of = (None if filled.is_ipset else table, filled.name)
            self._all[of] += number
            self._whoever[of] += 0 if by_rate else number

    @property
    def likelihoods(self) -> Mapping[Filled, Likelihood]:
        """What is known of a look into each of the sets."""
        return {
            of: Likelihood.UNKNOWN if self._whoever[of] else Likelihood.RATE
            for of, count in self._all.items()
            if count
        }


def filled_by(lookup: Lookup, table: TableKey) -> Filled:
    """How a set that is looked into is named here."""
    return (None if lookup.directions else table, lookup.name)


def _filled(spec: RuleSpec, *, by_rate: bool) -> Iterator[tuple[FillSet, bool]]:
    for condition in spec.conditions:
        if isinstance(condition, Opaque):
            by_rate = by_rate or likelihood(condition.module) is Likelihood.RATE
    for effect in spec.effects:
        match effect:
            case FillSet():
                yield effect, by_rate
            case When(inner):
                yield from _filled(inner, by_rate=by_rate)
            case _:
                continue
