"""The figures behind the series.

They are kept here and turned into samples at the scrape, instead of in the client
library's instruments: a pass changes hundreds of them, and a scrape must see all of it or
nothing, never a service that has just been cleared and not yet been set again.
"""

from bisect import bisect_left
from collections.abc import Mapping

from msgspec import Struct, field

from lvsmarkd.telemetry.series import Series

Labels = tuple[str, ...]
"""Values of the labels, in the order of the series' names for them."""


class Distribution(Struct):
    """Observations per bucket (not cumulated; the last one is +Inf) and their sum."""

    counts: list[int]
    total: float = 0.0


class SampleStore(Struct):
    """Not thread-safe: whoever holds it also holds the lock."""

    _values: dict[Series, dict[Labels, float]] = field(default_factory=dict)
    _observed: dict[Series, dict[Labels, Distribution]] = field(default_factory=dict)

    def put(self, series: Series, value: float, *labels: str) -> None:
        """Set one value."""
        self._values.setdefault(series, {})[labels] = value

    def add(self, series: Series, *labels: str, amount: float = 1) -> None:
        """Add to one value, which starts at 0."""
        values = self._values.setdefault(series, {})
        values[labels] = values.get(labels, 0.0) + amount

    def replace(self, series: Series, values: Mapping[Labels, float]) -> None:
        """Set all values of a series: whatever is not among them is gone."""
        self._values[series] = dict(values)

    def observe(self, series: Series, value: float, *labels: str) -> None:
        """Take one observation into a histogram."""
        known = self._observed.setdefault(series, {})
        if labels not in known:
            known[labels] = Distribution([0] * (len(series.buckets) + 1))
        known[labels].counts[bisect_left(series.buckets, value)] += 1
        known[labels].total += value

    def value(self, series: Series, *labels: str) -> float | None:
        """One value, None where there is none."""
        return self._values.get(series, {}).get(labels)

    def labels(self, series: Series) -> tuple[Labels, ...]:
        """All label values that a series has a value for."""
        return tuple(self._values.get(series, {}))

    def values(self, series: Series) -> Mapping[Labels, float]:
        """All values of a series."""
        return self._values.get(series, {})

    def distributions(self, series: Series) -> Mapping[Labels, Distribution]:
        """All that was observed of a histogram."""
        return self._observed.get(series, {})
