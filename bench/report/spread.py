"""One figure over the trials of a run: the median, with the interval below it, or what is known instead.

The trial is the sample. Why there is no interval is said once beside a table, by `interval_note`, not in every cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.model.result import Interval, Percentiles, Trial
from bench.report import format as fmt
from bench.stats.interval import FEWEST_TRIALS, median_interval

QUANTITIES = ("p50", "p90", "p95", "p99", "p999", "max", "mean")
NAMES = {"p999": "p99.9", "max": "slowest"}
"""What a reader sees for a quantity, where that is not its key."""


@dataclass(frozen=True, slots=True)
class Spread:
    """`text` is the figure, `below` its interval or a remark; both finished. `value` is the median, None if unknown."""

    text: str
    below: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Percentiles of one latency over the trials, in the order of `QUANTITIES`."""

    label: str
    cells: tuple[Spread, ...]
    count: int
    censored: int


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One kind of operation: counts over all trials, latencies as medians over them."""

    name: str
    kind: str
    planned: int
    submitted: int
    valid: int
    rejected: int
    failed: int
    failed_expected: int
    unresolved: int
    p50: Spread
    p99: Spread


def figure(values: Sequence[float | None], unit: str) -> Spread:
    """A figure with one value per trial; `unit` is a key of `format.UNITS`. Unknown in one trial is unknown."""
    known = [value for value in values if value is not None]
    if not known:
        return Spread(fmt.UNKNOWN)
    if len(known) < len(values):
        return Spread(fmt.UNKNOWN, f"not known in {len(values) - len(known)} of {fmt.trials(len(values))}")
    return of_interval(median_interval(known), unit)


def of_interval(found: Interval, unit: str) -> Spread:
    """A median and its interval, as they stand in the result."""
    return Spread(fmt.UNITS[unit](found.median), fmt.span(found.ci_low, found.ci_high, unit), found.median)


def latency(percentiles: Sequence[Percentiles], key: str) -> Spread:
    """A percentile over the trials. Where a trial knows only a lower bound, the median is known only from below."""
    values: list[float | None] = [getattr(part, key) for part in percentiles]
    if not values or None not in values:
        return figure(values, "milliseconds")
    bounds = [part.lower_bound.get(key) if (own := getattr(part, key)) is None else own for part in percentiles]
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        unknown = values.count(None)
        return Spread(fmt.UNKNOWN, f"not known in {unknown} of {len(values)}" if 0 < unknown < len(values) else "")
    return Spread(f"≥{fmt.NBSP}{fmt.milliseconds(median(known))}")


def latency_row(label: str, percentiles: Sequence[Percentiles]) -> LatencyRow:
    """All quantities of one latency."""
    return LatencyRow(
        label,
        tuple(latency(percentiles, key) for key in QUANTITIES),
        sum(part.count for part in percentiles),
        sum(part.censored for part in percentiles),
    )


def stages(trials: Sequence[Trial]) -> tuple[LatencyRow, ...]:
    """The stages that a transaction passes, in their order, and reads where there were any."""
    rows = [
        latency_row("sent by the generator (submit lag)", [trial.latency_ms.submit_lag for trial in trials]),
        latency_row("accepted by the ledger", [trial.latency_ms.accept for trial in trials]),
        latency_row("committed, valid in a block", [trial.latency_ms.commit for trial in trials]),
        latency_row("final", [trial.latency_ms.finality for trial in trials]),
    ]
    reads = [trial.reads.latency_ms for trial in trials]
    return (*rows, latency_row("read answered", reads)) if any(t.reads.issued for t in trials) else tuple(rows)


def operations(trials: Sequence[Trial]) -> tuple[OperationRow, ...]:
    """One row per operation that any trial had, in the order in which they first appear."""
    rows = []
    for name in dict.fromkeys(name for trial in trials for name in trial.operations):
        parts = [trial.operations[name] for trial in trials if name in trial.operations]
        latencies = [part.latency_ms for part in parts]
        rows.append(
            OperationRow(
                name,
                parts[0].kind,
                planned=sum(part.planned for part in parts),
                submitted=sum(part.submitted for part in parts),
                valid=sum(part.valid for part in parts),
                rejected=sum(part.rejected for part in parts),
                failed=sum(part.failed for part in parts),
                failed_expected=sum(part.failed_expected for part in parts),
                unresolved=sum(part.unresolved for part in parts),
                p50=latency(latencies, "p50"),
                p99=latency(latencies, "p99"),
            )
        )
    return tuple(rows)


def interval_note(trials: int) -> str:
    """What the small figures below the large ones are, or why there are none."""
    if trials < FEWEST_TRIALS:
        return f"{fmt.trials(trials)}: no interval, because below {FEWEST_TRIALS} chance alone can make any difference."
    confidence = fmt.number(100 * (median_interval([0.0] * trials).confidence or 0.0))
    return (
        f"Large: the median of {fmt.trials(trials)}. Small: the interval in which the true middle value lies with "
        f"{confidence}{fmt.NBSP}% confidence."
    )
