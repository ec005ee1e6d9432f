"""Rows and blocks for tests, written as what differs from an ordinary finalised transfer. Times in ms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.measure.inputs import TrialInput
from bench.model.operation import Kind
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.record import BLOCK, NEVER, ROW
from bench.model.result import ProcessResources
from bench.model.transaction import ErrorClass
from bench.model.workload import OperationInfo

MS = 1_000_000
OPERATIONS = (OperationInfo("pay", Kind.WRITE, 1, "pay"), OperationInfo("look", Kind.READ, 1, "look"))

Row = dict[str, int]


def write(
    intended: float,
    *,
    outcome: Outcome = Outcome.FINALIZED,
    error: ErrorClass = ErrorClass.NONE,
    submitted: float | None = None,
    accepted: float | None = None,
    committed: float = 100,
    finalized: float | None = None,
    block: int = 0,
    position: int = 0,
    expects_refusal: bool = False,
) -> Row:
    """A write; stamps default to 1 ms after intended, 2 ms after intended, `committed`, `committed`."""
    sent = outcome is not Outcome.DROPPED
    included = outcome in (Outcome.COMMITTED, Outcome.FINALIZED, Outcome.FAILED, Outcome.FAILED_EXPECTED)
    final = included and outcome is not Outcome.COMMITTED
    last = committed if finalized is None else finalized
    return {
        "intended_ns": int(intended * MS),
        "submitted_ns": int((intended + 1 if submitted is None else submitted) * MS) if sent else NEVER,
        "accepted_ns": (
            int((intended + 2 if accepted is None else accepted) * MS)
            if sent and outcome is not Outcome.REJECTED and accepted != NEVER
            else NEVER
        ),
        "committed_ns": int(committed * MS) if included else NEVER,
        "finalized_ns": int(last * MS) if final else NEVER,
        "block": block if included else NEVER,
        "position": position if included else NEVER,
        "outcome": outcome,
        "error_class": error,
        "expects_refusal": int(expects_refusal),
        "kind": 0,
        "operation": 0,
    }


def read(intended: float, *, answered: float | None = None, error: ErrorClass = ErrorClass.NONE) -> Row:
    """A read; `answered` None means it failed with `error`."""
    return {
        "intended_ns": int(intended * MS),
        "submitted_ns": int((intended + 1) * MS),
        "accepted_ns": NEVER if answered is None else int(answered * MS),
        "committed_ns": NEVER,
        "finalized_ns": NEVER,
        "block": NEVER,
        "position": NEVER,
        "outcome": Outcome.READ_FAILED if answered is None else Outcome.ANSWERED,
        "error_class": error,
        "kind": 1,
        "operation": 1,
    }


def table(rows: Sequence[Row]) -> NDArray[np.void]:
    """A `ROW` array with indices 0 … n-1."""
    made = np.zeros(len(rows), ROW)
    made["index"] = np.arange(len(rows))
    for place, row in enumerate(rows):
        for name, value in row.items():
            made[name][place] = value
    return made


def chain(stamps_ms: Sequence[float], transactions: int = 1, orphaned: Sequence[int] = ()) -> NDArray[np.void]:
    """Blocks 0 … n-1 at these times."""
    made = np.zeros(len(stamps_ms), BLOCK)
    made["ordinal"] = made["height"] = np.arange(len(stamps_ms))
    made["observed_ns"] = np.asarray(stamps_ms, float) * MS
    made["transactions"] = made["own"] = transactions
    made["orphaned"] = np.isin(made["ordinal"], orphaned)
    return made


def worker_cpu(percent: float, process: str = "worker-0", phase: str = "measure") -> ProcessResources:
    """A worker's share of a core."""
    return ProcessResources(
        process=process,
        role="harness",
        phase=phase,
        cpu_percent_mean=percent,
        cpu_percent_max=percent,
        rss_bytes_max=1,
        cpu_s=1,
        read_bytes=0,
        write_bytes=0,
    )


def trial_input(rows: Sequence[Row], blocks: NDArray[np.void], /, **changes: object) -> TrialInput:
    """A trial with warm-up to 1 s, measure phase from 1 s to 11 s and drain to 20 s; a calm worker."""
    made = table(rows)
    values: dict[str, object] = {
        "trial": 1,
        "seed": 1,
        "rows": made,
        "blocks": blocks,
        "planned": len(made),
        "phases": (
            PhaseSpan(Phase.WARM_UP, 0, 1_000 * MS),
            PhaseSpan(Phase.MEASURE, 1_000 * MS, 11_000 * MS),
            PhaseSpan(Phase.DRAIN, 11_000 * MS, 20_000 * MS),
        ),
        "operations": OPERATIONS,
        "resources": [worker_cpu(30)],
    }
    return TrialInput(**(values | changes))  # type: ignore[arg-type]
