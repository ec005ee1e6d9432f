import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.interval import (
    bootstrap_interval,
    clopper_pearson,
    compare,
    coverage,
    enough_trials,
    median_interval,
    pass_probability_low,
)

WHOLE = st.lists(st.integers(-1000, 1000), min_size=5, max_size=30)
CONFIDENCES = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])


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


@given(WHOLE, CONFIDENCES, CONFIDENCES)
def test_more_confidence_never_makes_an_interval_narrower(values, first, second):
    low, high = (median_interval(values, confidence) for confidence in sorted((first, second)))
    assert high.ci_low <= low.ci_low
    assert low.ci_high <= high.ci_high
    assert low.confidence <= high.confidence


@given(WHOLE, CONFIDENCES)
def test_the_rank_is_the_highest_that_reaches_the_confidence(values, confidence):
    interval, ordered = median_interval(values, confidence), sorted(values)
    rank = next(rank for rank in range(1, 16) if coverage(len(values), rank) == interval.confidence)
    assert (interval.ci_low, interval.ci_high) == (ordered[rank - 1], ordered[-rank])
    assert rank == 1 or interval.confidence >= confidence
    assert rank == len(values) // 2 or coverage(len(values), rank + 1) < confidence


@given(WHOLE, st.sampled_from([0.5, 2.0, 64.0]), st.integers(-500, 500))
def test_the_interval_follows_unit_and_offset(values, scale, shift):
    plain, moved = median_interval(values), median_interval([scale * value + shift for value in values])
    assert moved.median == scale * plain.median + shift
    assert (moved.ci_low, moved.ci_high) == (scale * plain.ci_low + shift, scale * plain.ci_high + shift)
    mirrored = median_interval([-value for value in values])
    assert (mirrored.ci_low, mirrored.ci_high) == (-plain.ci_high, -plain.ci_low)


@settings(max_examples=25, deadline=None)
@given(WHOLE, WHOLE, st.integers(-500, 500))
def test_a_comparison_follows_unit_and_offset(first, second, shift):
    plain = compare(first, second, seed=3)
    moved = compare([4 * value + shift for value in first], [4 * value + shift for value in second], seed=3)
    assert moved.difference == 4 * plain.difference
    assert (moved.ci_low, moved.ci_high) == pytest.approx((4 * plain.ci_low, 4 * plain.ci_high))
    assert plain.ci_low <= plain.ci_high
    assert plain.verdict == ("different" if plain.ci_low > 0 or plain.ci_high < 0 else "undecided")
    assert compare(first, second, seed=3, confidence=0.99).ci_low <= plain.ci_low


def test_an_interval_that_touches_zero_decides_nothing():
    found = compare([1.0] * 5, [1.0, 1.0, 1.0, 2.0, 2.0], seed=1)
    assert (found.ci_low, found.ci_high, found.verdict) == (0, 1, "undecided")
    assert compare([1.0, 1.0, 1.0, 2.0, 2.0], [1.0] * 5, seed=1).verdict == "undecided"
    assert compare([2.0] * 5, [1.0] * 5, seed=1).verdict == "different"
    assert compare([1.0] * 5, [1.25] * 5, seed=1).verdict == "different"
    assert compare([1.25] * 5, [1.0] * 5, seed=1).verdict == "different"


def test_five_trials_of_each_are_compared_and_four_of_the_second_are_not():
    assert compare([1.0] * 5, [9.0] * 5, seed=1).verdict == "different"
    assert compare([1.0] * 9, [9.0] * 4, seed=1).ci_low is None


@pytest.mark.parametrize("trials", [4, 5])
def test_a_comparison_states_the_confidence_it_was_asked_for(trials):
    assert compare([1.0] * trials, [9.0] * trials, seed=1).confidence == 0.95
    assert compare([1.0] * trials, [9.0] * trials, seed=1, confidence=0.9).confidence == 0.9


def test_a_single_trial_can_be_compared_but_decides_nothing():
    assert compare([2.0], [5.0], seed=1).difference == 3
    with pytest.raises(ValueError, match="at least one trial"):
        compare([1.0], [], seed=1)


def test_the_bootstrap_of_a_mean_has_its_textbook_width():
    values = np.random.default_rng(3).normal(10, 2, 400).tolist()
    low, high = bootstrap_interval(values, np.mean, seed=1)
    half = 1.959964 * np.std(values) / 20
    assert (low, high) == pytest.approx((np.mean(values) - half, np.mean(values) + half), abs=0.02 * half + 0.005)
    low, high = bootstrap_interval(values, np.mean, seed=1, confidence=0.5)
    assert high - low == pytest.approx(2 * 0.67449 * np.std(values) / 20, rel=0.04)


def test_the_bootstrap_takes_any_statistic_and_is_the_same_for_a_seed():
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0]
    assert bootstrap_interval(values, np.max, seed=1) == (4, 9)  # no 9 in a draw: (5/6)⁶ = 33 %; no 9 or 5: 8.8 %
    spread = np.random.default_rng(1).normal(0, 1, 30).tolist()
    assert bootstrap_interval(spread, np.mean, seed=1) == bootstrap_interval(spread, np.mean, seed=1)
    assert bootstrap_interval(spread, np.mean, seed=1) != bootstrap_interval(spread, np.mean, seed=2)
    assert bootstrap_interval([7.0], np.median, seed=1) == (7, 7)


@settings(max_examples=20, deadline=None)
@given(WHOLE)
def test_a_bootstrap_of_medians_stays_within_the_trials_and_holds_the_median(values):
    low, high = bootstrap_interval(values, np.median, seed=1)
    assert min(values) <= low <= np.median(values) <= high <= max(values)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, -0.5])
def test_a_confidence_that_is_none_is_refused(confidence):
    for ask in (
        lambda: bootstrap_interval([1.0, 2.0], np.mean, 1, confidence),
        lambda: enough_trials([1.0] * 9, 0.1, confidence),
        lambda: clopper_pearson(1, 2, confidence),
        lambda: pass_probability_low(1, 2, confidence),
    ):
        with pytest.raises(ValueError, match="not between 0 and 1"):
            ask()


def test_a_bootstrap_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one trial"):
        bootstrap_interval([], np.mean, seed=1)


def test_enough_is_an_interval_of_the_asked_confidence_and_width():
    assert not enough_trials([], 1.0)
    assert not enough_trials([100.0] * 4, 1.0)
    assert not enough_trials([100.0] * 5, 1.0)  # 93.75 %
    assert enough_trials([100.0] * 6, 0.0)
    assert enough_trials([100.0] * 5, 0.0, confidence=0.9375)
    assert not enough_trials([100.0] * 7, 1.0, confidence=0.99)
    assert enough_trials([100.0] * 8, 1.0, confidence=0.99)
    assert enough_trials([100.0] * 9, 1.0, confidence=0.99)  # at 95 % nine trials leave their ends out


def test_enough_counts_half_the_width_against_the_median():
    values = [96.0, 100, 100, 100, 100, 104]  # [min, max]: half of it is 4, the median 100
    assert enough_trials(values, 0.04)
    assert not enough_trials(values, 0.0399)
    assert enough_trials([-value for value in values], 0.04)
    assert not enough_trials([0.0, 0, 0, 0, 0, 1], 10.0)
    assert enough_trials([90.0, 100, 100, 100, 100, 100, 100, 100, 110], 0.0)  # nine trials leave their ends out


@pytest.mark.parametrize(
    ("passes", "trials", "bound"),
    [(5, 5, 0.549280), (14, 14, 0.807364), (0, 5, 0.0), (1, 1, 0.05), (4, 5, 0.342592), (9, 10, 0.605837), (0, 0, 0.0)],
)
def test_how_likely_a_trial_passes_at_least(passes, trials, bound):
    assert pass_probability_low(passes, trials) == pytest.approx(bound, abs=5e-7)


def test_all_of_n_have_a_bound_in_closed_form():
    for trials in (1, 3, 20, 1000, 100_000):
        assert pass_probability_low(trials, trials, 0.9) == pytest.approx(0.1 ** (1 / trials), rel=1e-12)
        low, high = clopper_pearson(0, trials)
        assert (low, high) == (0, pytest.approx(1 - 0.025 ** (1 / trials), rel=1e-9))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (8, 10, 0.4439045, 0.9747893),
        (1, 10, 0.0025286, 0.4450161),
        (10, 10, 0.6915029, 1.0),
        (50, 100, 0.3983211, 0.6016789),
        (0, 0, 0.0, 1.0),
    ],
)
def test_exact_intervals_are_the_tabulated_ones(successes, trials, low, high):
    assert clopper_pearson(successes, trials) == pytest.approx((low, high), abs=5e-7)


@st.composite
def counts(draw):
    trials = draw(st.integers(1, 80))
    return draw(st.integers(0, trials)), trials


@given(counts(), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_exact_intervals_solve_their_equations(case, confidence):
    def at_least(hits, trials, share):
        return sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(hits, trials + 1))

    successes, trials = case
    low, high = clopper_pearson(successes, trials, confidence)
    tail = (1 - confidence) / 2
    assert 0 <= low <= successes / trials <= high <= 1
    assert successes == 0 or at_least(successes, trials, low) == pytest.approx(tail, rel=1e-6)
    assert successes == trials or 1 - at_least(successes + 1, trials, high) == pytest.approx(tail, rel=1e-6)
    assert clopper_pearson(trials - successes, trials, confidence) == pytest.approx((1 - high, 1 - low))
    assert pass_probability_low(successes, trials, (1 + confidence) / 2) == pytest.approx(low)


@given(counts())
def test_more_confidence_or_fewer_passes_lower_the_bound(case):
    passes, trials = case
    bounds = [pass_probability_low(passes, trials, confidence) for confidence in (0.5, 0.9, 0.95, 0.99)]
    assert bounds == sorted(bounds, reverse=True)
    assert pass_probability_low(passes, trials + 1) <= pass_probability_low(passes, trials)
    assert pass_probability_low(passes + 1, trials + 1) > pass_probability_low(passes, trials)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, -1)])
def test_impossible_counts_are_refused(successes, trials):
    for ask in (clopper_pearson, pass_probability_low):
        with pytest.raises(ValueError, match=f"{successes} successes in {trials} trials"):
            ask(successes, trials)


def test_a_rank_that_reaches_the_confidence_exactly_is_taken():
    values = [float(value) for value in range(1, 10)]
    assert median_interval(values, coverage(9, 2)).ci_low == 2
    assert median_interval(values, coverage(9, 2) + 1e-12).ci_low == 1
