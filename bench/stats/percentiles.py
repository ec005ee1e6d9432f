"""Percentiles of latencies, some of which never ended.

A transaction that was never resolved has no latency, only a lower bound of it. Such rows rank above every resolved one,
because their latency is unbounded as far as the record knows; a percentile whose rank falls among them is null and its
lower bound is given. Leaving them out instead would make a ledger look faster the more it loses.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bench.model.clock import NS_PER_MS
from bench.model.result import Percentiles

Ns = NDArray[np.int64]

SHARES = {
    "p50": Fraction(50, 100),
    "p90": Fraction(90, 100),
    "p95": Fraction(95, 100),
    "p99": Fraction(99, 100),
    "p999": Fraction(999, 1000),
}
TAIL_SAMPLES = 10
"""A percentile is given only when this many samples are expected beyond it: 20 for p50, 100 for p90, 200 for p95, 1,000
for p99, 10,000 for p99.9. With fewer its own error is larger than the differences people read into it."""

_NONE = np.empty(0, np.int64)


def minimal_count(name: str) -> int:
    """Samples (censored ones included) that percentile `name` needs."""
    return math.ceil(TAIL_SAMPLES / (1 - SHARES[name]))


def nearest_rank(ordered: Ns, share: Fraction) -> int:
    """The ⌈share·n⌉-th smallest of `ordered` (ascending, not empty): always a value that was observed."""
    return int(ordered[max(1, math.ceil(share * len(ordered))) - 1])


def percentiles(latencies: Ns, censored: Ns = _NONE) -> Percentiles:
    """Percentiles in ms of `latencies` (ns, any order) and of `censored` rows, each given as its lower bound (ns)."""
    ordered = np.sort(latencies)
    bounded = np.sort(np.concatenate((ordered, censored))) if len(censored) else ordered
    count = len(bounded)
    values: dict[str, float | None] = dict.fromkeys(SHARES)
    lower: dict[str, float] = {}
    for name, share in SHARES.items():
        if count < minimal_count(name):
            continue
        if math.ceil(share * count) <= len(ordered):
            values[name] = _ms(ordered[math.ceil(share * count) - 1])
        else:
            lower[name] = _ms(nearest_rank(bounded, share))
    highest: float | None = None
    mean: float | None = None
    if len(censored):
        lower["max"], lower["mean"] = _ms(bounded[-1]), _ms(bounded.mean())
    elif count:
        highest, mean = _ms(ordered[-1]), _ms(ordered.mean())
    return Percentiles(**values, max=highest, mean=mean, count=count, censored=len(censored), lower_bound=lower)


def _ms(nanoseconds: float | np.int64) -> float:
    """Rounded to the nanosecond, so that files do not carry binary noise."""
    return round(float(nanoseconds) / NS_PER_MS, 6)
