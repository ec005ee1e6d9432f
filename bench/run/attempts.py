"""From trials of a capacity search to what is published of it: each attempt, and the interval they add up to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from bench.measure.counts import completeness
from bench.measure.inputs import TrialInput
from bench.measure.latencies import MeasuredRows
from bench.measure.sustainable import sustained
from bench.measure.verdict import Evidence, blames_harness, judge
from bench.model.clock import NS_PER_S
from bench.model.result import Capacity, CapacityAttempt, ScalabilityFit, Trial, full_length_rates
from bench.run.search import CLEAR_SHARE, TOLERANCE, Ask, Search
from bench.stats.interval import median_interval, pass_probability_low
from bench.stats.scalability import fit_usl

Ended = Literal["converged", "budget", "harness-bound", "interrupted", "nothing-passed", "undecided", "failed"]


def attempt_of(asked: Ask, trial: TrialInput, made: Trial, slo_ns: int | None) -> CapacityAttempt:
    """Judge the trial that was run because of `asked`."""
    found = sustained(trial, made, slo_ns, trial.seed)
    harness_bound = found.harness_bound and (
        found.undecided or not _failed_all_the_same(trial, made, found.served_share)
    )
    finality = made.latency_ms.finality
    return CapacityAttempt(
        trial=trial.trial,
        kind=asked.kind,
        offered_per_s=asked.offered_per_s,
        goodput_per_s=made.rates.goodput_per_s,
        served_share=found.served_share,
        finality_p50_ms=finality.p50,
        finality_p99_ms=finality.p99,
        finality_p99_at_least_ms=finality.lower_bound.get("p99"),
        in_flight_slope_upper_per_s=found.in_flight_slope_upper_per_s,
        in_flight_mean=found.in_flight_mean,
        duration_s=asked.measure_ns / NS_PER_S,
        passed=found.passed,
        reasons=list(found.reasons),
        harness_bound=harness_bound,
        block_interval_s=made.blocks.interval_s_median,
        undecided=found.undecided,
        warm_up_needed_s=found.warm_up_needed_ns / NS_PER_S if found.warm_up_needed_ns else None,
    )


def _failed_all_the_same(trial: TrialInput, made: Trial, served_share: float) -> bool:
    """Whether the ledger failed although the trial is invalid: the load was sent in full, a tenth of it or more was not
    served, and the one thing wrong is that sends were late, by less than a hundredth of the time measured. So late a
    load is still that load.
    """
    if served_share >= CLEAR_SHARE:
        return False
    lateness_ns = (trial.measure.end_ns - trial.measure.start_ns) // 100
    patient = replace(trial, limits=replace(trial.limits, submit_lag_p99_ns=lateness_ns))
    complete = completeness(patient.rows, patient.planned)
    judged = judge(Evidence.of(patient, MeasuredRows.of(patient), made.counts, complete))
    return not blames_harness(judged.verdict)


def conclude(search: Search, ended: Ended, *, estimate: bool, notes: Sequence[str] = ()) -> Capacity:
    """What the search knows now, over or not. The low end is `TOLERANCE` below the rate that passed."""
    rules = search.rules
    at_low = [] if search.low is None else search.full(search.low)
    passes = sum(one.passed for one in at_low)
    return Capacity(
        low_per_s=None if search.low is None else search.low * (1 - TOLERANCE),
        high_per_s=_high_end(search),
        confirmed_trials=len(at_low),
        confirmed_passes=passes,
        pass_probability_low=_pass_probability_low(search, passes, len(at_low)),
        goodput_per_s=median_interval([one.goodput_per_s for one in at_low]),
        slo={} if rules.slo_ms is None else {"finality_p99_ms": rules.slo_ms},
        estimate=estimate or not at_low,
        ended=ended,
        attempts=search.attempts,
        fit=_fit(search.attempts),
        latency_at=_latency_at(search),
        notes=[*_doubts(search), *notes],
    )


def _pass_probability_low(search: Search, passes: int, trials: int) -> float | None:
    """Rates are tried until one passes often enough, so each of them had its chance to do so by luck: the 5 % that the
    statement may be wrong are shared out among them (Bonferroni).
    """
    if not trials:
        return None
    return pass_probability_low(passes, trials, 1 - 0.05 / full_length_rates(search.attempts))


def at_low_end(found: Capacity, trials: Sequence[Trial]) -> list[Trial]:
    """The full-length trials at the rate whose `1 - TOLERANCE` is the low end, of those that are in the bundle."""
    wanted = {
        one.trial
        for one in found.attempts
        if one.kind == "confirm"
        and not one.harness_bound
        and found.low_per_s is not None
        and math.isclose(one.offered_per_s * (1 - TOLERANCE), found.low_per_s)
    }
    return [trial for trial in trials if trial.trial in wanted]


def _high_end(search: Search) -> float | None:
    """Where it is not established yet, the lowest rate that failed clearly, in any trial: failures closer to the low
    end may be chance. None where nothing did.
    """
    high = search.high
    if high is None or high == search.harness_at or search.ended == "undecided":
        return None
    if search.established:
        return high
    clear = [
        one.offered_per_s
        for one in search.attempts
        if one.offered_per_s >= high and one.served_share < CLEAR_SHARE and not one.harness_bound
    ]
    return min(clear, default=None)


def _doubts(search: Search) -> list[str]:
    """What keeps the interval from being what it is when the search has run to its end."""
    notes = []
    low, high, rules = search.low, search.high, search.rules
    if search.ended == "undecided":
        return [_what_to_check(search)]
    if low is not None and not search.confirmed:
        count = len(search.full(low))
        notes.append(
            f"the low end passed {count} of the {rules.confirmations} full-length trials it was to pass"
            if count
            else "the low end passed short probes only; it is an estimate"
        )
    at_high = [one for one in search.attempts if one.offered_per_s == high]
    if high is not None and high == search.harness_at and at_high and all(one.undecided for one in at_high):
        notes.append(
            f"no upper end: at {high:,.4g}/s every write was refused, or what became final was too late to be held "
            "against the load; that says nothing about the ledger"
        )
    elif high is not None and high == search.harness_at:
        notes.append(
            f"no upper end: from {high:,.4g}/s on the harness, and not the ledger, was at its limit; add workers or "
            "larger batches"
        )
    elif high is not None and _high_end(search) is None:
        notes.append(f"no upper end: from {high:,.4g}/s on trials failed, but none so clearly that it cannot be chance")
    elif high is not None and not search.established:
        notes.append("the high end is not established: trials there failed, but too few to rule out chance")
    elif high is None and low is not None:
        notes.append("no upper end: nothing failed so far")
    if low is not None and high is not None and search.established and high / low > rules.step * 1.01:
        notes.append(
            f"wider than the {rules.resolution:.0%} aimed at: between its ends full-length trials neither pass nor "
            "fail reliably, because the ledger's speed differs from trial to trial"
        )
    return notes


def _what_to_check(search: Search) -> str:
    lowest = min(one.offered_per_s for one in search.attempts)
    return (
        f"undecided: no load passed, and at the lowest rates, down to {lowest:,.4g}/s, nothing became final or it came "
        "too late to be held against the load, so a ledger that bears nothing cannot be told from a set-up that cannot "
        "work: check the endpoint, its key or quota, the chain and the accounts, and that phases.warm_up and "
        "phases.drain are longer than finality; the reasons of the last attempt and the errors of its trial say more"
    )


def _fit(attempts: Sequence[CapacityAttempt]) -> ScalabilityFit | None:
    used = [one for one in attempts if not one.harness_bound]
    if not used:
        return None
    fit = fit_usl([one.offered_per_s for one in used], [one.goodput_per_s for one in used])
    return ScalabilityFit(
        gamma=fit.gamma,
        alpha=fit.alpha,
        beta=fit.beta,
        r_squared=fit.r_squared,
        rmse_per_s=fit.rmse,
        points=fit.points,
        lowest_offered_per_s=fit.lowest,
        highest_offered_per_s=fit.highest,
        peak_per_s=fit.peak,
        note=fit.note,
    )


def _latency_at(search: Search) -> dict[str, dict[str, float | None]]:
    """Finality latency of the curve trials, by percent of the rate that was confirmed."""
    curve = [one for one in search.attempts if one.kind == "curve" and not one.harness_bound]
    low = search.low
    if low is None:
        return {}
    return {
        f"{round(100 * one.offered_per_s / low)}": {
            "p50": one.finality_p50_ms,
            "p99": one.finality_p99_ms,
        }
        for one in curve
    }
