import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.interval import compare, coverage, median_interval


@pytest.mark.parametrize(
    ("trials", "rank", "confidence"),
    [(5, 1, 0.9375), (6, 1, 0.96875), (8, 1, 0.9921875), (9, 2, 0.9609375), (14, 3, 0.98706), (20, 6, 0.95861)],
)
def test_rank_and_confidence_are_the_textbook_ones(trials, rank, confidence):
    interval = median_interval([float(value) for value in range(1, trials + 1)])
    assert (interval.ci_low, interval.ci_high) == (rank, trials + 1 - rank)
    assert interval.confidence == pytest.approx(confidence, abs=5e-6)
    assert interval.trials == trials


@pytest.mark.parametrize("values", [[], [3.0], [1.0, 2.0, 4.0, 9.0]])
def test_no_interval_below_five_trials(values):
    interval = median_interval(values)
    assert (interval.ci_low, interval.ci_high, interval.confidence) == (None, None, None)
    assert interval.median == (float(np.median(values)) if values else None)


def test_coverage_holds_in_simulation():
    draws = np.random.default_rng(11).exponential(1.0, (20_000, 5))
    held = (draws.min(axis=1) <= np.log(2)) & (np.log(2) <= draws.max(axis=1))
    assert held.mean() == pytest.approx(coverage(5, 1), abs=0.006)


@given(st.lists(st.floats(0, 1e6), min_size=5, max_size=30))
def test_the_interval_holds_the_median_and_ignores_the_order_of_trials(values):
    interval = median_interval(values)
    assert interval.ci_low <= interval.median <= interval.ci_high
    assert interval == median_interval(values[::-1])


def test_fewer_than_five_trials_are_always_undecided():
    found = compare([1.0, 1.0, 1.0, 1.0], [9.0] * 10, seed=1)
    assert (found.verdict, found.ci_low, found.ci_high, found.difference) == ("undecided", None, None, 8.0)


def test_far_apart_candidates_differ_and_the_interval_leaves_out_zero():
    found = compare([100.0, 101, 99, 100, 102], [150.0, 151, 149, 150, 152], seed=1)
    assert found.verdict == "different"
    assert found.difference == 50
    assert 45 < found.ci_low <= 50 <= found.ci_high < 55


def test_overlapping_candidates_are_undecided():
    assert compare([100.0, 110, 90, 105, 95], [102.0, 111, 93, 99, 104], seed=1).verdict == "undecided"


def test_a_comparison_is_reproducible_and_antisymmetric_in_its_difference():
    first, second = [100.0, 101, 99, 100, 102], [103.0, 104, 99, 101, 100]
    assert compare(first, second, seed=7) == compare(first, second, seed=7)
    assert compare(first, second, seed=7).difference == -compare(second, first, seed=7).difference


def test_equal_candidates_are_rarely_called_different():
    random = np.random.default_rng(2)
    wrong = sum(
        compare(random.normal(100, 5, 5).tolist(), random.normal(100, 5, 5).tolist(), seed=n).verdict == "different"
        for n in range(100)
    )
    assert wrong <= 10


def test_an_empty_side_is_refused():
    with pytest.raises(ValueError, match="at least one trial"):
        compare([], [1.0], seed=1)
