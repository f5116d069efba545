"""What becomes of packets: now, once our rules are in force, once the firewall has begun anew."""

from functools import cached_property

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.foreseen import foreseen
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.model.rule import Plane
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
