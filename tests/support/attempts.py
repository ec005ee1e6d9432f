"""Attempts of a capacity search as a scripted ledger would make them."""

from __future__ import annotations

from collections.abc import Callable

from bench.model.result import CapacityAttempt
from bench.run.search import TOLERANCE, Ask

S = 1_000_000_000
Ledger = Callable[[Ask], CapacityAttempt]


def attempt(asked: Ask, passed: bool, **changes: object) -> CapacityAttempt:
    """Of a calm trial with blocks every half second."""
    values: dict[str, object] = {
        "trial": 1,
        "kind": asked.kind,
        "offered_per_s": asked.offered_per_s,
        "goodput_per_s": asked.offered_per_s,
        "served_share": 1.0 if passed else 0.95,
        "finality_p50_ms": 100.0,
        "finality_p99_ms": 200.0,
        "in_flight_slope_upper_per_s": 0.0,
        "duration_s": asked.measure_ns / S,
        "passed": passed,
        "block_interval_s": 0.5,
    }
    return CapacityAttempt(**(values | changes))


def steady(limit: float, **changes: object) -> Ledger:
    """Passes up to 1 % above its limit, as the judgement tolerates, and serves just the limit beyond."""

    def judged(asked: Ask) -> CapacityAttempt:
        share = min(1.0, limit / asked.offered_per_s)
        return attempt(
            asked, share >= 1 - TOLERANCE, served_share=share, goodput_per_s=share * asked.offered_per_s, **changes
        )

    return judged
