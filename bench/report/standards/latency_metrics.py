"""Latency metrics: averages, extremes, deviation and ranks, from sending and from the due time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.report import format as fmt
from bench.report.standards.catalogue import MetricEntry, Source, Statistic, Unit
from bench.report.standards.evidence import Run
from bench.report.standards.readings import (
    Finding,
    Known,
    Reading,
    StatisticRow,
    StatisticTable,
    extreme,
    not_measured,
    over_trials,
)
from bench.report.standards.samples import Sample, TrialSamples

Column = tuple[str, Callable[[TrialSamples], Sample]]

NAMES: dict[Statistic, str] = {
    "mean": "average",
    "low": "lowest",
    "high": "highest",
    "std": "standard deviation",
    "at50": "50 % of them (⌈0.50·n⌉-th)",
    "at90": "90 % of them (⌈0.90·n⌉-th)",
    "at95": "95 % of them (⌈0.95·n⌉-th)",
    "at100": "100 % of them (the last)",
    "p50": "p50",
    "p90": "p90",
    "p95": "p95",
    "p99": "p99",
    "p999": "p99.9",
}
_PERCENTILE = {"at50": "p50", "at90": "p90", "at95": "p95", "at100": "max"}
_MS: Unit = "milliseconds"

_FINAL: dict[str, Column] = {
    "sending": ("from sending until final", lambda found: found.final_from_sending),
    "due time": ("from the due time until final", lambda found: found.final_from_due),
}
_COMMITTED: dict[str, Column] = {
    "sending": ("from sending until committed", lambda found: found.committed_from_sending),
    "due time": ("from the due time until committed", lambda found: found.committed_from_due),
}
_READ: dict[str, Column] = {
    "sending": ("from sending until the answer", lambda found: found.read_from_sending),
    "due time": ("from the due time until the answer", lambda found: found.read_from_due),
}


def transaction_latency(source: Source, entry: MetricEntry, run: Run) -> Finding:
    """The average until final; the table has the rest."""
    return _finding(entry, run, _write_columns(source, run), "mean")


def highest_transaction_latency(source: Source, entry: MetricEntry, run: Run) -> Finding:
    """The longest time until final in any trial."""
    return _finding(entry, run, _write_columns(source, run), "high")


def read_latency(source: Source, entry: MetricEntry, run: Run) -> Finding:
    """The average until the answer of a read; the table has the rest."""
    if not sum(trial.reads.issued for trial in run.trials):
        return no_reads()
    return _finding(entry, run, _ordered(source, _READ), "mean")


def no_reads() -> Finding:
    """What a metric of reads says of a workload without any."""
    return not_measured("the workload sent no reads", "use a workload with reads, such as smallbank")


def statistic(name: Statistic, samples: Sequence[Sample], label: str) -> Reading:
    """One statistic over the trials; extremes are of all trials together."""
    values = [_known(name, sample) for sample in samples]
    if name in ("low", "high"):
        return extreme(label, _MS, values, highest=name == "high")
    return over_trials(label, _MS, values)


def _finding(entry: MetricEntry, run: Run, columns: Sequence[Column], headline: Statistic) -> Finding:
    if not run.samples:
        return not_measured("no trial was completed", "run again")
    by_column = [[of(trial) for trial in run.samples] for _, of in columns]
    first, *others = (
        statistic(headline, samples, label) for (label, _), samples in zip(columns, by_column, strict=True)
    )
    rows = tuple(
        StatisticRow(
            NAMES[name],
            tuple(statistic(name, samples, label) for (label, _), samples in zip(columns, by_column, strict=True)),
        )
        for name in entry.statistics
    )
    labels = tuple(label for label, _ in columns)
    table = StatisticTable(entry.name, labels, rows, tuple(map(_samples, by_column))) if rows else None
    return Finding(first, beside=tuple(others), notes=_unfinished(by_column[0]), table=table)


def _write_columns(source: Source, run: Run) -> list[Column]:
    """Until committed too, where the ledger makes that an earlier moment than final."""
    final = _ordered(source, _FINAL)
    apart = any(found.final_from_due.percentiles != found.committed_from_due.percentiles for found in run.samples)
    return [*final, _ordered(source, _COMMITTED)[0]] if apart else final


def _ordered(source: Source, columns: dict[str, Column]) -> list[Column]:
    other = "due time" if source.latency_from == "sending" else "sending"
    return [columns[source.latency_from], columns[other]]


def _known(name: Statistic, sample: Sample) -> Known:
    found = sample.percentiles
    if name == "low":
        return Known(sample.low)
    if name == "std":
        return Known(sample.std)
    key = "max" if name == "high" else _PERCENTILE.get(name, name)
    value: float | None = getattr(found, key)
    if value is not None:
        return Known(value)
    return Known(found.lower_bound.get(key), at_least=True)


def _samples(of_trials: Sequence[Sample]) -> str:
    counts = sorted({sample.percentiles.count for sample in of_trials})
    censored = sum(sample.percentiles.censored for sample in of_trials)
    each = " per trial" if len(of_trials) > 1 else ""
    spread = fmt.count(counts[0]) if len(counts) == 1 else f"{fmt.count(counts[0])} to {fmt.count(counts[-1])}"
    return f"{spread}{each}" + (f", {fmt.count(censored)} never finished" if censored else "")


def _unfinished(samples: Sequence[Sample]) -> tuple[str, ...]:
    censored = sum(sample.percentiles.censored for sample in samples)
    if not censored:
        return ()
    return (f"{fmt.count(censored)} never finished; they count as longer than the time they were waited for.",)
