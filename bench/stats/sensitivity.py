"""How far two latency distributions are apart, and the latency at which a share of a network has answered.

The Wasserstein distance is the headline: it is zero only for equal distributions and grows with every shift. STABL's
score is kept beside it for comparability and must not stand alone, because it does not see a uniform shift.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

Sample = NDArray[np.float64]


def wasserstein1(a: ArrayLike, b: ArrayLike) -> float:
    """Area between the empirical distributions of `a` and `b`, in their unit; sizes and orders may differ.

    In words: by how much the average value must move to turn one sample into the other. Source: Vallender, "Calculation
    of the Wasserstein Distance between Probability Distributions on the Line", Theory Probab. Appl. 18 (1974).
    ValueError when a sample is empty or holds a value that is not finite.
    """
    first, second = np.sort(_sample(a)), np.sort(_sample(b))
    edges = np.sort(np.concatenate((first, second)))
    below_first = np.searchsorted(first, edges[:-1], side="right") / len(first)
    below_second = np.searchsorted(second, edges[:-1], side="right") / len(second)
    return float(np.sum(np.abs(below_first - below_second) * np.diff(edges)))


def stabl_score(
    base: ArrayLike, alt: ArrayLike, bound_base: float | None = None, bound_alt: float | None = None
) -> float:
    """|Ŝ_base − Ŝ_alt| in the unit of the samples, where Ŝ(b) = mean(max(0, b − x)); b is the sample's own maximum
    unless given.

    With the own maxima, as published, a uniform shift scores 0; one bound for both sees it as long as it is above both
    samples. Source: Gramoli et al., "STABL: The Sensitivity of Blockchains to Failures", Middleware 2023. ValueError
    as in `wasserstein1`.
    """
    return abs(_area_below(_sample(base), bound_base) - _area_below(_sample(alt), bound_alt))


def latency_at_threshold(times: ArrayLike, share: float | Fraction) -> float:
    """The ⌈share·n⌉-th smallest of `times`, in their unit: when that share of transactions or nodes had committed.

    One that never committed counts as `math.inf`, not as absent. A share given as a float is read as the decimal it is
    printed as, so that 0.07 of 100 is the seventh and not the eighth. Source: Hyperledger Performance and Scale Working
    Group, "Blockchain Performance Metrics" v1.01, table 1. ValueError when `times` is empty or holds no number, or
    `share` is not in (0, 1].
    """
    ordered = np.sort(np.asarray(times, float).ravel())
    exact = share if isinstance(share, Fraction) else Fraction(str(share))
    if not len(ordered) or np.isnan(ordered).any():
        raise ValueError("latency at a threshold needs at least one time, and none that is not a number")
    if not 0 < exact <= 1:
        raise ValueError(f"share {share} is not above 0 and at most 1")
    return float(ordered[math.ceil(exact * len(ordered)) - 1])


def _area_below(sample: Sample, bound: float | None) -> float:
    """Ŝ(bound): mean distance of the sample below `bound`."""
    return float(np.mean(np.maximum(0.0, (sample.max() if bound is None else bound) - sample)))


def _sample(values: ArrayLike) -> Sample:
    sample = np.asarray(values, float).ravel()
    if not len(sample) or not np.isfinite(sample).all():
        raise ValueError("a sample needs at least one value, all of them finite")
    return sample
