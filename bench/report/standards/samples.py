"""Latencies and read rates of one trial that need its rows: the result file has no minimum, deviation or read rate.

The rows are those of `bench.measure.latencies`: intended in the measure phase, censored where they never ended. So the
averages from the due time are those of the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.bundle.reader import Bundle
from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.model.operation import Kind
from bench.model.phase import Outcome, Phase
from bench.model.result import Percentiles, Trial
from bench.stats.percentiles import percentiles

Ns = NDArray[np.int64]
Mask = NDArray[np.bool_]
_NEVER = -1
_FEWEST_FOR_DEVIATION = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """Latencies of one trial in ms. `low` is null where an unfinished one may have been faster, `std` (n − 1) where
    any never finished.
    """

    percentiles: Percentiles
    low: float | None
    std: float | None


@dataclass(frozen=True, slots=True)
class TrialSamples:
    """Of one trial: writes until final and until committed, reads until answered, from sending and from the due time.
    `answered_per_s`: reads answered in the measure phase, by the time of their answer.
    """

    final_from_sending: Sample
    final_from_due: Sample
    committed_from_sending: Sample
    committed_from_due: Sample
    read_from_sending: Sample
    read_from_due: Sample
    answered_per_s: float


def trial_samples(bundle: Bundle, trial: Trial) -> TrialSamples:
    """Read the trial's rows and take what the metrics need."""
    rows = _Rows.of(bundle, trial)
    write, read = rows.kind(Kind.WRITE), rows.kind(Kind.READ)
    final = write & rows.ended(Outcome.FINALIZED)
    committed = final | (write & rows.ended(Outcome.COMMITTED))
    unresolved = write & rows.ended(Outcome.UNRESOLVED)
    unseen = unresolved | (write & rows.ended(Outcome.COMMITTED))
    answered = read & rows.ended(Outcome.ANSWERED)
    nothing = np.zeros(len(write), bool)
    return TrialSamples(
        final_from_sending=rows.sample("finalized", "submitted", final, unseen),
        final_from_due=rows.sample("finalized", "intended", final, unseen),
        committed_from_sending=rows.sample("committed", "submitted", committed, unresolved),
        committed_from_due=rows.sample("committed", "intended", committed, unresolved),
        read_from_sending=rows.sample("accepted", "submitted", answered, nothing),
        read_from_due=rows.sample("accepted", "intended", answered, nothing),
        answered_per_s=rows.rate("accepted", answered),
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """One trial's rows. Columns are read when they are needed: a million rows of all of them would be 100 MB."""

    bundle: Bundle
    trial: int
    start_ns: int
    end_ns: int
    given_up_ns: int

    @classmethod
    def of(cls, bundle: Bundle, trial: Trial) -> _Rows:
        """`given_up_ns` is when waiting for what was still open ended."""
        measure = next(part for part in trial.phases if part.phase == Phase.MEASURE)
        given_up_s = max(part.end_s for part in trial.phases)
        return cls(bundle, trial.trial, _ns(measure.start_s), _ns(measure.end_s), _ns(given_up_s))

    def kind(self, kind: Kind) -> Mask:
        return _equal(self._column("kind"), kind.value)

    def ended(self, outcome: Outcome) -> Mask:
        return _equal(self._column("outcome"), outcome.label)

    def sample(self, until: str, since: str, ended: Mask, open_: Mask) -> Sample:
        """Latencies of the `ended` rows that were due in the measure phase; the `open_` ones are lower bounds."""
        intended = self._stamps("intended")
        inside = (intended >= self.start_ns) & (intended < self.end_ns)
        begun = intended if since == "intended" else self._stamps(since)
        latencies = (self._stamps(until) - begun)[ended & inside]
        bounds = np.maximum(self.given_up_ns - begun[open_ & inside], 0)
        return _sample(latencies, bounds)

    def rate(self, stamp: str, which: Mask) -> float:
        """Per second of the measure phase."""
        times = self._stamps(stamp)[which]
        inside = (times >= self.start_ns) & (times < self.end_ns)
        length_s = (self.end_ns - self.start_ns) / NS_PER_S
        return int(np.count_nonzero(inside)) / length_s if length_s > 0 else 0.0

    def _stamps(self, name: str) -> Ns:
        stamps: Ns = pc.fill_null(self._column(f"{name}_at_ns"), _NEVER).to_numpy()
        return stamps

    def _column(self, name: str) -> pa.ChunkedArray:
        return self.bundle.transactions(self.trial, [name])[name]


def _sample(latencies: Ns, bounds: Ns) -> Sample:
    low = int(latencies.min()) if len(latencies) else None
    if low is not None and len(bounds) and int(bounds.min()) < low:
        low = None
    known = len(latencies) >= _FEWEST_FOR_DEVIATION and not len(bounds)
    return Sample(
        percentiles=percentiles(latencies, bounds),
        low=None if low is None else low / NS_PER_MS,
        std=float(latencies.std(ddof=1)) / NS_PER_MS if known else None,
    )


def _equal(column: pa.ChunkedArray, label: str) -> Mask:
    found: Mask = pc.equal(column, label).to_numpy()
    return found


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
