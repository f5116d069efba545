"""The figures as Prometheus takes them, by its own library: imported with the first scrape, for it
takes 25 ms and 5 MiB, with all that it can do besides.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from lvsmarkd.telemetry import series as s
from lvsmarkd.telemetry.metrics import Metrics
from lvsmarkd.telemetry.samples import Distribution, SampleStore
from lvsmarkd.telemetry.series import Series, Type


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """A registry of these figures and those of the process."""
    registry = CollectorRegistry()
    registry.register(_Figures(metrics))
    ProcessCollector(registry=registry)
    return registry


class _Figures(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> list[Metric]:
        """The names, by which the registry finds what a ``name[]`` query asks for."""
        return _families(SampleStore())

    def collect(self) -> list[Metric]:
        """All samples of one moment."""
        return self._metrics.scrape(_families)


def _families(store: SampleStore) -> list[Metric]:
    return [_family(store, series) for series in s.ALL]


def _family(store: SampleStore, series: Series) -> Metric:
    """One series, with all its samples."""
    match series.type:
        case Type.GAUGE:
            gauge = GaugeMetricFamily(series.name, series.help, labels=series.labels)
            for labels, value in store.values(series).items():
                gauge.add_metric(labels, value)
            return gauge
        case Type.COUNTER:
            counter = CounterMetricFamily(series.name, series.help, labels=series.labels)
            for labels, value in store.values(series).items():
                counter.add_metric(labels, value)
            return counter
        case Type.HISTOGRAM:
            histogram = HistogramMetricFamily(series.name, series.help, labels=series.labels)
            for labels, seen in store.distributions(series).items():
                histogram.add_metric(labels, list(_cumulated(series, seen)), seen.total)
            return histogram


def _cumulated(series: Series, seen: Distribution) -> Iterator[tuple[str, float]]:
    bounds = [*map(floatToGoString, series.buckets), "+Inf"]
    yield from zip(bounds, accumulate(seen.counts), strict=True)
