import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.sensitivity import latency_at_threshold, stabl_score, wasserstein1

SAMPLES = st.lists(st.integers(-1000, 1000), min_size=1, max_size=40)
WORKING_GROUP_TIMES = [10, 14, 9, 20, 22, 14, 10, 25, 4, 23, 17, 18, 12, 6, 19, 20, 15, 19, 8, 35]
"""Hyperledger Performance and Scale Working Group, metrics v1.01, table 1."""


@pytest.mark.parametrize(
    ("base", "alt", "published", "distance"),
    [([1, 1, 2, 2], [1, 2, 3, 10], 5.5, 2.5), ([1, 1, 2, 2], [6, 6, 7, 7], 0, 5)],
)
def test_known_scores(base, alt, published, distance):
    assert stabl_score(base, alt) == published
    assert wasserstein1(base, alt) == distance


def test_one_bound_for_both_sees_what_their_own_maxima_hide():
    assert stabl_score([1, 1, 2, 2], [1, 2, 3, 10], bound_base=10, bound_alt=10) == 2.5
    assert stabl_score([1, 1, 2, 2], [6, 6, 7, 7], bound_base=7, bound_alt=7) == 5
    assert stabl_score([1, 1, 2, 2], [6, 6, 7, 7], bound_base=7) == 5
    assert stabl_score([1, 1, 2, 2], [6, 6, 7, 7], bound_alt=8) == 1
    assert stabl_score([1, 3], [1, 3], bound_base=2, bound_alt=0) == 0.5  # nothing below the bound counts as none


def test_samples_of_different_size_are_compared_by_their_distribution():
    assert wasserstein1([0, 4], [0, 0, 4, 4, 4, 4]) == pytest.approx(4 / 6)
    assert wasserstein1([0], [0, 0, 3]) == 1


@given(SAMPLES, SAMPLES)
def test_the_distance_is_the_mean_difference_of_equally_many_quantiles(a, b):
    matched = np.sort(np.repeat(a, len(b))) - np.sort(np.repeat(b, len(a)))
    assert wasserstein1(a, b) == pytest.approx(np.abs(matched).mean())


@given(SAMPLES, SAMPLES, st.integers(-50, 50))
def test_the_distance_is_a_distance(a, b, shift):
    assert wasserstein1(a, a[::-1]) == 0
    assert wasserstein1(a, b) == pytest.approx(wasserstein1(b, a))
    assert wasserstein1(a, np.array(a) + shift) == pytest.approx(abs(shift))


@given(SAMPLES, SAMPLES, st.integers(-50, 50))
def test_the_published_score_does_not_see_a_shift(a, b, shift):
    assert stabl_score(a, np.array(a) + shift) == pytest.approx(0)
    assert stabl_score(a, b) == pytest.approx(stabl_score(b, a))
    assert stabl_score(a, b) == pytest.approx(abs(max(a) - np.mean(a) - max(b) + np.mean(b)))


@pytest.mark.parametrize("values", [[], [math.nan], [1, math.inf]])
def test_samples_without_a_distribution_are_refused(values):
    for measure in (wasserstein1, stabl_score):
        for pair in ((values, [1]), ([1], values)):
            with pytest.raises(ValueError, match="all of them finite"):
                measure(*pair)


@pytest.mark.parametrize(("share", "expected"), [(0.80, 20), (0.85, 22), (0.90, 23), (0.95, 25), (1.00, 35)])
def test_latency_at_a_threshold_as_tabulated(share, expected):
    assert latency_at_threshold(WORKING_GROUP_TIMES, share) == expected


def test_a_share_is_the_decimal_that_is_written():
    assert latency_at_threshold(range(1, 101), 0.07) == 7  # 0.07 · 100 is 7.000000000000001 in floating point
    assert latency_at_threshold(range(1, 101), Fraction(7, 100)) == 7
    assert latency_at_threshold(range(1, 101), 0.071) == 8
    assert latency_at_threshold([5, 3], 1e-9) == 3
    assert latency_at_threshold([5, 3], 0.5) == 3
    assert latency_at_threshold([5, 3], 0.51) == 5
    assert latency_at_threshold([5, 3], 1) == 5


def test_what_never_committed_is_never():
    assert latency_at_threshold([1, math.inf, 2, 3], 0.75) == 3
    assert latency_at_threshold([1, math.inf, 2, 3], 0.76) == math.inf


@pytest.mark.parametrize(
    ("times", "share", "message"),
    [
        ([], 0.5, "at least one"),
        ([math.nan, 1], 0.5, "not a number"),
        ([1], 0.0, "share 0.0 is not"),
        ([1], 1.0001, "share 1.0001 is not"),
    ],
)
def test_thresholds_without_meaning_are_refused(times, share, message):
    with pytest.raises(ValueError, match=message):
        latency_at_threshold(times, share)
