"""The figures of a `Watch` in Prometheus' words: a collector of declared metrics with a registry of its own.

Nothing is kept here and nothing is counted here; each scrape asks the watch anew. Times go out in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from bench.model.clock import NS_PER_S
from bench.telemetry.metrics import BY_NAME, METRICS, Kind, Metric, Unit
from bench.telemetry.totals import SUM, Key
from bench.telemetry.watch import Shown, Watch

_BOUNDS = {
    metric.name: [*(str(bound / NS_PER_S) for bound in metric.buckets_ns), "+Inf"]
    for metric in METRICS
    if metric.kind is Kind.HISTOGRAM
}


class Exporter(Collector):
    """Register it anywhere, or let `exposition` render it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def describe(self) -> list[Family]:
        """The empty families: nothing has to be collected to know the names."""
        return [_family(metric) for metric in METRICS]

    def collect(self) -> Iterator[Family]:
        """In the order of declaration; a family without values is left out."""
        families = {metric.name: _family(metric) for metric in METRICS}
        for shown in self._watch.shown():
            _add(families, shown)
        return (family for family in families.values() if family.samples)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The body and its content type, for the Accept header of a request."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def _family(metric: Metric) -> Family:
    match metric.kind:
        case Kind.COUNTER:
            return CounterMetricFamily(metric.family, metric.help, labels=metric.label_names)
        case Kind.GAUGE:
            return GaugeMetricFamily(metric.name, metric.help, labels=metric.label_names)
        case Kind.HISTOGRAM:
            return HistogramMetricFamily(metric.name, metric.help, labels=metric.label_names)


def _add(families: Mapping[str, Family], shown: Shown) -> None:
    histograms: dict[tuple[str, tuple[str, ...]], dict[int, int]] = {}
    for key, count in shown.counts:
        metric = BY_NAME[key.metric]
        if metric.kind is Kind.HISTOGRAM:
            histograms.setdefault((key.metric, key.labels), {})[key.part] = count
        else:
            _add_count(families[key.metric], metric, shown, key, count)
    for (name, labels), parts in histograms.items():
        _add_histogram(families[name], name, (*shown.run_labels, *labels), parts)
    for gauge in shown.gauges:
        family = families[gauge.metric]
        assert isinstance(family, GaugeMetricFamily)
        family.add_metric((*shown.run_labels, *gauge.labels), float(gauge.value))


def _add_count(family: Family, metric: Metric, shown: Shown, key: Key, count: int) -> None:
    assert isinstance(family, CounterMetricFamily)
    value = count / NS_PER_S if metric.unit is Unit.SECONDS else count
    family.add_metric((*shown.run_labels, *key.labels), value)


def _add_histogram(family: Family, name: str, labels: tuple[str, ...], parts: Mapping[int, int]) -> None:
    assert isinstance(family, HistogramMetricFamily)
    below, buckets = 0, []
    for place, bound in enumerate(_BOUNDS[name]):
        below += parts.get(place, 0)
        buckets.append((bound, below))
    family.add_metric(labels, buckets, parts.get(SUM, 0) / NS_PER_S)
