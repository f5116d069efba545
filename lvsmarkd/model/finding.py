"""Findings: differences between what must hold and what does."""

from collections.abc import Hashable
from enum import Enum, StrEnum

from msgspec import Struct

from lvsmarkd.model.origin import Origin
from lvsmarkd.model.rule import ChainKey, Plane, Rule
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.service import Family, ServiceKey


class Severity(StrEnum):
    """How much it matters: packets go astray; they may; good to know."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTE = "note"


class _Row(Struct, frozen=True):
    """One row of the table of kinds: the name that is printed, how bad it is unless a finding
    says otherwise, what it is about.
    """

    printed: str
    severity: Severity
    title: str


_CRITICAL, _WARNING, _NOTE = Severity


class Kind(Enum):
    """What is wrong: the table of all kinds.

    ``str()`` is the printed name, a contract: metrics, journal and JSON bear it. Two
    kinds share the name ``refused``. The events with which a kind comes and goes are in
    ``telemetry/findings.py``, what to do about it in README.md.
    """

    UNCOVERED = _Row("uncovered", _CRITICAL, "a service that no rule marks")
    INFERRED = _Row("inferred", _NOTE, "a service covered by inference only")
    MISSING = _Row("missing", _CRITICAL, "an own rule, or the jump to our chain, is gone")
    ALTERED = _Row("altered", _CRITICAL, "an own rule, or the place of our jump, was changed")
    STALE = _Row("stale", _WARNING, "an own rule whose service is gone")
    DUPLICATE = _Row("duplicate", _WARNING, "an own rule, or our jump, is there more than once")
    CONFLICT = _Row(
        "conflict", _WARNING, "a foreign rule changes a declared flow's mark, or keeps it from ours"
    )
    UNACCEPTED = _Row("unaccepted", _WARNING, "a marked flow that the filter at INPUT refuses")
    UNDELIVERED = _Row(
        "undelivered",
        _CRITICAL,
        "packets that this host does not take, or answers that it does not pass on",
    )
    ORPHAN = _Row("orphan", _NOTE, "a foreign rule sets a mark that no service uses")
    CLAIMED = _Row("claimed", _WARNING, "somebody else uses a service's mark, or a bit of it")
    REFUSED = _Row("refused", _CRITICAL, "a declaration or setting that cannot be followed")
    REJECTED = _Row("refused", _CRITICAL, "an own rule that the firewall does not take")
    UNUSED = _Row("unused", _NOTE, "a declaration for a mark or family that no service uses")
    MIXED = _Row("mixed", _WARNING, "two firewalls that do not know of each other are in use")
    PROBLEM = _Row("problem", _WARNING, "a part of its file that keepalived ignores or misreads")
    UNLOADED = _Row("unloaded", _NOTE, "a service that is configured and not in IPVS")
    LEFTOVER = _Row("leftover", _NOTE, "a service that is in IPVS and not configured")
    ELSEWHERE = _Row("elsewhere", _CRITICAL, "keepalived balances in another network namespace")
    UNSEEN = _Row(
        "unseen", _NOTE, "something of keepalived or the kernel is hidden; the files stand for it"
    )
    BYPASSED = _Row("bypassed", _WARNING, "packets may enter by a way without our rules")
    FLEETING = _Row("fleeting", _WARNING, "what is in force is gone after a reload or a boot")
    BROKEN = _Row("broken", _CRITICAL, "the firewall itself does not work as it says")
    UNKNOWN = _Row("unknown", _WARNING, "could not be read; never taken for absent")

    @property
    def severity(self) -> Severity:
        """How bad it is where a finding says nothing else."""
        return self.value.severity

    @property
    def title(self) -> str:
        """What it is about."""
        return self.value.title

    def __str__(self) -> str:
        return self.value.printed

    def __repr__(self) -> str:
        return f"Kind.{self.name}"


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

SEEN_OF_PACKETS = frozenset({Kind.CONFLICT, Kind.UNACCEPTED})
"""Of these, the kinds that take all tables of a family to be read."""

_OF_A_FILE = frozenset({Kind.REFUSED, Kind.PROBLEM})
"""The kinds about a line of a file: the same one, whether or not the service that it is about is
there."""


class FindingKey(Struct, frozen=True):
    """What makes two findings of two passes the same one: values, never words."""

    kind: Kind
    service: ServiceKey | None
    plane: Plane
    family: Family | None
    chain: ChainKey | None
    rule: Rule | RuleRef | None
    subject: Hashable


class Finding(Struct, frozen=True):
    """One finding.

    ``fact`` is a clause that says what is so, ``advice`` one that says what to do about it, or
    what is done. ``graded`` is how bad it is, where it is not as its kind.
    """

    kind: Kind
    fact: str
    advice: str = ""
    graded: Severity | None = None
    service: ServiceKey | None = None
    plane: Plane = Plane.RUNTIME
    family: Family | None = None
    chain: ChainKey | None = None
    """The chain of ours that it is about."""
    rule: Rule | RuleRef | None = None
    """The rule that it is about: one of ours (a wanted one, where that is gone or altered), or
    somebody else's."""
    instead: Rule | None = None
    """What stands in place of an altered rule of ours."""
    origins: tuple[Origin, ...] = ()
    """Where the matter is written, in the files."""
    subject: Hashable = None
    """What else tells it from another finding of its kind: what is wrong of a chain besides its
    rules, a flow, somebody's claim, the problem of a file."""
    paste: str = ""
    """Text to paste: a declaration."""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.graded or self.kind.severity

    @property
    def plane_name(self) -> str:
        """The plane as users read it."""
        return str(self.plane) if self.chain is None else self.chain.plane_name

    @property
    def message(self) -> str:
        """The sentence that people read: what is so, and what to do."""
        return f"{self.fact}; {self.advice}" if self.advice else self.fact

    @property
    def detail(self) -> str:
        """What is printed below the sentence: the rule, and what to paste."""
        return "\n".join(filter(None, (str(self.rule or ""), self.paste)))

    @property
    def key(self) -> FindingKey:
        """The same for the same finding of another pass, however it is worded then."""
        of_a_file = self.kind in _OF_A_FILE
        return FindingKey(
            self.kind,
            None if of_a_file else self.service,
            self.plane,
            None if of_a_file else self.family,
            self.chain,
            self.rule,
            self.subject,
        )

    def __str__(self) -> str:
        about = f" {self.service}" if self.service else ""
        return f"{self.severity}: {self.kind}{about}: {self.message}"
