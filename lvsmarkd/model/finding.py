"""Findings: differences between what must hold and what does."""

from dataclasses import dataclass
from enum import StrEnum

from lvsmarkd.model.origin import Origin
from lvsmarkd.model.rule import Plane
from lvsmarkd.model.service import Family, ServiceKey


class Kind(StrEnum):
    """What is wrong. The names are a contract: metrics, journal and JSON bear them."""

    UNCOVERED = "uncovered"
    """A service that no rule marks."""
    INFERRED = "inferred"
    """A service covered by inference only."""
    MISSING = "missing"
    """An own rule, or the jump to our chain, is gone."""
    ALTERED = "altered"
    """An own rule, or the place of our jump, was changed."""
    STALE = "stale"
    """An own rule whose service is gone."""
    DUPLICATE = "duplicate"
    """An own rule, or our jump, is there more than once."""
    CONFLICT = "conflict"
    """A foreign rule puts another mark on a declared flow, or keeps it from ours."""
    UNACCEPTED = "unaccepted"
    """A marked flow that the filter at INPUT refuses."""
    ORPHAN = "orphan"
    """A foreign rule sets a mark that no service uses."""
    CLAIMED = "claimed"
    """Somebody else uses the mark of a service, or a bit of it, for another purpose."""
    REFUSED = "refused"
    """A declaration that cannot be followed, or a rule that the kernel does not take."""
    UNUSED = "unused"
    """A declaration for a mark or a family that no service uses."""
    MIXED = "mixed"
    """Two firewalls that do not know of each other are in use."""
    PROBLEM = "problem"
    """keepalived would ignore or misread a part of its configuration."""
    UNLOADED = "unloaded"
    """A service that is configured and not in IPVS."""
    LEFTOVER = "leftover"
    """A service that is in IPVS and not configured."""
    ELSEWHERE = "elsewhere"
    """keepalived balances in another network namespace than ours."""
    UNSEEN = "unseen"
    """Something about keepalived or the kernel could not be seen; the files are taken for it."""
    BYPASSED = "bypassed"
    """Packets may enter by a way on which our rules do not stand."""
    FLEETING = "fleeting"
    """What is in force now is gone after a reload or a boot."""
    BROKEN = "broken"
    """The firewall itself does not work as it says."""
    UNKNOWN = "unknown"
    """Could not be read; never taken for absent."""


DRIFT = frozenset({Kind.MISSING, Kind.ALTERED, Kind.STALE, Kind.DUPLICATE})
"""The kinds that a pass repairs."""


SEEN_IN_FIREWALL = DRIFT | {
    Kind.CONFLICT,
    Kind.UNACCEPTED,
    Kind.ORPHAN,
    Kind.CLAIMED,
    Kind.MIXED,
    Kind.BYPASSED,
    Kind.FLEETING,
    Kind.BROKEN,
}
"""The kinds that are found by looking at the firewall: where it cannot be read, they may be so
still."""


class Severity(StrEnum):
    """How much it matters: packets go astray; they may; good to know."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``message`` is one sentence that says what to do.

    ``detail`` is further text to print below it: a ready-to-paste declaration, the rule.
    """

    kind: Kind
    severity: Severity
    message: str
    service: ServiceKey | None = None
    plane: Plane = Plane.RUNTIME
    family: Family | None = None
    origins: tuple[Origin, ...] = ()
    detail: str = ""

    def __str__(self) -> str:
        about = f" {self.service}" if self.service else ""
        return f"{self.severity}: {self.kind}{about}: {self.message}"
