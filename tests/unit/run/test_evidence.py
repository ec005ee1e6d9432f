from __future__ import annotations

import pytest

from bench.model.result import CapacityAttempt
from bench.run.evidence import overloaded
from bench.run.search import Ask
from tests.support.attempts import attempt

ASKED = Ask("confirm", 100.0, 0, 60_000_000_000)


def failed(share: float, **changes: object) -> CapacityAttempt:
    return attempt(ASKED, False, served_share=share, **changes)


@pytest.mark.parametrize(
    ("shares", "established"),
    [
        pytest.param([0.95], False, id="one trial is never enough"),
        pytest.param([0.95, 0.951], True, id="two that agree"),
        pytest.param([0.95, 0.90], False, id="two that do not: 12.7 standard errors are needed"),
        pytest.param([0.95, 0.90, 0.93], True, id="three: mean 0.063 beyond the tolerance, 4.3 errors of 0.0145"),
        pytest.param([0.991, 0.992, 0.993, 0.992], False, id="failed, but within what is tolerated"),
        pytest.param([0.985, 0.985], True, id="little, but always"),
    ],
)
def test_how_much_must_be_left_unserved(shares: list[float], established: bool) -> None:
    assert overloaded([failed(share) for share in shares], 0.01, None) is established


def test_a_trial_that_passed_leaves_doubt() -> None:
    assert not overloaded([failed(0.5), failed(0.5), attempt(ASKED, True)], 0.01, None)


@pytest.mark.parametrize(
    ("latencies", "established"),
    [
        ([1_500.0, 1_510.0], True),
        ([1_005.0, 3_000.0], False),
        ([990.0, 1_500.0, 1_500.0], False),
        ([None, 1_500.0], False),
    ],
)
def test_finality_beyond_its_bound_counts_too(latencies: list[float | None], established: bool) -> None:
    trials = [failed(1.0, finality_p99_ms=latency) for latency in latencies]
    assert overloaded(trials, 0.01, 1_000.0) is established
    assert not overloaded(trials, 0.01, None)


def test_of_a_percentile_that_is_not_known_its_lower_bound_counts() -> None:
    trials = [failed(1.0, finality_p99_ms=None, finality_p99_at_least_ms=5_000.0) for _ in range(2)]
    assert overloaded(trials, 0.01, 1_000.0)
