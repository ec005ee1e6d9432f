"""Whether transactions could become final at all when measuring began, and whether any ever did.

What becomes final at the opening of goodput's window was due one finality latency before. Where nothing was due then,
because the load was younger than that, the difference counts with nothing in it, and goodput is understated by its
share of the window, however well the ledger keeps up. The shortest latency is what decides (1st percentile of the
trial): the first transaction itself may have waited for a block, and that block holds all that came meanwhile. And
where something was final before the window opened, the pipeline was not empty, however long latencies grew under load.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.measure.inputs import TrialInput
from bench.measure.latencies import MeasuredRows
from bench.measure.rates import goodput_window
from bench.model.clock import NS_PER_S
from bench.model.phase import Outcome
from bench.model.transaction import ErrorClass

EMPTY_SHARE = 0.01
"""In so much of goodput's window nothing may become final yet: it moves goodput by no more than a trial can tell."""
_SHORTEST = 0.01
_ON_CHAIN_INVALID = (Outcome.FAILED, Outcome.FAILED_EXPECTED)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Writes of the whole trial; times are ns since the start signal, and `first_final_ns` is null where none became
    final. `executed` counts those that ended in a block, valid or not; `final_inside` those that became final in the
    measure phase. `empty_share` is the part of goodput's window in which nothing could become final yet. `warm_up_ns`
    would have been long enough: the first finality, and one block more, since a block may just have been missed.
    """

    sent: int
    refused: int
    executed: int
    valid: int
    first_final_ns: int | None
    final_inside: int
    empty_share: float
    warm_up_ns: int

    @classmethod
    def of(cls, trial: TrialInput, measured: MeasuredRows) -> Pipeline:
        """Read it off the rows and blocks."""
        rows, write = trial.rows, measured.write
        outcome = rows["outcome"]
        finalized = rows["finalized_ns"][write]
        reached = finalized[finalized >= 0]
        first = int(reached.min()) if len(reached) else None
        invalid = write & np.isin(outcome, _ON_CHAIN_INVALID)
        valid = write & np.isin(outcome, (Outcome.COMMITTED, Outcome.FINALIZED))
        unknown = write & (rows["error_class"] == ErrorClass.STATUS_UNKNOWN)
        return cls(
            sent=int(np.count_nonzero(write & (rows["submitted_ns"] >= 0))),
            refused=int(np.count_nonzero(write & (outcome == Outcome.REJECTED))),
            executed=int(np.count_nonzero(invalid | valid | unknown)),
            valid=int(np.count_nonzero(valid)),
            first_final_ns=first,
            final_inside=int(np.count_nonzero((reached >= trial.measure.start_ns) & (reached < trial.measure.end_ns))),
            empty_share=0.0 if first is None else _empty_share(trial, measured, first),
            warm_up_ns=0 if first is None else first + _block_interval_ns(trial),
        )

    @property
    def nothing_final(self) -> bool:
        """Whether what was sent came to nothing, and not because the ledger executed it and found it invalid."""
        return self.sent > 0 and self.first_final_ns is None and self.executed == self.valid

    @property
    def began_empty(self) -> bool:
        """Whether the warm-up was too short for anything to be final when measuring began."""
        return self.first_final_ns is not None and self.empty_share > EMPTY_SHARE


def _empty_share(trial: TrialInput, measured: MeasuredRows, first_ns: int) -> float:
    if trial.measure.end_ns <= trial.measure.start_ns:
        return 0.0
    window, due, finalized = goodput_window(trial), measured.intended, trial.rows["finalized_ns"]
    final = measured.write & (finalized >= 0)
    shortest_ns = int(np.quantile(finalized[final] - due[final], _SHORTEST))
    begun_ns = int(due[measured.write].min())
    filled_ns = min(first_ns, begun_ns + shortest_ns, window.end_ns)
    return max(0, filled_ns - max(window.start_ns, begun_ns)) / NS_PER_S / window.seconds


def _block_interval_ns(trial: TrialInput) -> int:
    blocks = trial.blocks
    stamps = np.unique(blocks["observed_ns"][(blocks["orphaned"] == 0) & (blocks["observed_ns"] >= 0)])
    return int(np.median(np.diff(stamps))) if len(stamps) > 1 else 0
