"""Trials of a model ledger that puts first what came first, so that what it can bear is known exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.measure.inputs import TrialInput
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.record import BLOCK, NEVER, ROW
from tests.support.rows import OPERATIONS, worker_cpu

S = 1_000_000_000
DRAIN_S = 10.0


def queued_trial(
    *,
    rate: float = 1_000.0,
    blocks: int = 20,
    block_s: float = 1.0,
    warm_up_s: float = 3.0,
    poisson: bool = False,
    per_block: float = np.inf,
    confirmations: int = 0,
    seed: int = 1,
) -> TrialInput:
    """`rate` arrivals a second over a warm-up and a measure phase of `blocks` blocks; every block takes the oldest
    `per_block` of what has reached the ledger (about 20 ms after it was due, from case to case). The observer hears of
    a block up to 20 ms after it was made.
    """
    random = np.random.default_rng(seed)
    end_s = warm_up_s + blocks * block_s
    due = np.arange(int(rate * end_s)) / rate
    if poisson:
        due = np.sort(random.uniform(0, end_s, random.poisson(rate * end_s)))
    made = (np.arange(int((end_s + DRAIN_S) / block_s)) + random.uniform()) * block_s
    place = _block_of(due + 0.01 + random.gamma(2.0, 0.005, len(due)), made, per_block)
    observed = made + random.uniform(0, 0.02, len(made))
    return _trial(due, place, observed, confirmations, (warm_up_s, end_s), seed)


def _block_of(ready: NDArray[np.float64], made: NDArray[np.float64], per_block: float) -> NDArray[np.int64]:
    """Index of each transaction's block, `len(made)` where none takes it."""
    order = np.argsort(ready, kind="stable")
    waiting = np.searchsorted(ready[order], made)
    taken = np.zeros(len(made))
    room = 0.0
    for number, count in enumerate(waiting):
        room = min(room + per_block, float(count))
        taken[number] = np.floor(room)
    place = np.empty(len(ready), np.int64)
    place[order] = np.searchsorted(taken, np.arange(len(ready)), side="right")
    return place


def _trial(
    due: NDArray[np.float64],
    place: NDArray[np.int64],
    observed: NDArray[np.float64],
    confirmations: int,
    bounds: tuple[float, float],
    seed: int,
) -> TrialInput:
    stamps = np.append((observed * S).astype(np.int64), [NEVER] * (confirmations + 1))
    included = place < len(observed)
    final = place + confirmations < len(observed)
    rows = np.zeros(len(due), ROW)
    rows["index"] = np.arange(len(due))
    rows["intended_ns"] = (due * S).astype(np.int64)
    rows["submitted_ns"] = rows["intended_ns"] + 100_000
    rows["accepted_ns"] = rows["intended_ns"] + 5_000_000
    rows["committed_ns"] = stamps[place]
    rows["finalized_ns"] = stamps[np.minimum(place + confirmations, len(stamps) - 1)]
    rows["block"] = np.where(included, place, NEVER)
    rows["outcome"] = np.where(final, Outcome.FINALIZED, np.where(included, Outcome.COMMITTED, Outcome.UNRESOLVED))
    chain = np.zeros(len(observed), BLOCK)
    chain["ordinal"] = chain["height"] = np.arange(len(observed))
    chain["observed_ns"] = stamps[: len(observed)]
    chain["transactions"] = chain["own"] = np.bincount(place, minlength=len(observed) + 1)[: len(observed)]
    chain["gas_used"] = chain["size_bytes"] = NEVER
    warm_up, end = (int(bound * S) for bound in bounds)
    return TrialInput(
        trial=1,
        seed=seed,
        rows=rows,
        blocks=chain,
        planned=len(rows),
        phases=(
            PhaseSpan(Phase.WARM_UP, 0, warm_up),
            PhaseSpan(Phase.MEASURE, warm_up, end),
            PhaseSpan(Phase.DRAIN, end, end + int(DRAIN_S * S)),
        ),
        operations=OPERATIONS,
        resources=[worker_cpu(30)],
    )
