"""What is known of one thing of ours from the passes before: a rule, a chain, the jump to it."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.model.backoff import Backoff
from lvsmarkd.model.wake import Actor

REJECTED_DELAYS = (5.0, 15.0, 60.0, 300.0)
"""Seconds after which a rule that the firewall refused is tried again; the last one repeats."""
FIGHT_WINDOW = 300.0
"""Seconds: three repairs of one thing within them are a fight, and one is over when nothing was
undone for as long."""
FIGHT_REPAIRS = 3


class Undone(Struct, frozen=True):
    """Somebody undid it, and it was put back."""

    times: int = 0
    lately: tuple[float, ...] = ()
    """When it was put back, the last FIGHT_REPAIRS times."""
    by: tuple[Actor, ...] = ()
    """Who was seen at it, the last few of them."""
    fighting: bool = False
    """Somebody undoes it again and again. It is put back each time: this is for people."""

    def again(self, now: float, actors: Iterable[Actor]) -> "Undone":
        """Once more, by those who changed a firewall since the pass before."""
        lately = (*self.lately, now)[-FIGHT_REPAIRS:]
        often = len(lately) == FIGHT_REPAIRS and now - lately[0] <= FIGHT_WINDOW
        return Undone(
            self.times + 1,
            lately,
            tuple(dict.fromkeys((*self.by, *actors)))[-FIGHT_REPAIRS:],
            self.fighting or often,
        )

    def past(self, now: float) -> bool:
        """Whether it is long ago."""
        return now - self.lately[-1] > FIGHT_WINDOW


class Rejected(Struct, frozen=True):
    """The firewall refused it at the last try."""

    reason: str
    backoff: Backoff = Backoff(REJECTED_DELAYS)

    def again(self, reason: str, now: float) -> "Rejected":
        """Refused once more, with these words."""
        return Rejected(reason, self.backoff.failed(now))


class Record(Struct, frozen=True):
    """One record. All times are monotonic seconds; what is None is not so."""

    applied_since: float | None = None
    """In force at the end of each pass since then. It stays while somebody has undone what is
    wanted: that remains drift, also if it may be mended only later (a pause)."""
    unwanted_since: float | None = None
    """There, and serving nothing since then: it lingers for a while."""
    undone: Undone | None = None
    rejected: Rejected | None = None

    def allows_try(self, now: float) -> bool:
        """Whether it was not refused a moment ago."""
        return self.rejected is None or self.rejected.backoff.due(now)

    def at_once(self) -> "Record":
        """A person asks: nothing is left alone any longer."""
        rejected = self.rejected
        at_once = rejected and replace(rejected, backoff=rejected.backoff.at_once())
        return replace(self, rejected=at_once)

    def dues(self, linger: float) -> Iterable[float]:
        """When something that was put off comes up: some of these times may be past."""
        if self.unwanted_since is not None:
            yield self.unwanted_since + linger
        if self.rejected is not None:
            yield self.rejected.backoff.until


NOTHING = Record()
"""Nothing is known."""
