import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.steady_state import (
    BATCH,
    FEWEST_BATCHES,
    FEWEST_POINTS,
    KEPT_BATCHES,
    MOST_POINTS,
    Truncation,
    bin_series,
    mser5,
    slope_upper_bound,
    theil_sen_slope,
)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(2, 40))
def test_a_line_is_recovered(slope, offset, points):
    times = np.arange(points, dtype=float)
    assert theil_sen_slope(times, slope * times + offset) == pytest.approx(slope, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-100, 100)), min_size=2, max_size=12))
def test_it_is_the_median_of_the_slopes_of_all_pairs(points):
    slopes = [
        (second[1] - first[1]) / (second[0] - first[0])
        for place, first in enumerate(points)
        for second in points[place + 1 :]
        if second[0] != first[0]
    ]
    times, values = zip(*points, strict=True)
    if slopes:
        assert theil_sen_slope(times, values) == pytest.approx(statistics.median(slopes))
    else:
        with pytest.raises(ValueError, match="two different times"):
            theil_sen_slope(times, values)


def test_a_quarter_of_wild_points_does_not_turn_it():
    times = np.arange(40.0)
    values = 2 * times
    values[::5] += 10_000
    assert theil_sen_slope(times, values) == pytest.approx(2, abs=0.05)


def test_order_and_equal_times_do_not_matter():
    assert theil_sen_slope(np.array([3.0, 1.0, 1.0]), np.array([6.0, 2.0, 2.0])) == 2


def test_unsigned_counts_may_fall():
    assert theil_sen_slope(range(4), np.array([9, 6, 3, 0], np.uint64)) == -3


def test_as_many_points_as_stated_are_taken():
    times = np.arange(float(MOST_POINTS))
    assert theil_sen_slope(times, 3 * times) == 3


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([1.0], [1.0], "two different times"),
        ([1.0, 1.0], [1.0, 2.0], "two different times"),
        ([1.0, 2.0], [1.0], "2 times for 1 values"),
        ([1.0, 2.0], [1.0, math.nan], "not finite"),
        ([1.0, math.inf], [1.0, 2.0], "not finite"),
        ([0.0] * (MOST_POINTS + 1), [0.0] * (MOST_POINTS + 1), "bin the series"),
    ],
)
def test_what_has_no_slope_is_refused(times, values, message):
    with pytest.raises(ValueError, match=message):
        theil_sen_slope(np.array(times), np.array(values))


def batches(*means):
    """A series whose batch means are these, while no observation but the middle one equals its mean."""
    return [mean + offset for mean in means for offset in (-2, 1, 0, 3, -2)]


def best_cuts_by_definition(values):
    """In exact fractions; more than one where equals or all but equals compete."""
    count = len(values) // 5
    means = [Fraction(sum(values[5 * j : 5 * j + 5]), 5) for j in range(count)]
    found = []
    for d in range(count - 4):  # five batches stay
        kept = means[d:]
        mean = sum(kept) / len(kept)
        found.append(sum((y - mean) ** 2 for y in kept) / len(kept) ** 2)
    return [d for d, error in enumerate(found) if error <= min(found) * (1 + Fraction(1, 10**9))]


def test_a_transient_is_cut_where_it_ends():
    found = mser5(batches(0, 20, 40, 60, 80, *[100, 101, 99, 100] * 5))
    assert found == Truncation(cut=25, batches=25, reason="")


def test_the_exact_step_is_found_when_the_rest_is_constant():
    for transient in range(7):
        series = [0.1] * (5 * transient) + [0.7] * (5 * (14 - transient))
        assert mser5(series) == Truncation(5 * transient, 14, "")


def test_half_of_the_series_may_be_cut_and_no_more():
    assert mser5([0.0] * 30 + [50.0] * 30) == Truncation(30, 12, "")
    found = mser5([0.0] * 35 + [50.0] * 25)
    assert found.cut is None
    assert found.reason == "not settled: the best cut leaves out 7 of 12 batches, more than half"
    assert mser5([0.0] * 30 + [50.0] * 35) == Truncation(30, 13, "")
    assert mser5([0.0] * 35 + [50.0] * 30).cut is None  # 7 of 13


def test_what_is_constant_is_kept_whole_and_a_lone_outlier_at_the_end_does_not_empty_it():
    assert mser5([0.1] * 60) == Truncation(0, 12, "")
    assert mser5(batches(*[10, 12] * 10, 40)).cut == 0


def test_an_incomplete_last_batch_is_left_out():
    series = batches(0, 20, *[100, 101, 99] * 5)
    assert mser5([*series, 1e6, 1e6, 1e6, 1e6]) == mser5(series) == Truncation(10, 17, "")


def test_too_few_batches_say_nothing():
    assert (FEWEST_BATCHES, BATCH, KEPT_BATCHES) == (12, 5, 5)
    assert mser5([1.0] * 59) == Truncation(None, 11, "11 batches of 5, at least 12 are needed")
    assert mser5([]) == Truncation(None, 0, "0 batches of 5, at least 12 are needed")
    assert mser5([1.0] * 60).cut == 0


def test_a_steady_rise_is_refused():
    found = mser5(np.arange(120.0))
    assert found.cut is None
    assert found.reason.startswith("not settled: the best cut leaves out 19 of 24 batches")


def test_noise_is_mostly_kept_and_a_slow_start_always_cut():
    random = np.random.default_rng(8)
    noise = [mser5(random.normal(100, 10, 200)) for _ in range(200)]
    assert sum(found.cut is None for found in noise) <= 30  # 7 % in a longer simulation
    assert np.median([found.cut for found in noise if found.cut is not None]) <= 10
    start = np.concatenate((np.linspace(-50, 0, 50), np.zeros(150)))
    cuts = [found.cut for found in (mser5(random.normal(100, 10, 200) + start) for _ in range(200)) if found.cut]
    assert len(cuts) >= 160
    assert 30 <= np.median(cuts) <= 60


def test_a_series_with_a_hole_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        mser5([*[1.0] * 60, math.nan])


@given(st.lists(st.integers(0, 1000), min_size=60, max_size=150))
def test_the_cut_is_the_minimum_of_the_defined_statistic(values):
    found, best = mser5(values), best_cuts_by_definition(values)
    assert found.batches == len(values) // 5
    if found.cut is None:
        assert 2 * best[-1] > found.batches
    else:
        assert found.cut in [5 * d for d in best if 2 * d <= found.batches]


@given(st.lists(st.integers(0, 1000), min_size=60, max_size=100), st.sampled_from([0.5, 4.0]), st.integers(-500, 500))
def test_the_cut_follows_neither_unit_nor_offset(values, scale, offset):
    whole = 5 * np.array(values)  # batch means are whole numbers, so nothing is rounded
    assert mser5(scale * (whole + offset)) == mser5(whole)


def white(random, points):
    return random.normal(0, 1, points)


def correlated(random, points):
    values = random.normal(0, 1, points + 50)
    for place in range(1, len(values)):
        values[place] += 0.5 * values[place - 1]
    return values[50:]


def saw_tooth(random, points):
    """In flight between blocks: rises for a period, falls at once, and begins anywhere in it."""
    return 10 * ((np.arange(points) + random.uniform(0, 7.3)) % 7.3) / 7.3 + random.normal(0, 0.5, points)


@pytest.mark.parametrize("points", [20, 40, 60])
@pytest.mark.parametrize("noise", [white, correlated, saw_tooth])
def test_the_bound_lies_above_the_true_slope_as_often_as_it_says(noise, points):
    random = np.random.default_rng(points)
    times = 3 + 0.5 * np.arange(points)
    bounds = np.array([slope_upper_bound(times, noise(random, points) + 4 * times, seed) for seed in range(800)])
    assert (bounds >= 4).mean() >= 0.93
    assert np.median(bounds) - 4 < 14 / np.std(times) / math.sqrt(points)  # and is not simply far away


def test_a_drift_of_the_size_looked_for_is_seen_and_its_absence_too():
    random, times = np.random.default_rng(4), np.arange(60.0)
    flat = [slope_upper_bound(times, white(random, 60), seed) for seed in range(100)]
    steep = [slope_upper_bound(times, white(random, 60) + 0.1 * times, seed) for seed in range(100)]
    assert max(flat) < 0.05 < min(steep)


def test_the_bound_of_a_perfect_line_is_its_slope():
    times = np.array([0.0, 1, 2, 4, 8, 16, 32, 64])
    assert slope_upper_bound(times, 5 - 2 * times, seed=1) == pytest.approx(-2)


def test_the_bound_is_the_slope_and_t_times_its_bootstrap_error():
    times = np.arange(9.0)  # nine points: blocks of three, the last one empty
    values = np.random.default_rng(6).normal(0, 1, 9)
    slope, level = np.polyfit(times, values, 1)
    residuals = (values - level - slope * times) * math.sqrt(9 / 7)
    length, weights = 3, (times - 4) / 60
    draws = []
    for starts in np.random.default_rng(3).integers(0, 9, (1_000, 4)):
        places = np.concatenate([(start + np.arange(length)) % 9 for start in starts])[:9]
        draws.append(weights @ residuals[places])
    expected = slope + 2.9199855803537256 * np.std(draws, ddof=1)
    assert slope_upper_bound(times, values, seed=3) == pytest.approx(expected, rel=1e-12)
    assert slope_upper_bound(times, values, seed=3, resamples=999) != pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("confidence", "quantile"), [(0.9, 1.885618), (0.95, 2.919986), (0.99, 6.964557), (0.5, 0)])
def test_the_distance_from_the_slope_is_the_t_quantile_with_two_degrees_of_freedom(confidence, quantile):
    times, values = np.arange(20.0), np.random.default_rng(1).normal(0, 1, 20)
    slope = np.polyfit(times, values, 1)[0]
    reference = slope_upper_bound(times, values, seed=5, confidence=0.95) - slope
    distance = slope_upper_bound(times, values, seed=5, confidence=confidence) - slope
    assert distance == pytest.approx(reference * quantile / 2.919986, abs=1e-7)


def test_the_bound_is_the_same_for_a_seed_and_follows_units():
    random = np.random.default_rng(2)
    times, values = np.sort(random.uniform(0, 60, 30)), random.normal(50, 5, 30)
    bound = slope_upper_bound(times, values, seed=9)
    assert bound == slope_upper_bound(times, values, seed=9)
    assert bound != slope_upper_bound(times, values, seed=10)
    assert slope_upper_bound(times / 2 + 7, 3 * values - 40, seed=9) == pytest.approx(6 * bound)
    assert slope_upper_bound(times, values + 2 * times, seed=9) == pytest.approx(bound + 2)


def test_fewer_than_eight_points_have_no_bound():
    assert FEWEST_POINTS == 8
    assert slope_upper_bound(range(7), range(7), seed=1) is None
    assert slope_upper_bound(range(8), range(8), seed=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("times", "values", "confidence", "message"),
    [
        ([1.0] * 8, range(8), 0.95, "two different times"),
        (range(8), range(9), 0.95, "8 times for 9 values"),
        (range(8), [math.nan] * 8, 0.95, "not finite"),
        (range(MOST_POINTS + 1), range(MOST_POINTS + 1), 0.95, "bin the series first"),
        (range(8), range(8), 1.0, "confidence 1.0 is not between"),
        (range(8), range(8), 0.0, "confidence 0.0 is not between"),
    ],
)
def test_what_has_no_bound_is_refused(times, values, confidence, message):
    with pytest.raises(ValueError, match=message):
        slope_upper_bound(times, values, seed=1, confidence=confidence)


def test_bins_are_means_of_neighbours():
    times, values = bin_series(range(7), [0, 2, 4, 6, 8, 10, 100], 3)
    assert times.tolist() == [0.5, 2.5, 5]
    assert values.tolist() == [1, 5, pytest.approx(118 / 3)]


def test_a_short_series_comes_back_as_it_is():
    times, values = bin_series([3, 1], [5, 7], 2)
    assert (times.tolist(), values.tolist()) == ([3, 1], [5, 7])
    assert (times.dtype, values.dtype) == (float, float)
    assert [part.tolist() for part in bin_series([], [], 2)] == [[], []]
    assert [part.tolist() for part in bin_series([1, 2], [3, 5], 1)] == [[1.5], [4]]


@given(st.integers(1, 200), st.integers(1, 40))
def test_bins_hold_everything_once_and_differ_in_size_by_one_at_most(points, most):
    places, marks = bin_series(range(points), np.eye(points)[0], most)
    assert len(places) == min(points, most)
    edges = np.concatenate(([-0.5], places))
    sizes = []
    for before, middle in zip(edges, places, strict=False):
        start = sum(sizes)
        sizes.append(round(2 * (middle - start)) + 1)
        assert before < middle
    assert sum(sizes) == points
    assert max(sizes) - min(sizes) <= 1
    assert marks[0] == pytest.approx(1 / sizes[0])
    assert not marks[1:].any()


@settings(max_examples=30)
@given(st.integers(2, 300), st.integers(2, 50), st.integers(-9, 9))
def test_binning_keeps_the_slope_of_a_line(points, most, slope):
    times, values = bin_series(range(points), slope * np.arange(points) + 3, most)
    assert theil_sen_slope(times, values) == pytest.approx(slope)


@pytest.mark.parametrize(
    ("times", "values", "most", "message"),
    [([1], [1, 2], 5, "1 times for 2"), ([1], [1], 0, "0 points: at least one")],
)
def test_what_cannot_be_binned_is_refused(times, values, most, message):
    with pytest.raises(ValueError, match=message):
        bin_series(times, values, most)
