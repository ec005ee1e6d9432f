"""Whether a series drifts: the Theil–Sen slope, which a few outlying blocks cannot turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 2_000
"""All pairs are formed: 2,000 points are 2 million slopes, 16 MB. Longer series are binned by the caller."""


def theil_sen_slope(times: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Median of the slopes of all pairs with different times, in units of `values` per unit of `times`.

    Source: Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968). ValueError when the
    lengths differ, fewer than two different times are given, or more than `MOST_POINTS`.
    """
    if len(times) != len(values):
        raise ValueError(f"{len(times)} times for {len(values)} values")
    if len(times) > MOST_POINTS:
        raise ValueError(f"{len(times)} points, at most {MOST_POINTS}: bin the series first")
    left, right = np.triu_indices(len(times), k=1)
    run = np.asarray(times, float)[right] - np.asarray(times, float)[left]
    rise = np.asarray(values, float)[right] - np.asarray(values, float)[left]
    apart = run != 0
    if not apart.any():
        raise ValueError("a slope needs two different times")
    return float(np.median(rise[apart] / run[apart]))
