"""What one pass came to: the value that metrics, journal and status are made from."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.guard import NO_GUARD, GuardState
from lvsmarkd.model.plan import Owned, Plan, Step
from lvsmarkd.model.rule import Plane, Rule
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.wake import Actor, Trigger

NO_BACKEND = "none"
"""What ``Report.backend`` says while there is no firewall to ask."""


class Mode(StrEnum):
    """Whether the daemon writes: ``observe`` judges only; ``paused`` likewise, for a while."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    PAUSED = "paused"


class Result(StrEnum):
    """How a pass ended."""

    IN_SYNC = "in_sync"
    REPAIRED = "repaired"
    DRIFT = "drift"
    """Something is wrong that no step mends, or that the mode forbids to mend."""
    SUPPRESSED = "suppressed"
    """Steps are held back: a rule that the firewall refused a moment ago."""
    ERROR = "error"


class Cause(StrEnum):
    """Why something had to be written: somebody undid it, or the configuration changed."""

    DRIFT = "drift"
    CONFIG = "config"


class Repair(Struct, frozen=True):
    """One step that was carried out, and verified by looking again."""

    step: Step
    cause: Cause


class ServiceState(Struct, frozen=True):
    """One service at the end of a pass. ``covered`` and ``loaded`` (whether IPVS has it) are
    None where that is not known, ``configured`` says that keepalived.conf holds it.

    ``unknown_because`` says why ``covered`` is None, ``last_known`` is what it was before that.
    ``guarded``: some of its packets have their mark by the guard alone.
    """

    key: ServiceKey
    covered: bool | None
    coverage: str
    packets: int | None = None
    loaded: bool | None = None
    configured: bool = True
    unknown_because: str = ""
    guarded: bool = False
    last_known: bool | None = None

    @property
    def as_told(self) -> bool | None:
        """Whether it was covered when that was last known: what was told of it still stands."""
        return self.last_known if self.covered is None else self.covered


class Fight(Struct, frozen=True):
    """Two controllers undo each other's work ``over`` things of ours: ``actors``, and we, who put
    them back each time, ``repairs`` times by now.
    """

    over: tuple[Owned, ...]
    repairs: int
    actors: tuple[Actor, ...] = ()


class Report(Struct, frozen=True):
    """One pass. Times are in seconds; ``finished`` is since the epoch.

    ``found`` is the judgement before the write, ``left`` the one after it (the same object
    where nothing was written). ``actors`` are the programs that changed a firewall since the
    pass before. ``latency`` is from the wake-up to the verified repair, if there was one.
    ``source`` names the keepalived.conf that was read, and the process that it is of.
    ``error`` is a sentence where the pass failed. ``checksum`` stands for what must hold.
    ``unread`` are the families that could not be read at the end, each in its plane.
    ``unjudged`` are those of whose packets nothing certain is known, since some table, whoever's,
    could not be looked into. ``keepalived_runs`` is None where that cannot be seen.
    """

    trigger: Trigger
    result: Result
    mode: Mode
    backend: str
    backend_version: str
    found: Plan
    left: Plan
    services: tuple[ServiceState, ...] = ()
    repairs: tuple[Repair, ...] = ()
    fights: tuple[Fight, ...] = ()
    actors: tuple[Actor, ...] = ()
    rules_desired: Mapping[Plane, Mapping[Family, int]] = field(default_factory=dict)
    rules_present: Mapping[Plane, Mapping[Family, int]] = field(default_factory=dict)
    rejected: tuple[tuple[Rule, str], ...] = ()
    configuration_valid: bool = True
    configuration_problems: tuple[Finding, ...] = ()
    checksum: int = 0
    finished: float = 0.0
    duration: float = 0.0
    latency: float | None = None
    error: str = ""
    trouble: str = ""
    source: str = ""
    unread: frozenset[tuple[Plane, Family]] = frozenset()
    unjudged: frozenset[Family] = frozenset()
    keepalived_runs: bool | None = None
    guard: GuardState = NO_GUARD

    @property
    def blind(self) -> bool:
        """Whether something that matters could not be read: a look that failed."""
        return any(
            f.kind is Kind.UNKNOWN and f.severity is not Severity.NOTE for f in self.left.findings
        )
