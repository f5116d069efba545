"""What becomes of packets: now, once our rules are in force, once the firewall has begun anew."""

from functools import cached_property

from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.foreseen import foreseen
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.model.guard import GUARD_KEY
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.ruleset import Ruleset
from lvsmarkd.model.snapshot import Snapshot


class Prospects:
    """The outlooks of one judgement, each made when it is asked for. ``outlooks`` remembers what
    was made before.
    """

    def __init__(self, desired: Desired, seen: Snapshot, outlooks: Outlooks) -> None:
        self.desired = desired
        self.seen = seen
        self._outlooks = outlooks

    @cached_property
    def now(self) -> Outlook:
        """By the rules as they are."""
        return self._outlooks.of(self.desired, self.seen.ruleset, self.seen.host)

    @cached_property
    def ahead(self) -> Outlook:
        """With all rules of ours in force."""
        ruleset = foreseen(self.desired, self.seen, self.seen.ruleset)
        return self._outlooks.of(self.desired, _without_guard(ruleset), self.seen.host)

    @cached_property
    def bare(self) -> Outlook:
        """By the rules as they are, without the guard: what it covers up for a while is to be told
        all the same.
        """
        if not any(each.guarded for each in self.now.services.values()):
            return self.now
        ruleset = _without_guard(self.seen.ruleset)
        return self._outlooks.of(self.desired, ruleset, self.seen.host)

    @cached_property
    def lasting(self) -> Outlook | None:
        """By the permanent configuration, with all rules of ours in it; None where the firewall has
        none, or that could not be read.
        """
        if self.seen.lasting is None:
            return None
        ruleset = foreseen(self.desired, self.seen, self.seen.lasting, Plane.PERMANENT)
        return self._outlooks.of(self.desired, ruleset, self.seen.host)


def _without_guard(rules: Ruleset) -> Ruleset:
    if GUARD_KEY not in rules.tables:
        return rules
    tables = {key: table for key, table in rules.tables.items() if key != GUARD_KEY}
    return replace(rules, tables=tables)
