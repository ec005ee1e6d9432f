"""What of the offered load came to nothing, because latencies speak only of the rest.

A ledger that refuses half of what comes can be quick with the other half. So figures of those that survived are not
held against others', nor against a service level, where more than `TOLERATED_LOSS` of the writes have no latency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.measure.latencies import MeasuredRows
from bench.model.phase import Outcome, Phase
from bench.model.result import Trial
from bench.model.transaction import ErrorClass

TOLERATED_LOSS = 0.01
"""Of the writes due in the measure phase. A larger loss alone decides what p99 of all of them would be."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Writes due in the measure phase. `turned_away`: refused by the ledger, or not sent because too many were in
    flight. `unfinished`: neither final nor refused as the workload expected, for whatever cause.
    """

    offered: int
    turned_away: int
    unfinished: int

    @classmethod
    def of(cls, measured: MeasuredRows) -> Losses:
        """Exactly, from the rows."""
        rows = measured.trial.rows[measured.inside & measured.write]
        outcome = rows["outcome"]
        at_bound = (outcome == Outcome.DROPPED) & (rows["error_class"] == ErrorClass.IN_FLIGHT_BOUND)
        ended = np.isin(outcome, (Outcome.FINALIZED, Outcome.FAILED_EXPECTED))
        return cls(
            offered=len(rows),
            turned_away=int(np.count_nonzero(at_bound | (outcome == Outcome.REJECTED))),
            unfinished=int(np.count_nonzero(~ended)),
        )

    def turned_away_too_many(self) -> bool:
        """Whether that is more than may be neglected."""
        return self.turned_away > TOLERATED_LOSS * self.offered

    def unfinished_too_many(self) -> bool:
        """Likewise."""
        return self.unfinished > TOLERATED_LOSS * self.offered


def without_latency_share(trial: Trial) -> float:
    """Share of the writes due in the measure phase that were dropped, rejected or failed unexpectedly: what is left of
    those offered without the sample of finality. Of the expected refusals the larger of two shares is taken off, that
    of the trial's writes and that of the rates: exact where there are none.
    """
    offered, sample = _offered(trial), trial.latency_ms.finality.count
    if not offered:
        return 0.0
    counts, rates = trial.counts, trial.rates
    of_trial = counts.failed_expected / counts.planned if counts.planned else 0.0
    expected = max(of_trial, rates.expected_refusals_per_s / rates.offered_per_s)
    return max(0.0, 1 - expected - sample / offered)


def never_final_share(trial: Trial) -> float:
    """The same with those that were accepted and not final when waiting ended."""
    offered = _offered(trial)
    return without_latency_share(trial) + (trial.latency_ms.finality.censored / offered if offered else 0.0)


def _offered(trial: Trial) -> int:
    """Writes due in the measure phase."""
    length_s = sum(part.end_s - part.start_s for part in trial.phases if part.phase == Phase.MEASURE)
    return round(trial.rates.offered_per_s * length_s)
