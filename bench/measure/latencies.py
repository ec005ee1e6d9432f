"""Latencies of what was intended inside the measure phase, counted from the intended time; beside them, of the same
rows, from the time of sending, which is what a generator that forgets its own lateness would print.

Which rows a latency is about, and which of them are censored (not seen by the end of the drain): submit lag has all
that was sent, reads too, because the lag is the generator's own; accept has accepted writes, censored where no answer
came; commit has valid writes, censored where unresolved; finality has final writes, censored where unresolved or
committed but not yet final; reads has answered reads, censored where no answer came in time. Rejected and failed
writes have none, nor have refused reads: a fast refusal is not a fast ledger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.measure.inputs import TrialInput
from bench.model.phase import Outcome
from bench.model.result import Latencies, Percentiles, SendLatencies
from bench.model.transaction import ErrorClass
from bench.stats.percentiles import percentiles

Mask = NDArray[np.bool_]
Ns = NDArray[np.int64]
_VALID = (Outcome.COMMITTED, Outcome.FINALIZED)
_REFUSED = (Outcome.DROPPED, Outcome.REJECTED)


@dataclass(frozen=True, slots=True)
class MeasuredRows:
    """The measure phase's part of a trial. Column views, so that a million rows are not copied."""

    trial: TrialInput
    intended: Ns
    inside: Mask
    write: Mask

    @classmethod
    def of(cls, trial: TrialInput) -> MeasuredRows:
        """Rows intended in [start, end) of the measure phase."""
        measure = trial.measure
        intended = np.ascontiguousarray(trial.rows["intended_ns"])
        inside = (intended >= measure.start_ns) & (intended < measure.end_ns)
        return cls(trial, intended, inside, trial.rows["kind"] == 0)

    def percentiles(
        self, stamp: str, resolved: Mask, censored: Mask | None = None, since: Ns | None = None
    ) -> Percentiles:
        """Latency from `since` (the intended time) to column `stamp` of the `resolved` rows inside the phase."""
        origin = self.intended if since is None else since
        ended = resolved & self.inside
        latencies = self.trial.rows[stamp][ended] - origin[ended]
        if censored is None:
            return percentiles(latencies)
        waited = np.maximum(self.trial.end_ns - origin[censored & self.inside], 0)
        return percentiles(latencies, waited)

    def accept(self, since: Ns | None = None) -> Percentiles:
        """Time to the node's answer, of accepted writes."""
        rows = self.trial.rows
        accepted = self.write & ~np.isin(rows["outcome"], _REFUSED)
        answered = rows["accepted_ns"] >= 0
        return self.percentiles("accepted_ns", accepted & answered, accepted & ~answered, since)

    def commit(self, since: Ns | None = None) -> Percentiles:
        """Time to valid inclusion, of writes."""
        outcome = self.trial.rows["outcome"]
        lost = self.write & (outcome == Outcome.UNRESOLVED)
        return self.percentiles("committed_ns", self.write & np.isin(outcome, _VALID), lost, since)

    def finality(self, operation: int | None = None, since: Ns | None = None) -> Percentiles:
        """Finality latency of writes, of all operations or one."""
        outcome = self.trial.rows["outcome"]
        unseen = (outcome == Outcome.UNRESOLVED) | (outcome == Outcome.COMMITTED)
        own = self._of(operation)
        return self.percentiles("finalized_ns", own & (outcome == Outcome.FINALIZED), own & unseen, since)

    def reads(self, operation: int | None = None) -> Percentiles:
        """Time to the answer of reads. One that was given up is censored. When that was is not in its row: what is
        known of its wait is the time until it was sent.
        """
        rows = self.trial.rows
        own = self.inside if operation is None else self.inside & (rows["operation"] == operation)
        answered = own & (rows["outcome"] == Outcome.ANSWERED)
        lost = own & (rows["outcome"] == Outcome.READ_FAILED) & (rows["error_class"] == ErrorClass.READ_TIMEOUT)
        waited = rows["submitted_ns"][lost] - self.intended[lost]
        return percentiles(rows["accepted_ns"][answered] - self.intended[answered], np.maximum(waited, 0))

    def _of(self, operation: int | None) -> Mask:
        return self.write if operation is None else self.write & (self.trial.rows["operation"] == operation)


def latencies(measured: MeasuredRows) -> Latencies:
    """The four latencies of a trial."""
    return Latencies(
        submit_lag=measured.percentiles("submitted_ns", measured.trial.rows["submitted_ns"] >= 0),
        accept=measured.accept(),
        commit=measured.commit(),
        finality=measured.finality(),
    )


def latencies_from_send(measured: MeasuredRows) -> SendLatencies:
    """The same rows and censoring, from the time of sending."""
    sent = np.ascontiguousarray(measured.trial.rows["submitted_ns"])
    return SendLatencies(
        accept=measured.accept(sent), commit=measured.commit(sent), finality=measured.finality(since=sent)
    )
