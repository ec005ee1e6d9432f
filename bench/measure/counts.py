"""Counts of a trial, and whether they add up: no planned operation may vanish between two columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.measure.record import Rows
from bench.model.phase import Outcome
from bench.model.result import Counts
from bench.model.transaction import ErrorClass

_READ = 1


@dataclass(frozen=True, slots=True)
class ReadCounts:
    """issued = answered + failed."""

    issued: int
    answered: int
    failed: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Completeness:
    """How the rows cover the plan of `planned` operations; the rest is zero when every index came exactly once."""

    planned: int
    missing: int
    duplicates: int
    outside: int


def count_writes(rows: Rows, planned: int, fillers: int = 0, unmatched_commits: int = 0) -> Counts:
    """`rows` with statuses joined; `planned` counts reads as well, because a missing row does not tell what it was."""
    write = rows["kind"] != _READ
    by_outcome = np.bincount(rows["outcome"][write], minlength=256)
    dropped = write & (rows["outcome"] == Outcome.DROPPED)
    causes = np.bincount(rows["error_class"][dropped], minlength=256)
    rejected, unresolved = int(by_outcome[Outcome.REJECTED]), int(by_outcome[Outcome.UNRESOLVED])
    finalized, expected = int(by_outcome[Outcome.FINALIZED]), int(by_outcome[Outcome.FAILED_EXPECTED])
    failed = int(by_outcome[Outcome.FAILED]) + expected
    submitted = int(np.count_nonzero(rows["submitted_ns"][write] >= 0))
    return Counts(
        planned=planned - int(np.count_nonzero(~write)),
        dropped=int(by_outcome[Outcome.DROPPED]),
        dropped_by={ErrorClass(code).label: int(causes[code]) for code in np.flatnonzero(causes).tolist()},
        submitted=submitted,
        rejected=rejected,
        accepted=submitted - rejected,
        committed=int(by_outcome[Outcome.COMMITTED]) + finalized,
        finalized=finalized,
        failed=failed,
        failed_expected=expected,
        unresolved=unresolved,
        fillers=fillers,
        unmatched_commits=unmatched_commits,
    )


def count_reads(rows: Rows) -> ReadCounts:
    """Reads of the whole trial."""
    outcomes = np.bincount(rows["outcome"][rows["kind"] == _READ], minlength=256)
    answered, failed = int(outcomes[Outcome.ANSWERED]), int(outcomes[Outcome.READ_FAILED])
    dropped = int(outcomes[Outcome.DROPPED])
    return ReadCounts(int(outcomes.sum()) - dropped, answered, failed, dropped)


def completeness(rows: Rows, planned: int) -> Completeness:
    """Compare the rows' indices with 0 … planned-1."""
    index = rows["index"]
    inside = index < planned
    seen = np.bincount(index[inside].astype(np.int64), minlength=planned)
    missing = int(np.count_nonzero(seen == 0))
    return Completeness(planned, missing, int(seen.sum()) - (planned - missing), int(np.count_nonzero(~inside)))


def conservation(counts: Counts, planned: int) -> list[str]:
    """What does not add up, as sentences; empty when everything does. `planned` is the number of planned writes."""
    dropped_by = sum(counts.dropped_by.values())
    equations = (
        ("planned = dropped + submitted", planned, counts.dropped + counts.submitted),
        ("submitted = rejected + accepted", counts.submitted, counts.rejected + counts.accepted),
        (
            "accepted = committed + failed + unresolved",
            counts.accepted,
            counts.committed + counts.failed + counts.unresolved,
        ),
        ("dropped = the sum of dropped_by", counts.dropped, dropped_by),
    )
    broken = [
        f"conservation is broken: {equation}, but {left:,} ≠ {right:,}"
        for equation, left, right in equations
        if left != right
    ]
    parts = (
        ("finalized ⊆ committed", counts.finalized, counts.committed),
        ("failed_expected ⊆ failed", counts.failed_expected, counts.failed),
    )
    broken += [f"conservation is broken: {part}, but {less:,} > {more:,}" for part, less, more in parts if less > more]
    negative = [name for name, value in counts if isinstance(value, int) and value < 0]
    return broken + [f"conservation is broken: {name} is negative" for name in negative]
