"""Counters that go on where what they count begins again: a repair, a rule that is put back."""

from collections.abc import Iterable

from msgspec import Struct, field

from lvsmarkd.model.report import ServiceState
from lvsmarkd.model.service import Family, ServiceKey


class Exposure(Struct):
    """The time in which packets of some service went unmarked: a stopwatch that is read while it
    runs. Times are monotonic seconds.
    """

    _total: float = 0.0
    _since: float | None = None

    def set(self, now: float, *, exposed: bool) -> None:
        """Start it, or stop it."""
        self._total = self.total(now)
        self._since = now if exposed else None

    def add(self, seconds: float) -> None:
        """Add an exposure that began and ended within one pass."""
        if self._since is None:
            self._total += seconds

    def total(self, now: float) -> float:
        """All of it, up to now."""
        return self._total + (0.0 if self._since is None else now - self._since)


class MarkedPackets(Struct):
    """Totals per service. They begin at what the rules show, so that a restart of the daemon
    goes unnoticed, and never fall.
    """

    totals: dict[ServiceKey, int] = field(default_factory=dict)
    _shown: dict[ServiceKey, int] = field(default_factory=dict)

    def count(self, services: Iterable[ServiceState], disturbed: frozenset[Family]) -> None:
        """Take in what the rules show now; forget services that left.

        A counter that fell was either set to zero, and what it shows came since; or, in a
        ``disturbed`` family, rules were put back or taken out, and what is left over from
        the others was counted before.
        """
        here = {state.key: state.packets for state in services}
        for gone in self.totals.keys() - here.keys():
            del self.totals[gone], self._shown[gone]
        for key, shown in here.items():
            if shown is None:
                continue
            last = self._shown.get(key, 0)
            fell = shown < last
            since_reset = 0 if key.family in disturbed else shown
            grown = since_reset if fell else shown - last
            self.totals[key] = self.totals.get(key, 0) + grown
            self._shown[key] = shown
