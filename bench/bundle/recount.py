"""A trial's headline figures made again from a bundle's tables, by the rules of `docs/measurement.md`.

Written against the tables alone, so that it agrees with `bench.measure` only where both follow those rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.bundle.reader import Bundle
from bench.model.clock import NS_PER_S
from bench.model.phase import Phase
from bench.model.result import Trial
from bench.stats.percentiles import percentiles
from bench.stats.window import Window, block_window, plain_window

Ns = NDArray[np.int64]
Mask = NDArray[np.bool_]
Figures = dict[str, int | float | dict[str, int] | None]
"""By the names that problems are told with: `rates.goodput_per_s`, `latency_ms.finality.p99`, …"""

NEVER = -1
_RATES = ("offered_per_s", "submitted_per_s", "accepted_per_s", "goodput_per_s", "expected_refusals_per_s")
_COLUMNS = ("kind", "outcome", "error_class")
_STAMPS = ("intended_at_ns", "submitted_at_ns", "accepted_at_ns", "committed_at_ns", "finalized_at_ns")


def recount(bundle: Bundle, trial: Trial) -> Figures:
    """Counts over the whole trial; rates and latencies over its measure phase, as the result states it."""
    table = bundle.transactions(trial.trial, [*_COLUMNS, *_STAMPS])
    spans = {part.phase: (_ns(part.start_s), _ns(part.end_s)) for part in trial.phases}
    writes = table.filter(pc.equal(table["kind"], "write"))
    start_ns, end_ns = spans.get(Phase.MEASURE, (0, 0))
    figures = _counts(table, writes)
    if end_ns <= start_ns:
        return figures | dict.fromkeys((f"rates.{name}" for name in _RATES), 0)
    blocks = bundle.blocks(trial.trial, ["observed_at_ns", "orphaned"])
    chain = _stamps(blocks.filter(pc.invert(blocks["orphaned"])), "observed_at_ns")
    phase = plain_window(start_ns, end_ns)
    figures |= _rates(writes, block_window(chain, start_ns, end_ns), phase)
    intended = _stamps(writes, "intended_at_ns")
    inside = (intended >= start_ns) & (intended < end_ns)
    return figures | _latencies(writes.filter(pa.array(inside)), max(end for _, end in spans.values()))


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


def _latencies(writes: pa.Table, given_up_ns: int) -> Figures:
    """Of `writes` intended in the measure phase. Those that never ended count as at least as long as was waited."""
    figures: Figures = {}
    for name, stamp, ended, open_still in (
        ("commit", "committed_at_ns", ("committed", "finalized"), ("unresolved",)),
        ("finality", "finalized_at_ns", ("finalized",), ("unresolved", "committed")),
    ):
        resolved, censored = _with(writes, *ended), _with(writes, *open_still)
        waited = np.maximum(given_up_ns - _stamps(censored, "intended_at_ns"), 0)
        made = percentiles(_stamps(resolved, stamp) - _stamps(resolved, "intended_at_ns"), waited)
        figures |= flat(f"latency_ms.{name}", made.model_dump())
    return figures


def flat(prefix: str, values: Mapping[str, Any]) -> Figures:
    """Nested values under dotted names."""
    figures: Figures = {}
    for name, value in values.items():
        figures |= flat(f"{prefix}.{name}", value) if isinstance(value, Mapping) else {f"{prefix}.{name}": value}
    return figures


def _with(table: pa.Table, *outcomes: str) -> pa.Table:
    return table.filter(pc.is_in(table["outcome"].cast(pa.string()), pa.array(outcomes)))


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
