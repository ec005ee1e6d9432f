"""PromQL as these dashboards use it: always of the chosen run, rates always over Grafana's own window."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW = "$__rate_interval"
QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99.9"))


@dataclass(frozen=True, slots=True)
class Query:
    """One line of a panel. `instant` asks for the newest value only, so that a dead exporter shows as no data."""

    expr: str
    legend: str = ""
    instant: bool = False


def of(metric: str, *more: str) -> str:
    """The series of the chosen run, narrowed by further matchers."""
    matchers = ",".join(('run_id="$run"', *more))
    return f"{metric}{{{matchers}}}"


def total(selector: str, by: str = "") -> str:
    """A sum, for each value of the label `by` when given."""
    return f"sum by ({by}) ({selector})" if by else f"sum({selector})"


def rate(selector: str, by: str = "", window: str = WINDOW) -> str:
    """Growth per second of a counter."""
    return total(f"rate({selector}[{window}])", by)


def quantile(share: float, selector: str, by: str = "") -> str:
    """A percentile read from the buckets; an estimate within one bucket, never what a report says."""
    return f"histogram_quantile({share:g}, {rate(selector, f'le, {by}' if by else 'le')})"


def quantiles(histogram: str, *more: str) -> list[Query]:
    """The usual four percentiles."""
    return [Query(quantile(share, of(f"{histogram}_bucket", *more)), name) for share, name in QUANTILES]


def cells(selector: str) -> Query:
    """Counts of a histogram's buckets, for a heatmap."""
    return Query(f"sum by (le) (increase({selector}[{WINDOW}]))", "{{le}}")
