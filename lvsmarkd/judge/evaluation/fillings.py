"""Sets that packets themselves fill: no listing tells what the next packet finds in one."""

from collections import Counter
from collections.abc import Iterator, Mapping

from msgspec import Struct

from lvsmarkd.judge.evaluation.fork import Likelihood, likelihood
from lvsmarkd.model.rule_spec import FillSet, Lookup, Opaque, RuleSpec, When
from lvsmarkd.model.ruleset import TableKey

Filled = tuple[TableKey | None, str]
"""A set by its table, None for ipset's, and its name."""


class Filling(Struct, frozen=True):
    """What is known of a set that packets fill: of a look into it, and whether its elements limit
    what gets past the rules that fill it (each element keeps the limit that it was made with:
    nft_dynset.c; measured).
    """

    likelihood: Likelihood
    is_limited: bool = False


class Fillings:
    """The rules that fill sets, counted: all of them, and those that do it whoever sends; the
    others do it for who sends too much.
    """

    def __init__(self) -> None:
        self._all = Counter[Filled]()
        self._whoever = Counter[Filled]()
        self._limited = Counter[Filled]()

    def add(self, table: TableKey, spec: RuleSpec, number: int) -> None:
        """Count a rule; with -1, count it no more."""
        for filled, by_rate in _filled(spec, by_rate=False):
            of = (None if filled.is_ipset else table, filled.name)
            self._all[of] += number
            self._whoever[of] += 0 if by_rate else number
            self._limited[of] += number if filled.is_limited else 0

    @property
    def found(self) -> Mapping[Filled, Filling]:
        """What is known of each of the sets."""
        return {
            of: Filling(
                Likelihood.UNKNOWN if self._whoever[of] else Likelihood.RATE,
                bool(self._limited[of]),
            )
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
