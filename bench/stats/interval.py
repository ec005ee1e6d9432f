"""Intervals over trials, because the trial is the sample: requests inside one run are correlated.

The interval of one candidate's median is the order-statistic interval, which assumes nothing about the distribution and
whose confidence is exact. Two candidates are compared by a seeded bootstrap of the difference of their medians.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.model.result import Interval

FEWEST_TRIALS = 5
"""Below this no interval is given and every comparison says undecided."""
CONFIDENCE = 0.95
RESAMPLES = 10_000


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Median of `values` (one per trial) with the narrowest order-statistic interval of at least `confidence`.

    [x₍ₖ₎, x₍ₙ₊₁₋ₖ₎] covers the median with probability 1 − 2·P(Bin(n, ½) < k). Five trials reach 93.75 % with
    [min, max] and no more, so that is what they get, with its confidence stated.
    """
    ordered = sorted(values)
    trials = len(ordered)
    if trials < FEWEST_TRIALS:
        return Interval(median=float(np.median(ordered)) if ordered else None, trials=trials)
    rank = max((k for k in range(1, trials // 2 + 1) if coverage(trials, k) >= confidence), default=1)
    return Interval(
        median=float(np.median(ordered)),
        ci_low=ordered[rank - 1],
        ci_high=ordered[trials - rank],
        confidence=coverage(trials, rank),
        trials=trials,
    )


def coverage(trials: int, rank: int) -> float:
    """Probability that [x₍rank₎, x₍trials+1−rank₎] holds the median of a continuous distribution."""
    outside: int = 2 * sum(math.comb(trials, below) for below in range(rank))
    return 1 - outside / float(2**trials)


@dataclass(frozen=True, slots=True)
class Difference:
    """Median of `second` minus median of `first`, in their unit. The interval is None below five trials of either."""

    difference: float
    ci_low: float | None
    ci_high: float | None
    confidence: float
    verdict: Literal["different", "undecided"]


def compare(first: Sequence[float], second: Sequence[float], seed: int, confidence: float = CONFIDENCE) -> Difference:
    """Whether two candidates differ in their median over trials; "different" only if the interval leaves zero out.

    Percentile bootstrap with `RESAMPLES` draws of whole trials from each side, reproducible by `seed`. Coverage of the
    95 % interval in simulation (two equal normal candidates): 97 % with 5 trials a side, 96 % with 6, 97 % with 10, but
    66 % with 2, which is why so few decide nothing. ValueError when a side is empty.
    """
    if not first or not second:
        raise ValueError("both candidates need at least one trial")
    difference = float(np.median(second) - np.median(first))
    if min(len(first), len(second)) < FEWEST_TRIALS:
        return Difference(difference, None, None, confidence, "undecided")
    random = np.random.default_rng(seed)
    medians = [
        np.median(random.choice(np.asarray(side, float), (RESAMPLES, len(side))), axis=1) for side in (first, second)
    ]
    tail = (1 - confidence) / 2
    low, high = (float(edge) for edge in np.quantile(medians[1] - medians[0], (tail, 1 - tail)))
    return Difference(difference, low, high, confidence, "different" if low > 0 or high < 0 else "undecided")
