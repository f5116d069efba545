"""Two controllers that undo each other: noticed, named and left alone for a while."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from lvsmarkd.model.backoff import Backoff
from lvsmarkd.model.plan import Owned
from lvsmarkd.model.report import Fight
from lvsmarkd.model.wake import Actor

FIGHT_DELAYS = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0)
"""Seconds for which a rule that is fought over is left alone; the last one repeats."""
WINDOW = 300.0
"""Seconds: three repairs of one rule within them are a fight."""
REPAIRS = 3


@dataclass(slots=True)
class _Record:
    repairs: deque[float] = field(default_factory=lambda: deque(maxlen=REPAIRS))
    backoff: Backoff = field(default_factory=lambda: Backoff(FIGHT_DELAYS))
    total: int = 0
    fighting: bool = False
    actors: tuple[Actor, ...] = ()


@dataclass(slots=True)
class Fights:
    """Remembers the repairs of each thing of ours. Times are monotonic."""

    _records: dict[Owned, _Record] = field(default_factory=dict)

    def allows(self, owned: Owned, now: float) -> bool:
        """Whether it may be repaired now."""
        record = self._records.get(owned)
        return record is None or record.backoff.due(now)

    def repaired(self, owned: Owned, now: float, actors: Iterable[Actor]) -> None:
        """Count a repair of what somebody undid, and who was seen at it."""
        record = self._records.setdefault(owned, _Record())
        record.repairs.append(now)
        record.total += 1
        record.actors = tuple(dict.fromkeys([*record.actors, *actors]))[-REPAIRS:]
        many = len(record.repairs) == REPAIRS and now - record.repairs[0] <= WINDOW
        if record.fighting or many:
            record.fighting = True
            record.backoff = record.backoff.failed(now)

    def reset_backoff(self) -> None:
        """Let every rule be repaired now: a person asks for it."""
        for record in self._records.values():
            record.backoff = record.backoff.at_once()

    def current(self, now: float, epoch: float) -> tuple[Fight, ...]:
        """The fights going on; one is over when nothing was undone for a whole window.

        ``epoch`` is the wall clock at ``now``.
        """
        for owned, record in list(self._records.items()):
            quiet_since = max(record.backoff.until, record.repairs[-1])
            if now - quiet_since > WINDOW:
                del self._records[owned]
        return tuple(
            Fight(owned, record.total, epoch + max(0.0, record.backoff.until) - now, record.actors)
            for owned, record in self._records.items()
            if record.fighting
        )

    def next_due(self, now: float) -> float | None:
        """When the first rule that is left alone may be repaired again."""
        return min(
            (r.backoff.until for r in self._records.values() if not r.backoff.due(now)),
            default=None,
        )
