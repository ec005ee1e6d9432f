"""From trials to the summary of a run: medians over trials, their intervals, one verdict."""

from __future__ import annotations

from collections.abc import Sequence

from bench.model.result import Interval, Summary, Trial, Verdict
from bench.stats.interval import median_interval

LATENCIES = ("submit_lag", "accept", "commit", "finality")
QUANTITIES = ("p50", "p90", "p95", "p99", "p999", "max", "mean")


def summarise_trials(trials: Sequence[Trial]) -> Summary:
    """A single invalid trial makes the run invalid; below five trials intervals are null."""
    return Summary(
        verdict=_verdict(trials),
        goodput_per_s=median_interval([trial.rates.goodput_per_s for trial in trials]),
        offered_per_s=median_interval([trial.rates.offered_per_s for trial in trials]),
        latency_ms={
            latency: {quantity: _over_trials(trials, latency, quantity) for quantity in QUANTITIES}
            for latency in LATENCIES
        },
    )


def _over_trials(trials: Sequence[Trial], latency: str, quantity: str) -> Interval:
    """Null when any trial has none: leaving out the trials that lost transactions would flatter the rest."""
    values: list[float | None] = [getattr(getattr(trial.latency_ms, latency), quantity) for trial in trials]
    known = [value for value in values if value is not None]
    return median_interval(known) if len(known) == len(values) else Interval(median=None, trials=len(values))


def _verdict(trials: Sequence[Trial]) -> Verdict:
    if not trials:
        return Verdict(status="invalid", reasons=["no trial was completed, at least 1 is needed; run again"])
    status = next(
        (worst for worst in ("invalid", "undecided") if any(trial.verdict.status == worst for trial in trials)), "valid"
    )
    reasons = [f"trial {trial.trial}: {reason}" for trial in trials for reason in trial.verdict.reasons]
    return Verdict(status=status, reasons=reasons)
