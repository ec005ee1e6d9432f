"""When failing trials show that a rate is beyond the ledger, and not only that a trial failed.

A trial fails also where a ledger that keeps up in the long run had a slow minute, and near its limit that is every
other one. So an upper end needs positive evidence: over several full-length trials, what was left unserved (or how far
finality exceeded its bound) must lie above what is tolerated by more than the trials differ among themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.model.result import CapacityAttempt

FEWEST = 2
_STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""Quantiles of Student's t at 97.5 % for samples of this size."""


def overloaded(trials: Sequence[CapacityAttempt], tolerance: float, slo_ms: float | None) -> bool:
    """Whether trials at one rate, none of which passed, leave no doubt.

    The lower 97.5 % bound (Student's t) of the mean over trials is above zero, either for what was left unserved beyond
    `tolerance`, as a share of the offered load, or for the logarithm of p99 finality over `slo_ms`.
    """
    if len(trials) < FEWEST or any(one.passed for one in trials):
        return False
    if _above_zero([1 - one.served_share - tolerance for one in trials]):
        return True
    if slo_ms is None:
        return False
    latencies = [one.finality_p99_ms or one.finality_p99_at_least_ms or 0.0 for one in trials]
    return min(latencies) > 0 and _above_zero([math.log(latency / slo_ms) for latency in latencies])


def _above_zero(values: Sequence[float]) -> bool:
    count = len(values)
    mean = math.fsum(values) / count
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return mean - _STUDENT[min(count, max(_STUDENT))] * spread / math.sqrt(count) > 0
