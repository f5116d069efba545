"""What every backend can do."""

from typing import Protocol

from msgspec import Struct

from lvsmarkd.model.firewall import NO_FIREWALL, FirewallIdentity
from lvsmarkd.model.limits import DEFAULT_LIMITS, Limits
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import Rule
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.netfilter.errors import FirewallError


class Applied(Struct, frozen=True):
    """What became of a plan."""

    rejected: tuple[tuple[Rule, str], ...] = ()
    """The rules that were refused, each with the reason: the others are in force."""
    error: FirewallError | None = None
    """Why some or all of it could not be carried out. What concerns one family does not hinder
    the other: rules of that one may be in force, or rejected, all the same."""


def down(
    sentence: str, firewall: FirewallIdentity = NO_FIREWALL, limits: Limits = DEFAULT_LIMITS
) -> Snapshot:
    """What is seen where a firewall should keep the rules, and neither it nor its rules are there:
    nothing of ours is in force, and that is known. No write, and an alarm.
    """
    notice = Notice(NoticeKind.DOWN, sentence)
    return Snapshot({}, (notice,), firewall=firewall, limits=limits)


class Backend(Protocol):
    """One kind of firewall. All calls block and are bounded in time. None raises what is the
    firewall's fault.
    """

    def read(self) -> Snapshot:
        """Which firewall it is, what its rules can say, and what is there. What cannot be read
        is Unknown in the answer.
        """

    def apply(self, plan: Plan) -> Applied:
        """Carry out the plan's steps, each family's at once."""

    def close(self) -> None:
        """End what was begun to reach the firewall; the rules stay."""


class Scripted(Protocol):
    """A backend that can show what it would write."""

    def script(self, plan: Plan) -> dict[str, str]:
        """Each program, with what it is given to read. Raises FirewallError."""


class Purgeable(Protocol):
    """A backend that can forget us."""

    def purge(self) -> Plan:
        """Remove all that is ours and nothing else; gives what was done. Raises FirewallError."""


class CommandBackend(Backend, Scripted, Purgeable, Protocol):
    """All that the commands need."""
