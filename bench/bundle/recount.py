"""A trial's headline figures made again from a bundle's tables, by the rules of `docs/measurement.md`.

Written against the tables alone, so that it agrees with `bench.measure` only where both follow those rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.bundle.reader import Bundle
from bench.model.clock import NS_PER_S
from bench.model.phase import Phase, PhaseSpan
from bench.model.resources import UNKNOWN, ResourceSample
from bench.model.result import Percentiles, ProcessResources, Trial
from bench.model.transaction import ErrorClass
from bench.monitors.summary import summarise
from bench.stats.percentiles import percentiles
from bench.stats.window import Window, block_window, plain_window

Ns = NDArray[np.int64]
Mask = NDArray[np.bool_]
Figures = dict[str, int | float | str | dict[str, int] | None]
"""By the names that problems are told with: `rates.goodput_per_s`, `latency_ms.finality.p99`, …"""

NEVER = -1
_RATES = ("offered_per_s", "submitted_per_s", "accepted_per_s", "goodput_per_s", "expected_refusals_per_s")
_COLUMNS = ("kind", "operation", "outcome", "error_class")
_STAMPS = ("intended_at_ns", "submitted_at_ns", "accepted_at_ns", "committed_at_ns", "finalized_at_ns")


def recount(bundle: Bundle, trial: Trial) -> Figures:
    """Counts over the whole trial; rates and latencies over its measure phase, as the result states it."""
    table = bundle.transactions(trial.trial, [*_COLUMNS, *_STAMPS])
    spans = {part.phase: (_ns(part.start_s), _ns(part.end_s)) for part in trial.phases}
    writes = table.filter(pc.equal(table["kind"], "write"))
    start_ns, end_ns = spans.get(Phase.MEASURE, (0, 0))
    figures = _counts(table, writes) | _operations(table) | resources(_used(bundle, trial))
    if end_ns <= start_ns:
        return figures | dict.fromkeys((f"rates.{name}" for name in _RATES), 0)
    blocks = bundle.blocks(trial.trial, ["observed_at_ns", "transactions", "orphaned"])
    figures |= _blocks(blocks, start_ns, end_ns)
    chain = _stamps(blocks.filter(pc.invert(blocks["orphaned"])), "observed_at_ns")
    phase = plain_window(start_ns, end_ns)
    figures |= _rates(writes, block_window(chain, start_ns, end_ns), phase)
    intended = _stamps(table, "intended_at_ns")
    inside = table.filter(pa.array((intended >= start_ns) & (intended < end_ns)))
    given_up_ns = max(end for _, end in spans.values())
    figures |= _latencies(inside, given_up_ns, "intended_at_ns", "latency_ms")
    if trial.latency_from_send_ms is not None:
        figures |= _latencies(inside, given_up_ns, "submitted_at_ns", "latency_from_send_ms")
    return figures | _operation_latencies(inside, given_up_ns)


def _counts(table: pa.Table, writes: pa.Table) -> Figures:
    of_writes = _frequencies(writes["outcome"])
    reads = table.filter(pc.equal(table["kind"], "read"))
    of_reads = _frequencies(reads["outcome"])
    submitted = len(writes) - writes["submitted_at_ns"].null_count
    rejected = of_writes.get("rejected", 0)
    finalized = of_writes.get("finalized", 0)
    expected = of_writes.get("failed_expected", 0)
    answered, failed = of_reads.get("answered", 0), of_reads.get("read_failed", 0)
    dropped = writes.filter(pc.equal(writes["outcome"], "dropped"))
    return {
        "planned": len(writes),
        "dropped": len(dropped),
        "dropped_by": _frequencies(dropped["error_class"]),
        "submitted": submitted,
        "rejected": rejected,
        "accepted": submitted - rejected,
        "committed": of_writes.get("committed", 0) + finalized,
        "finalized": finalized,
        "failed": of_writes.get("failed", 0) + expected,
        "failed_expected": expected,
        "unresolved": of_writes.get("unresolved", 0),
        "reads.issued": len(reads) - of_reads.get("dropped", 0),
        "reads.answered": answered,
        "reads.failed": failed,
        "reads.dropped": of_reads.get("dropped", 0),
    }


def _rates(writes: pa.Table, window: Window, phase: Window) -> Figures:
    taken = writes.filter(pc.not_equal(writes["outcome"], "rejected"))

    def final(outcome: str) -> float:
        return window.count(_stamps(_with(writes, outcome), "finalized_at_ns")) / window.seconds

    return {
        "rates.offered_per_s": phase.count(_stamps(writes, "intended_at_ns")) / phase.seconds,
        "rates.submitted_per_s": phase.count(_stamps(writes, "submitted_at_ns")) / phase.seconds,
        "rates.accepted_per_s": phase.count(_stamps(taken, "accepted_at_ns")) / phase.seconds,
        "rates.goodput_per_s": final("finalized"),
        "rates.expected_refusals_per_s": final("failed_expected"),
        "rates.blocks": window.blocks,
        "rates.window_s": window.seconds,
    }


def _latencies(inside: pa.Table, given_up_ns: int, since: str, name: str) -> Figures:
    """Of what was intended in the measure phase, `since` a stamp. Writes that never ended count as at least as long as
    was waited; what was rejected or failed has no latency.
    """
    writes = inside.filter(pc.equal(inside["kind"], "write"))
    taken = writes.filter(pc.invert(_has(writes, "dropped", "rejected")))
    answered = pc.is_valid(taken["accepted_at_ns"])
    made = {
        "accept": _percentiles(
            taken.filter(answered), "accepted_at_ns", since, taken.filter(pc.invert(answered)), given_up_ns
        ),
        "commit": _percentiles(
            _with(writes, "committed", "finalized"), "committed_at_ns", since, _with(writes, "unresolved"), given_up_ns
        ),
        "finality": _finality(writes, since, given_up_ns),
    }
    if since == "intended_at_ns":
        sent = inside.filter(pc.is_valid(inside["submitted_at_ns"]))
        made["submit_lag"] = _percentiles(sent, "submitted_at_ns", since)
    figures = flat(name, {latency: found.model_dump() for latency, found in made.items()})
    return figures | (flat("reads.latency_ms", _answers(inside).model_dump()) if since == "intended_at_ns" else {})


def _finality(writes: pa.Table, since: str, given_up_ns: int) -> Percentiles:
    open_still = _with(writes, "unresolved", "committed")
    return _percentiles(_with(writes, "finalized"), "finalized_at_ns", since, open_still, given_up_ns)


def _answers(rows: pa.Table) -> Percentiles:
    """Of reads. One that was given up is censored: that it waited until it was sent is all its row knows."""
    answered = _with(rows, "answered")
    given_up = _with(rows, "read_failed")
    given_up = given_up.filter(
        pc.fill_null(pc.equal(given_up["error_class"].cast(pa.string()), ErrorClass.READ_TIMEOUT.label), False)
    )
    waited = _stamps(given_up, "submitted_at_ns") - _stamps(given_up, "intended_at_ns")
    return percentiles(_stamps(answered, "accepted_at_ns") - _stamps(answered, "intended_at_ns"), np.maximum(waited, 0))


def _percentiles(
    ended: pa.Table, stamp: str, since: str, censored: pa.Table | None = None, given_up_ns: int = 0
) -> Percentiles:
    latencies = _stamps(ended, stamp) - _stamps(ended, since)
    if censored is None:
        return percentiles(latencies)
    return percentiles(latencies, np.maximum(given_up_ns - _stamps(censored, since), 0))


def _operations(table: pa.Table) -> Figures:
    """Counts of each operation that has a row, over the whole trial."""
    figures: Figures = {}
    for name, rows in _by_operation(table):
        by = _frequencies(rows["outcome"])
        kind = rows["kind"][0].as_py()
        ended = ("committed", "finalized") if kind == "write" else ("answered",)
        lost = ("failed", "failed_expected") if kind == "write" else ("read_failed",)
        figures |= flat(
            f"operations.{name}",
            {
                "kind": kind,
                "planned": len(rows),
                "submitted": len(rows) - by.get("dropped", 0),
                "valid": sum(by.get(outcome, 0) for outcome in ended),
                "failed": sum(by.get(outcome, 0) for outcome in lost),
                "failed_expected": by.get("failed_expected", 0),
                "rejected": by.get("rejected", 0),
                "unresolved": by.get("unresolved", 0),
            },
        )
    return figures


def _operation_latencies(inside: pa.Table, given_up_ns: int) -> Figures:
    figures: Figures = {}
    for name, rows in _by_operation(inside):
        write = rows["kind"][0].as_py() == "write"
        made = _finality(rows, "intended_at_ns", given_up_ns) if write else _answers(rows)
        figures |= flat(f"operations.{name}.latency_ms", made.model_dump())
    return figures


def _by_operation(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    names = table["operation"].cast(pa.string())
    for name in pc.unique(names).to_pylist():
        yield name, table.filter(pc.equal(names, name))


def _blocks(blocks: pa.Table, start_ns: int, end_ns: int) -> Figures:
    """Of those seen in the measure phase."""
    stamps = _stamps(blocks, "observed_at_ns")
    inside = blocks.filter(pa.array((stamps >= start_ns) & (stamps <= end_ns)))
    chain = inside.filter(pc.invert(inside["orphaned"]))
    held = chain["transactions"].to_numpy()
    intervals = np.diff(np.sort(_stamps(chain, "observed_at_ns")))
    return {
        "blocks.count": len(chain),
        "blocks.empty": int(np.count_nonzero(held == 0)),
        "blocks.orphaned": len(inside) - len(chain),
        "blocks.interval_s_median": float(np.median(intervals)) / NS_PER_S if len(intervals) else None,
        "blocks.transactions_per_block_median": float(np.median(held)) if len(held) else None,
    }


def resources(rows: Sequence[ProcessResources]) -> Figures:
    """Rows of CPU, memory and bytes as figures; a process that was started again has several for one phase."""
    figures: Figures = {}
    for row in rows:
        name = f"resources.{row.process}.{row.phase}"
        name += "" if f"{name}.cpu_s" not in figures else "+"
        figures |= flat(name, row.model_dump(exclude={"process", "phase"}))
    return figures


def _used(bundle: Bundle, trial: Trial) -> list[ProcessResources]:
    """What the processes used, from the samples. Empty where the trial states nothing of it."""
    if not trial.resources:
        return []
    names = [field.name for field in fields(ResourceSample)]
    rows: list[dict[str, Any]] = bundle.resources(trial.trial, names).to_pylist()
    known: list[dict[str, Any]] = [
        {name: UNKNOWN if value is None else value for name, value in row.items()} for row in rows
    ]
    samples = [ResourceSample(**row) for row in known]
    phases = [PhaseSpan(Phase(part.phase), _ns(part.start_s), _ns(part.end_s)) for part in trial.phases]
    return summarise(samples, phases, 0)


def flat(prefix: str, values: Mapping[str, Any]) -> Figures:
    """Nested values under dotted names."""
    figures: Figures = {}
    for name, value in values.items():
        figures |= flat(f"{prefix}.{name}", value) if isinstance(value, Mapping) else {f"{prefix}.{name}": value}
    return figures


def _has(table: pa.Table, *outcomes: str) -> pa.ChunkedArray:
    return pc.is_in(table["outcome"].cast(pa.string()), pa.array(outcomes))


def _with(table: pa.Table, *outcomes: str) -> pa.Table:
    return table.filter(_has(table, *outcomes))


def _stamps(table: pa.Table, name: str) -> Ns:
    """A column of stamps, -1 where null."""
    filled: Ns = pc.fill_null(table[name], NEVER).to_numpy()
    return filled


def _frequencies(labels: pa.ChunkedArray) -> dict[str, int]:
    counted = pc.value_counts(labels.cast(pa.string()))
    return {item["values"]: item["counts"] for item in counted.to_pylist() if item["values"] is not None}


def _ns(seconds: float) -> int:
    """Seconds were written as nanoseconds / 10⁹; below 2⁵³ ns, 104 days, that is undone without loss."""
    return round(seconds * NS_PER_S)
