"""Outlooks, and those that were made before: only what a change may bear on is followed anew."""

from collections.abc import Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.evaluation.chain_walk import Budget
from lvsmarkd.judge.evaluation.changes import Changes, changes
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.judge.survey import Survey
from lvsmarkd.model.host import HostView
from lvsmarkd.model.ruleset import Ruleset
from lvsmarkd.model.service import Family

MOST_STEPS = 500_000
"""Rules that all packets of a look are taken to: some seconds, where each leaves two ways
open (measured). What is left then is not known, and said to be.
"""
_KEPT = 3
"""What is there now, what will be once a plan is carried out, and what after a reload."""
_FEW = 256
"""So many rules more and less are taken in; where there are more, all is followed anew."""
_MOST_CHANGES = 256
"""After so many changes all is made anew: what was left of rules that are gone goes, too."""


def outlook(desired: Desired, ruleset: Ruleset, host: HostView) -> Outlook:
    """What becomes of the packets of all services by a ruleset, which is whole."""
    return _Look.made(desired, ruleset, host).outlook


class _Look(Struct):
    """An outlook, what it was made of, and what it is changed by."""

    desired: Desired
    ruleset: Ruleset
    host: HostView
    surveys: Mapping[Family, Survey]
    is_whole: bool
    """Nothing was left out because it would take too long."""
    outlook: Outlook
    changed: int = 0

    @classmethod
    def made(cls, desired: Desired, ruleset: Ruleset, host: HostView) -> "_Look":
        """All of it followed."""
        budget = Budget(MOST_STEPS)
        surveys = {
            family: Survey(family, desired, ruleset, host, budget) for family in _families(desired)
        }
        is_whole = not budget.is_spent
        return cls(desired, ruleset, host, surveys, is_whole, _outlook(surveys))

    def change(self, desired: Desired, ruleset: Ruleset, different: Changes) -> "_Look | None":
        """The same after a change; None where all is to be followed anew. This one is spent."""
        budget = Budget(MOST_STEPS)
        for survey in self.surveys.values():
            if not survey.change(desired, ruleset, different, budget):
                return None
        if budget.is_spent:
            return None
        found = _outlook(self.surveys)
        return replace(
            self, desired=desired, ruleset=ruleset, outlook=found, changed=self.changed + 1
        )


class Outlooks(Struct):
    """Makes outlooks, and remembers the last ones. For one thread at a time."""

    _looks: list[_Look] = field(default_factory=list)
    """The one asked for last stands last."""

    def of(self, desired: Desired, ruleset: Ruleset, host: HostView) -> Outlook:
        """What becomes of all services' packets; the ruleset is whole."""
        near = list(self._near(ruleset, host))
        look: _Look | None = None
        for known, different in near:
            if not different and _same_wish(known.desired, desired):
                self._looks.remove(known)
                look = known
                break
        else:
            able = [each for each in near if _is_able(*each, desired)]
            if able:
                known, different = min(able, key=lambda each: each[1].size)
                self._looks.remove(known)
                look = known.change(desired, ruleset, different)
        if look is None:
            look = _Look.made(desired, ruleset, host)
        self._looks = [*self._looks[1 - _KEPT :], look]
        return look.outlook

    def _near(self, ruleset: Ruleset, host: HostView) -> Iterator[tuple[_Look, Changes]]:
        for look in self._looks:
            if look.host == host and (different := changes(look.ruleset, ruleset)) is not None:
                yield look, different


def _is_able(look: _Look, different: Changes, desired: Desired) -> bool:
    """Whether a look may be changed into another one for less than that one costs."""
    return (
        look.is_whole
        and look.changed < _MOST_CHANGES
        and different.size <= _FEW
        and _families(desired) == tuple(look.surveys)
    )


def _families(desired: Desired) -> tuple[Family, ...]:
    there = {key.family for key in desired.services}
    return tuple(family for family in Family if family in there)


def _outlook(surveys: Mapping[Family, Survey]) -> Outlook:
    services = {key: each for survey in surveys.values() for key, each in survey.services.items()}
    unread = {family: survey.unread for family, survey in surveys.items()}
    entries = {family: survey.entries for family, survey in surveys.items()}
    return Outlook(services, unread, entries)


def _same_wish(one: Desired, other: Desired) -> bool:
    return one is other or (
        one.services.keys() == other.services.keys()
        and one.flows == other.flows
        and one.instances == other.instances
    )
