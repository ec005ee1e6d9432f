"""Whether a series has settled and whether it drifts: where warm-up ends, the slope, and how large it may still be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

Series = NDArray[np.float64]

MOST_POINTS = 2_000
"""All pairs are formed: 2,000 points are 2 million slopes, 16 MB. Longer series go through `bin_series` first."""
FEWEST_POINTS = 8
"""Below this a bound of a slope is not given: a block needs two points to show how neighbours hang together."""
BLOCKS = 4
"""Into which the bootstrap cuts a series. Few and long blocks keep most of the correlation between neighbours; what the
bootstrap cannot know from so few is paid for by the t quantile with `BLOCKS` − 2 degrees of freedom."""
BATCH = 5
KEPT_BATCHES = 5
"""MSER-5 never cuts so far that fewer batches remain: the mean of one or two agrees with itself by chance."""
FEWEST_BATCHES = 12
"""Below this MSER-5 says nothing. With five batches kept, a cut beyond half (the refusal) is possible from 11 batches
on, so fewer would never refuse a drift. In simulation with 12 batches: white noise is refused in 9 % and cut by 10 % of
its length on average, a rise by five standard deviations over the whole series is refused in 49 % (24 batches: 11, 6
and 89 %), and a ramp over the first quarter was cut in every case."""


def theil_sen_slope(times: ArrayLike, values: ArrayLike) -> float:
    """Median of the slopes of all pairs with different times, in units of `values` per unit of `times`.

    Source: Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968). ValueError when the
    lengths differ, a value is not finite, fewer than two different times are given, or more than `MOST_POINTS`.
    """
    at, series = _pair(times, values)
    left, right = np.triu_indices(len(at), k=1)
    run, rise = at[right] - at[left], series[right] - series[left]
    apart = run != 0
    if not apart.any():
        raise ValueError("a slope needs two different times")
    return float(np.median(rise[apart] / run[apart]))


@dataclass(frozen=True, slots=True)
class Truncation:
    """Where a steady state begins. `cut` is the index of the first kept observation, a multiple of `BATCH`; None when
    that cannot be said, and `reason` then says why ("" when fine). `batches` is the number of whole batches judged.
    """

    cut: int | None
    batches: int
    reason: str


def mser5(values: ArrayLike) -> Truncation:
    """Where to cut the warm-up off `values` (equally spaced, in order, any unit) by the MSER-5 rule.

    Over batch means Y₁…Y_m of five values each (an incomplete last batch is left out) the cut is after the d batches
    that minimise Σ_{j>d}(Y_j − Ȳ_d)² / (m − d)², the earliest of equals; beyond half of the series it is refused.
    Sources: White, "An Effective Truncation Heuristic for Bias Reduction in Simulation Output", Simulation 69 (1997);
    five kept batches as in Hoad, Robinson and Davies, JORS 61 (2010). ValueError when a value is not finite.
    """
    series = _finite(values)
    count = len(series) // BATCH
    if count < FEWEST_BATCHES:
        return Truncation(None, count, f"{count} batches of {BATCH}, at least {FEWEST_BATCHES} are needed")
    means = series[: count * BATCH].reshape(count, BATCH).mean(axis=1)
    cut = int(np.argmin(_standard_errors(means)[: count - KEPT_BATCHES + 1]))
    if 2 * cut > count:
        return Truncation(None, count, f"not settled: the best cut leaves out {cut} of {count} batches, more than half")
    return Truncation(cut * BATCH, count, "")


def slope_upper_bound(
    times: ArrayLike, values: ArrayLike, seed: int, confidence: float = 0.95, resamples: int = 1_000
) -> float | None:
    """One-sided upper bound of the least-squares slope, in units of `values` per unit of `times`; None below
    `FEWEST_POINTS` points.

    Circular moving-block bootstrap of the residuals, times in ascending order: slope + t · standard deviation of the
    resampled slopes, residuals widened by √(n/(n−2)). Sources: Künsch, Annals of Statistics 17 (1989); Politis and
    Romano, "A Circular Block-Resampling Procedure for Stationary Data" (1992); long blocks with a t quantile instead of
    the normal one after Kiefer and Vogelsang, Econometric Theory 21 (2005). Coverage of the 95 % bound, simulated for
    20 to 60 points: white noise 97 %, AR(1) 0.5 94 to 97 %, AR(1) 0.8 88 to 93 %, saw-teeth of which one period fits in
    98 to 100 %; with 8 points 97, 92 and 86 %. Its mean distance from the slope is 1.1 to 1.4 times that of a bound
    which knew the noise. ValueError when lengths differ, a value is not finite, all times are equal, there are more
    than `MOST_POINTS`, or `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    at, series = _pair(times, values)
    if len(series) < FEWEST_POINTS:
        return None
    centred = at - at.mean()
    spread = centred @ centred
    if not spread:
        raise ValueError("a slope needs two different times")
    weights = centred / spread
    slope = weights @ series
    residuals = (series - series.mean() - slope * centred) * math.sqrt(len(series) / (len(series) - 2))
    error = _resampled_slopes(residuals, weights, resamples, np.random.default_rng(seed)).std(ddof=1)
    return float(slope + _student_2(confidence) * error)


def bin_series(times: ArrayLike, values: ArrayLike, most_points: int = MOST_POINTS) -> tuple[Series, Series]:
    """Times and values as means of at most `most_points` consecutive bins whose sizes differ by one at most.

    A series that is short enough comes back as it is. ValueError when the lengths differ or `most_points` is below 1.
    """
    at, series = np.asarray(times, float), np.asarray(values, float)
    if len(at) != len(series):
        raise ValueError(f"{len(at)} times for {len(series)} values")
    if most_points < 1:
        raise ValueError(f"{most_points} points: at least one is needed")
    if len(series) <= most_points:
        return at, series
    edges = np.arange(most_points) * len(series) // most_points
    sizes = np.diff(edges, append=len(series))
    return np.add.reduceat(at, edges) / sizes, np.add.reduceat(series, edges) / sizes


def _standard_errors(means: Series) -> Series:
    """Σ_{j>d}(Y_j − Ȳ_d)² / (m − d)² for every d from 0, by sums from the end.

    The last mean is subtracted first, so that a series which ends constant gives exact zeros.
    """
    shifted = (means - means[-1])[::-1]
    kept = np.arange(1, len(means) + 1)
    squares = np.cumsum(shifted**2) - np.cumsum(shifted) ** 2 / kept
    return (np.maximum(squares, 0.0) / kept**2)[::-1]


def _resampled_slopes(residuals: Series, weights: Series, resamples: int, random: np.random.Generator) -> Series:
    """Slopes of series put together from `BLOCKS` blocks of residuals, each begun anywhere and wrapped at the end.

    A slope is linear in the residuals, so each block's share of it is worked out once for every place it may begin at.
    """
    length = -(-len(residuals) // BLOCKS)
    begun_at = sliding_window_view(np.concatenate((residuals, residuals[: length - 1])), length)
    shares = begun_at @ np.pad(weights, (0, BLOCKS * length - len(weights))).reshape(BLOCKS, length).T
    starts = random.integers(0, len(residuals), (resamples, BLOCKS))
    slopes: Series = shares[starts, np.arange(BLOCKS)].sum(axis=1)
    return slopes


def _student_2(share: float) -> float:
    """Quantile of Student's t with two degrees of freedom, which has a closed form: 2.92 at 0.95."""
    return (2 * share - 1) / math.sqrt(2 * share * (1 - share))


def _pair(times: ArrayLike, values: ArrayLike) -> tuple[Series, Series]:
    at, series = _finite(times), _finite(values)
    if len(at) != len(series):
        raise ValueError(f"{len(at)} times for {len(series)} values")
    if len(at) > MOST_POINTS:
        raise ValueError(f"{len(at)} points, at most {MOST_POINTS}: bin the series first")
    return at, series


def _finite(values: ArrayLike) -> Series:
    series = np.asarray(values, float)
    if not np.isfinite(series).all():
        raise ValueError("a series holds a value that is not finite")
    return series
