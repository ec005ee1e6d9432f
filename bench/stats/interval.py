"""Intervals over trials, because the trial is the sample: requests inside one run are correlated.

The interval of one candidate's median is the order-statistic interval, which assumes nothing about the distribution and
whose confidence is exact. Two candidates are compared by a seeded bootstrap of the difference of their medians.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.model.result import Interval
from bench.stats.incomplete_beta import incomplete_beta

FEWEST_TRIALS = 5
"""Below this no interval is given and every comparison says undecided."""
CONFIDENCE = 0.95
RESAMPLES = 10_000

Vector = NDArray[np.float64]
Statistic = Callable[..., Any]
"""Called as `statistic(rows, axis=1)` with one resampled set of trials per row: `np.median`, `np.mean`, `np.max`."""


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
    medians = [_resampled(side, np.median, random) for side in (first, second)]
    low, high = _middle(medians[1] - medians[0], confidence)
    return Difference(difference, low, high, confidence, "different" if low > 0 or high < 0 else "undecided")


def bootstrap_interval(
    values: Sequence[float], statistic: Statistic, seed: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Percentile bootstrap interval of `statistic` over whole trials (`values`, one each), in the statistic's unit.

    `RESAMPLES` draws, reproducible by `seed`. Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993),
    chapter 13. It is approximate and too narrow for few trials: the interval of a median is `median_interval`.
    ValueError when there is no trial or `confidence` is not between 0 and 1.
    """
    if not values:
        raise ValueError("a bootstrap needs at least one trial")
    return _middle(_resampled(values, statistic, np.random.default_rng(seed)), confidence)


def enough_trials(values: Sequence[float], relative_width: float, confidence: float = CONFIDENCE) -> bool:
    """Whether the median of `values` (one per trial) is known to ± `relative_width` (0.05 is 5 %) at `confidence`.

    That is: the order-statistic interval reaches `confidence`, which at 95 % takes six trials, and half its width is at
    most that share of the median. Stopping as soon as it holds makes the stated confidence a little optimistic.
    ValueError when `confidence` is not between 0 and 1.
    """
    _check(confidence)
    found = median_interval(values, confidence)
    if found.median is None or found.ci_low is None or found.ci_high is None or found.confidence is None:
        return False
    return found.confidence >= confidence and (found.ci_high - found.ci_low) / 2 <= relative_width * abs(found.median)


def clopper_pearson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact two-sided interval of a probability from `successes` in `trials`; (0, 1) without a trial.

    Never covers less than `confidence`. Source: Clopper and Pearson, Biometrika 26 (1934). ValueError when the counts
    are not 0 ≤ successes ≤ trials or `confidence` is not between 0 and 1.
    """
    tail = (1 - _check(confidence)) / 2
    return _lowest(successes, trials, tail), 1 - _lowest(trials - successes, trials, tail)


def pass_probability_low(passes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """One-sided exact lower bound of the chance that a trial passes: five of five say no more than 0.549.

    Source and errors as in `clopper_pearson`.
    """
    return _lowest(passes, trials, 1 - _check(confidence))


def _lowest(successes: int, trials: int, tail: float) -> float:
    """The probability at which `successes` or more of `trials` have the chance `tail`; 0 without a success."""
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if successes == 0:
        return 0.0
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if incomplete_beta(successes, trials - successes + 1, middle) < tail:
            low = middle
        else:
            high = middle
    return low


def _check(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    return confidence


def _resampled(values: Sequence[float], statistic: Statistic, random: np.random.Generator) -> Vector:
    """`statistic` of `RESAMPLES` draws with replacement of as many trials as were given."""
    return np.asarray(statistic(random.choice(np.asarray(values, float), (RESAMPLES, len(values))), axis=1), float)


def _middle(draws: Vector, confidence: float) -> tuple[float, float]:
    """The interval that leaves out the same share of `draws` on either side."""
    tail = (1 - _check(confidence)) / 2
    low, high = np.quantile(draws, (tail, 1 - tail))
    return float(low), float(high)
