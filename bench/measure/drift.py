"""Whether the trial stood still while it was measured: slopes of the backlog and of goodput, block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.measure.latencies import MeasuredRows
from bench.measure.losses import Losses
from bench.measure.series import Bins, Ns, Values, backlog, goodput, quickest_ns
from bench.model.clock import NS_PER_S
from bench.model.phase import Outcome
from bench.model.result import Drift
from bench.stats.steady_state import FEWEST_POINTS, slope_upper_bound, theil_sen_slope

TOLERATED_SHARE = 0.01
"""Of the offered load: a backlog that rises more slowly is none in a trial of any length people wait for."""
RISING = "backlog grows:"
"""How the note begins when the ledger did not keep up for certain, and by more than may be neglected."""
TURNED_AWAY = "did not keep up:"
"""How it begins when nothing need have piled up, because what was too much was refused or never sent."""


@dataclass(frozen=True, slots=True)
class Course:
    """The measure phase as series. `lag_ns` is the shortest finality latency, see `bench.measure.series.backlog`.

    `upper_per_s` is the upper 95 % bound of the backlog's slope, None with fewer than `FEWEST_POINTS` edges.
    """

    measured: MeasuredRows
    bins: Bins
    lag_ns: int
    backlog: Ns
    upper_per_s: float | None
    seed: int

    @classmethod
    def of(cls, measured: MeasuredRows, seed: int) -> Course:
        """Of the measure phase as applied. `seed` is the bootstrap's."""
        trial = measured.trial
        bins = Bins.of(trial.blocks, trial.measure)
        final = measured.inside & measured.write & (trial.rows["outcome"] == Outcome.FINALIZED)
        lag_ns = quickest_ns(trial.rows["finalized_ns"][final] - measured.intended[final])
        series = backlog(trial.rows, bins, lag_ns)
        return cls(measured, bins, lag_ns, series, slope_upper_bound(bins.edges_s, series, seed), seed)

    def slope_per_s(self) -> float | None:
        """Theil–Sen, of the backlog."""
        return _slope(self.bins.edges_s, self.backlog)

    def lower_per_s(self) -> float | None:
        """The lower 95 % bound of the backlog's slope."""
        turned = slope_upper_bound(self.bins.edges_s, -self.backlog, self.seed)
        return None if turned is None else -turned


def drift(course: Course, offered_per_s: float) -> Drift:
    """The two slopes, and in words what they mean for whoever would run this load for longer."""
    trial = course.measured.trial
    rate = goodput(trial.rows, course.bins)
    slope = course.slope_per_s()
    return Drift(
        in_flight_per_s=slope,
        in_flight_upper_per_s=course.upper_per_s,
        goodput_per_s2=_slope(course.bins.centres_s, rate),
        note=_note(course, slope, offered_per_s),
    )


def _note(course: Course, slope: float | None, offered_per_s: float) -> str:
    losses = Losses.of(course.measured)
    if losses.turned_away_too_many():
        return (
            f"{TURNED_AWAY} {100 * losses.turned_away / losses.offered:.1f} % refused or not sent because too much was "
            f"waiting ({losses.turned_away:,} of {losses.offered:,} writes). Those need not pile up, and have no "
            "latency: the latencies are of the rest"
        )
    return _note_on_slope(course, slope, offered_per_s)


def _note_on_slope(course: Course, slope: float | None, offered_per_s: float) -> str:
    if slope is None or course.upper_per_s is None:
        points = len(course.backlog)
        return f"not tested: {points} points ({course.bins.unit}), at least {FEWEST_POINTS} are needed"
    if not course.measured.trial.steady_load:
        return "not judged: the offered load changes by design, and the transactions in flight with it"
    lower = course.lower_per_s()
    if lower is not None and lower > 0 and slope > TOLERATED_SHARE * offered_per_s:
        length_s = float(course.bins.edges_s[-1])
        return (
            f"{RISING} the ledger did not keep up with {offered_per_s:,.0f}/s. The transactions waiting for it grew by "
            f"{slope:,.1f} each second, in {length_s:.0f} s from {course.backlog[0]:,} to {course.backlog[-1]:,}, so a "
            "longer run would show longer latencies: goodput is what it can do, these latencies are not what it offers"
        )
    if course.upper_per_s <= TOLERATED_SHARE * offered_per_s:
        return (
            f"steady: the transactions waiting for the ledger grew by at most {max(0.0, course.upper_per_s):,.1f} each "
            f"second, within 1 % of the {offered_per_s:,.0f}/s offered"
        )
    return (
        f"undecided: the transactions waiting for the ledger may have grown by up to {course.upper_per_s:,.1f} each "
        f"second of {offered_per_s:,.0f}/s offered; a longer measure phase would tell"
    )


def _slope(times: Values, values: Values | Ns) -> float | None:
    if len(times) < FEWEST_POINTS:
        return None
    return theil_sen_slope(times, np.asarray(values, float))


def mean_in_flight(measured: MeasuredRows, start_ns: int, end_ns: int) -> float:
    """Mean over time of the writes that were intended, neither dropped nor refused, and not final or failed yet."""
    rows = measured.trial.rows
    taken = measured.write & ~np.isin(rows["outcome"], (Outcome.DROPPED, Outcome.REJECTED))
    ended = rows["finalized_ns"][taken]
    last = np.where(ended >= 0, ended, end_ns)
    spent = np.clip(last, start_ns, end_ns) - np.clip(measured.intended[taken], start_ns, end_ns)
    return float(spent.sum() / NS_PER_S) / ((end_ns - start_ns) / NS_PER_S)
