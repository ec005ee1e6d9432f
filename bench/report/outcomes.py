"""What became of the transactions of a run: counts added up over its trials, the funnel, the errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.model.result import Counts, ErrorPart, Trial
from bench.report import format as fmt
from bench.report.glossary import ERRORS


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """One step of the funnel; `width` is its share of the planned transactions in percent."""

    label: str
    count: int
    share: str
    width: float
    loss: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One error class over all trials; `meaning` explains it, `expected` of the `count` were asked for."""

    name: str
    meaning: str
    stage: str
    count: int
    expected: int
    examples: tuple[str, ...]


def funnel(trials: Sequence[Trial]) -> tuple[FunnelRow, ...]:
    """Planned → dropped → submitted → rejected → accepted → failed, unresolved, committed → final, over all trials."""
    counts = total_counts(trials)

    def row(label: str, number: int, loss: bool = False, detail: str = "") -> FunnelRow:
        width = round(100 * number / counts.planned, 2) if counts.planned else 0.0
        return FunnelRow(label, number, fmt.percent(number, counts.planned), width, loss, detail)

    return (
        row("Planned", counts.planned),
        row("dropped, never sent", counts.dropped, True, fmt.per_kind(counts.dropped_by)),
        row("Submitted", counts.submitted),
        row("rejected at once", counts.rejected, True),
        row("Accepted", counts.accepted),
        row("failed, as the workload expects", counts.failed_expected, True),
        row("failed, unexpectedly", counts.failed - counts.failed_expected, True),
        row("unresolved", counts.unresolved, True),
        row("Committed, valid", counts.committed),
        row("committed, but not final in time", counts.committed - counts.finalized, True),
        row("Final", counts.finalized),
    )


def errors(trials: Sequence[Trial]) -> tuple[ErrorRow, ...]:
    """Error classes over all trials, most frequent first, with up to three different examples each."""
    found: dict[str, list[ErrorPart]] = {}
    for trial in trials:
        for name, part in trial.errors.items():
            found.setdefault(name, []).append(part)
    rows = []
    for name, parts in found.items():
        examples = tuple(dict.fromkeys(example for part in parts for example in part.examples))[:3]
        count, expected = sum(part.count for part in parts), sum(part.expected for part in parts)
        rows.append(ErrorRow(fmt.words(name), ERRORS.get(name, ""), parts[0].stage, count, expected, examples))
    return tuple(sorted((row for row in rows if row.count), key=lambda row: -row.count))


def reads(trials: Sequence[Trial]) -> str:
    """One sentence on the reads; empty when there were none."""
    totals = {
        name: sum(int(getattr(trial.reads, name)) for trial in trials)
        for name in ("issued", "answered", "failed", "dropped")
    }
    if not totals["issued"] and not totals["dropped"]:
        return ""
    return ", ".join(f"{fmt.count(number)} {name}" for name, number in totals.items()) + "."


def total_counts(trials: Sequence[Trial]) -> Counts:
    """The counts of all trials added up."""
    sums: dict[str, int] = {name: 0 for name in Counts.model_fields if name != "dropped_by"}
    dropped_by: dict[str, int] = {}
    for trial in trials:
        for name in sums:
            sums[name] += int(getattr(trial.counts, name))
        for cause, number in trial.counts.dropped_by.items():
            dropped_by[cause] = dropped_by.get(cause, 0) + number
    return Counts.model_validate({**sums, "dropped_by": dropped_by})


def trouble(counts: Counts) -> int:
    """Planned transactions that did not end as they should: dropped, rejected, failed unexpectedly, unresolved."""
    return counts.dropped + counts.rejected + counts.failed - counts.failed_expected + counts.unresolved
