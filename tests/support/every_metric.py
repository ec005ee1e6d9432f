"""Exporters with every declared metric, of a run that is busy: counters grow, latencies spread, all labels are there.

What a real run shows only sometimes (reads, a capacity search, gas) is always here, so every query has an answer.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family

from bench.telemetry.metrics import METRICS, PHASES, VERDICTS, Kind, Metric
from bench.telemetry.native import SERIES

RUN = {"run_id": "20260314-091500-smallbank-anvil-1a2b3c", "ledger": "anvil", "workload": "smallbank"}
VALUES = {
    "bound": ("low", "median", "high"),
    "cause": ("in_flight_bound",),
    "error_class": ("timeout",),
    "mount": ("results",),
    "node": ("anvil-0",),
    "operation": ("balance", "send_payment"),
    "own": ("yes", "no"),
    "phase": PHASES,
    "percentile": ("0.5", "0.99"),
    "quantile": ("0.5", "0.95", "0.99"),
    "status": VERDICTS,
    "worker": ("0", "1"),
}
PROCESSES = (("worker-0", "harness"), ("observer", "harness"), ("anvil-0", "ledger"))
HOT = {"phase": "measure", "status": "valid"}


def label_sets(metric: Metric) -> list[tuple[str, ...]]:
    """Values of the metric's own labels, in their order."""
    if metric.labels == ("process", "role"):
        return list(PROCESSES)
    if metric.labels == ("process",):
        return [(name,) for name, role in PROCESSES if role == "ledger"]
    return list(itertools.product(*(VALUES.get(label, (f"a {label}",)) for label in metric.labels)))


class EveryMetric:
    """Values follow from the time since it was made."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def collect(self) -> Iterator[Family]:
        passed = time.monotonic() - self._since + 1
        for metric in METRICS:
            family = _family(metric)
            for index, own in enumerate(label_sets(metric)):
                labels = [*RUN.values(), *own]
                if isinstance(family, HistogramMetricFamily):
                    count = int(passed * 50)
                    family.add_metric(labels, _cells(metric, count, 5 + index), sum_value=count * 0.1)
                elif isinstance(family, CounterMetricFamily):
                    family.add_metric(labels, passed * (10 + index))
                else:
                    hot = (value == HOT.get(label, value) for label, value in zip(metric.labels, own, strict=True))
                    family.add_metric(labels, float(all(hot)))
            yield family


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    kinds = {
        Kind.COUNTER: CounterMetricFamily,
        Kind.GAUGE: GaugeMetricFamily,
        Kind.HISTOGRAM: HistogramMetricFamily,
    }
    return kinds[metric.kind](metric.name, metric.help, labels=metric.label_names)


def _cells(metric: Metric, count: int, first: int) -> list[tuple[str, float]]:
    """Cumulative counts that rise over ten buckets from `first` on."""
    bounds = [str(bound / 1e9) for bound in metric.buckets_ns] + ["+Inf"]
    shares = [min(1.0, max(0.0, (position - first) / 10)) for position in range(len(bounds))]
    return [(bound, int(count * share)) for bound, share in zip(bounds, shares, strict=True)]


class EveryNativeMetric:
    """All that is kept of all families of nodes at once, under the names by which it is stored."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def collect(self) -> Iterator[Family]:
        passed = time.monotonic() - self._since + 1
        for name, metric in SERIES.items():
            family = GaugeMetricFamily(name, metric.help, labels=metric.labels)
            for own in itertools.product(*(VALUES.get(label, (f"a {label}",)) for label in metric.labels)):
                family.add_metric(own, 1 if metric.kind is Kind.GAUGE else passed * 10)
            yield family


@contextmanager
def every_metric() -> Iterator[str]:
    """Its address on a free port of loopback."""
    with _serving(EveryMetric()) as address:
        yield address


@contextmanager
def every_native_metric() -> Iterator[str]:
    """The same of a node."""
    with _serving(EveryNativeMetric()) as address:
        yield address


@contextmanager
def _serving(collector: object) -> Iterator[str]:
    registry = CollectorRegistry()
    registry.register(collector)  # type: ignore[arg-type]
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
