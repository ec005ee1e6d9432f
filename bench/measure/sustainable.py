"""Whether one trial shows that the ledger can bear its load for good. The judgement behind a highest sustainable load.

Five things must hold: (goodput + expected refusals) / offered ≥ 99 %; of the writes due in the measure phase, at most
1 % never became final, which is how a ledger is found that died just before the end of the phase; the upper 95 % bound
of the slope of the backlog is within 1 % of the offered load, which shows that it is small, where "not significantly
rising" would pass whatever is noisy; p99 finality is within the service level; and the verdict on the trial is valid.

A share of 99 % cannot be told in 20 blocks unless both sides of it are counted alike. Goodput runs from one block to
another (`bench.stats.window`). What it can hold at most is what was intended in that window *one shortest finality
latency earlier* (1st percentile): a block holds what came up to that long before it was seen. So the offered load is
counted in the window shifted by so much, from its own arrivals, not as a nominal rate times a length. The backlog is
taken just after each block by the same shift, for the same reason: before it, up to a block's worth of arrivals adds
their chance. Simulated, 100 trials of 20 blocks of 1 s each, of a ledger that puts everything into its next block: with
offered load counted in the plain phase 18 % miss 99 % at 20/s Poisson arrivals, and 17 % at 100/s with finality two
blocks later; counted so, every trial passes, constant or Poisson, 20 to 1,000/s. Of a ledger whose blocks are 3 % too
small for 1,000/s, no trial passes with constant arrivals, and 1 % do with Poisson ones, by drawing fewer of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from bench.measure.drift import TOLERATED_SHARE, Course, mean_in_flight
from bench.measure.inputs import TrialInput
from bench.measure.latencies import MeasuredRows
from bench.measure.losses import TOLERATED_LOSS, Losses
from bench.measure.pipeline import Pipeline
from bench.measure.rates import goodput_window
from bench.measure.verdict import blames_harness
from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.model.phase import Outcome
from bench.model.reasons import nothing_final, only_began_empty, tells_of_ledger
from bench.model.result import Percentiles, Trial
from bench.stats.percentiles import minimal_count
from bench.stats.steady_state import FEWEST_POINTS
from bench.stats.window import Window

SERVED_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Sustained:
    """`reasons` say what failed; empty when `passed`. `harness_bound`: the trial is invalid through no fault of the
    ledger, or a rule could not be tested, so that nothing was learnt about it. The slope and the mean are transactions
    (per second) in flight.

    `undecided`: this trial alone cannot tell whether the ledger bears the load, since nothing became final, or so late
    that what could have been final in it was due before the load began. `warm_up_needed_ns` would have been long enough
    where the warm-up was not, else 0.
    """

    served_share: float
    in_flight_slope_upper_per_s: float | None
    in_flight_mean: float
    passed: bool
    harness_bound: bool
    reasons: list[str] = field(default_factory=list)
    undecided: bool = False
    warm_up_needed_ns: int = 0


def sustained(trial: TrialInput, made: Trial, slo_finality_p99_ns: int | None, seed: int) -> Sustained:
    """Judge `trial`, of which `made` was made, over the measure phase as applied. `seed` is the bootstrap's."""
    measured = MeasuredRows.of(trial)
    if trial.measure.end_ns <= trial.measure.start_ns:
        reasons = [*_verdict(made), "the measure phase is empty"]
        return Sustained(0.0, None, 0.0, passed=False, harness_bound=_taught_nothing(made), reasons=reasons)
    window = goodput_window(trial)
    course = Course.of(measured, seed)
    offered = _shifted(window, course.lag_ns).count(measured.intended[measured.write])
    finalized = trial.rows["finalized_ns"]
    served = window.count(finalized[np.isin(trial.rows["outcome"], (Outcome.FINALIZED, Outcome.FAILED_EXPECTED))])
    pipeline = Pipeline.of(trial, measured)
    too_late = pipeline.began_empty and not offered
    reasons = [
        *_verdict(made),
        *([_too_late(pipeline)] if too_late else _share(served, offered, window)),
        *_unfinished(Losses.of(measured)),
        *_backlog(course, offered / window.seconds),
        *_finality(made.latency_ms.finality, slo_finality_p99_ns),
    ]
    return Sustained(
        served_share=served / offered if offered else 0.0,
        in_flight_slope_upper_per_s=course.upper_per_s,
        in_flight_mean=mean_in_flight(measured, window.start_ns, window.end_ns),
        passed=not reasons,
        harness_bound=_taught_nothing(made) or too_late,
        reasons=reasons,
        undecided=nothing_final(made.verdict) or too_late,
        warm_up_needed_ns=pipeline.warm_up_ns if pipeline.began_empty else 0,
    )


def _shifted(window: Window, lag_ns: int) -> Window:
    return replace(window, start_ns=window.start_ns - lag_ns, end_ns=window.end_ns - lag_ns)


def _taught_nothing(made: Trial) -> bool:
    """Whether the trial says nothing about the ledger. One in which the ledger let nothing be sent, or took what was
    sent and let nothing become final, is undecided, and says enough where lower loads passed.
    """
    verdict = made.verdict
    untested = verdict.status == "undecided" and not tells_of_ledger(verdict) and made.latency_ms.submit_lag.count > 0
    return untested or blames_harness(verdict)


def _verdict(made: Trial) -> list[str]:
    """An empty start is no reason here: what was offered is counted earlier by the latency, so both sides lack it."""
    verdict = made.verdict
    if only_began_empty(verdict):
        return []
    return [f"the trial is {verdict.status}: {reason}" for reason in verdict.reasons if verdict.status != "valid"]


def _too_late(pipeline: Pipeline) -> str:
    return (
        "the share served is not known: what could become final in the measure phase was due before the load began; a "
        f"warm-up of {math.ceil(pipeline.warm_up_ns / NS_PER_S)} s is needed"
    )


def _share(served: int, offered: int, window: Window) -> list[str]:
    if not window.blocks:
        return [f"the share served is not known to a block: {window.note}"]
    if not offered:
        return ["nothing was offered"]
    if served >= SERVED_SHARE * offered:
        return []
    return [
        f"{served / offered:.2%} of what was offered came through ({served:,} of {offered:,}, {window.blocks} blocks), "
        f"at least {SERVED_SHARE:.0%} is needed"
    ]


def _unfinished(losses: Losses) -> list[str]:
    if not losses.unfinished_too_many():
        return []
    return [
        f"{losses.unfinished / losses.offered:.2%} of the writes due in the measure phase never became final "
        f"({losses.unfinished:,} of {losses.offered:,}), at most {TOLERATED_LOSS:.0%} is allowed"
    ]


def _backlog(course: Course, offered_per_s: float) -> list[str]:
    upper = course.upper_per_s
    if upper is None:
        points = len(course.backlog)
        return [f"whether transactions pile up is not known: {points} points, at least {FEWEST_POINTS} are needed"]
    if upper <= TOLERATED_SHARE * offered_per_s:
        return []
    return [
        f"transactions in flight may grow by {upper:,.1f} each second (upper 95 % bound), at most 1 % of the "
        f"{offered_per_s:,.0f}/s offered is allowed"
    ]


def _finality(finality: Percentiles, slo_ns: int | None) -> list[str]:
    if slo_ns is None:
        return []
    bound = f"the service level is {slo_ns / NS_PER_MS:,.0f} ms"
    if finality.p99 is not None:
        over = finality.p99 > slo_ns / NS_PER_MS
        return [f"p99 finality is {finality.p99:,.0f} ms, {bound}"] if over else []
    if "p99" in finality.lower_bound:
        lost = f"{finality.censored:,} of {finality.count:,} never became final"
        return [f"p99 finality is at least {finality.lower_bound['p99']:,.0f} ms ({lost}), {bound}"]
    return [f"p99 finality is not known: {finality.count:,} samples, {minimal_count('p99'):,} are needed; {bound}"]
