"""Rates of the measure phase, writes only: what was offered, sent, taken, and finalised as valid.

Goodput counts finalisations by their own time. Blocks make finalisations arrive in lumps, so a window that cuts through
the rhythm of blocks gains or loses up to one of them at each edge; the window therefore runs from one block's stamp to
another's. A cohort's late commits in the drain are not goodput: counting them would hide overload.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.measure.inputs import TrialInput
from bench.model.clock import NS_PER_S
from bench.model.phase import Outcome, PhaseSpan
from bench.model.result import Rates

FEWEST_BOUNDARIES = 3
STALL_INTERVALS = 3.0
STALL_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Window:
    """Finalisations with start < time ≤ end count. `blocks` is 0 for a plain window, and `note` then says why."""

    start_ns: int
    end_ns: int
    blocks: int
    note: str = ""

    def count(self, times: NDArray[np.int64]) -> int:
        """How many of `times` (-1: never) fall into it."""
        return int(np.count_nonzero((times > self.start_ns) & (times <= self.end_ns) & (times >= 0)))


def block_window(stamps: NDArray[np.int64], measure: PhaseSpan) -> Window:
    """A whole number of blocks inside `measure`; `stamps` are the arrival times of the chain's blocks, in any order.

    Without three blocks there is no rhythm to align to. And a ledger that stops making blocks must not be measured over
    the part in which it still did: when the edges outside the blocks are longer than `STALL_INTERVALS` usual intervals
    and `STALL_SHARE` of the phase, the whole phase counts.
    """
    inside = np.sort(stamps[(stamps >= measure.start_ns) & (stamps <= measure.end_ns)])
    if len(inside) < FEWEST_BOUNDARIES:
        return _plain(measure, f"{len(inside)} block boundaries lie in it, {FEWEST_BOUNDARIES} are needed")
    first, last = int(inside[0]), int(inside[-1])
    edge = max(first - measure.start_ns, measure.end_ns - last)
    usual = float(np.median(np.diff(inside)))
    if last == first or edge > max(STALL_INTERVALS * usual, STALL_SHARE * (measure.end_ns - measure.start_ns)):
        return _plain(
            measure,
            f"no block came for {edge / NS_PER_S:.1f} s at an edge of it, while blocks usually come every "
            f"{usual / NS_PER_S:.3f} s",
        )
    return Window(first, last, len(inside) - 1)


def rates(trial: TrialInput) -> tuple[Rates, str]:
    """Per second over the measure phase, and a note where goodput could not be aligned to blocks (else empty)."""
    measure = trial.measure
    if measure.end_ns <= measure.start_ns:
        return Rates(
            offered_per_s=0, submitted_per_s=0, accepted_per_s=0, goodput_per_s=0
        ), "the measure phase is empty"
    rows = trial.rows
    write = rows["kind"] == 0
    outcome = rows["outcome"]
    chain = trial.blocks["observed_ns"][trial.blocks["orphaned"] == 0]
    window = block_window(chain, measure)
    length_s = (measure.end_ns - measure.start_ns) / NS_PER_S
    window_s = (window.end_ns - window.start_ns) / NS_PER_S
    plain = _plain(measure)
    finalized = rows["finalized_ns"]
    return (
        Rates(
            offered_per_s=plain.count(rows["intended_ns"][write]) / length_s,
            submitted_per_s=plain.count(rows["submitted_ns"][write]) / length_s,
            accepted_per_s=plain.count(rows["accepted_ns"][write & (outcome != Outcome.REJECTED)]) / length_s,
            goodput_per_s=window.count(finalized[outcome == Outcome.FINALIZED]) / window_s,
            expected_refusals_per_s=window.count(finalized[outcome == Outcome.FAILED_EXPECTED]) / window_s,
            blocks=window.blocks,
            window_s=window_s,
        ),
        window.note,
    )


def _plain(measure: PhaseSpan, reason: str = "") -> Window:
    """[start, end) of the phase, which in whole nanoseconds is (start - 1, end - 1]."""
    note = f"goodput is over the plain measure phase: {reason}" if reason else ""
    return Window(measure.start_ns - 1, measure.end_ns - 1, 0, note)
