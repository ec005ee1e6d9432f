import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bench.model.clock import NS_PER_MS
from bench.stats.percentiles import SHARES, minimal_count, nearest_rank, percentiles

LATENCIES = hnp.arrays(np.int64, st.integers(1, 300), elements=st.integers(0, 3_600_000_000_000))


def ms(values):
    return (np.asarray(values, float) * NS_PER_MS).astype(np.int64)


@given(LATENCIES, st.sampled_from(sorted(SHARES)))
def test_nearest_rank_is_the_inverse_of_the_empirical_distribution(values, name):
    expected = np.quantile(values, float(SHARES[name]), method="inverted_cdf")
    assert nearest_rank(np.sort(values), SHARES[name]) == expected


def test_rank_is_exact_where_floating_point_is_not():
    # in floating point a product such as 0.07 · 100 lands above the whole number, and its ceiling one rank too high
    assert nearest_rank(np.arange(1, 21), SHARES["p95"]) == 19
    assert nearest_rank(np.arange(1, 101), SHARES["p99"]) == 99
    assert nearest_rank(np.arange(1, 1001), SHARES["p999"]) == 999


@pytest.mark.parametrize(
    ("share", "expected"),
    [("0.80", 20), ("0.85", 22), ("0.90", 23), ("0.95", 25), ("1.00", 35)],
)
def test_latency_at_a_network_threshold_as_the_performance_working_group_tabulates_it(share, expected):
    # Hyperledger Performance and Scale Working Group, metrics v1.01, table 1: commit times of 20 observations
    times = [10, 14, 9, 20, 22, 14, 10, 25, 4, 23, 17, 18, 12, 6, 19, 20, 15, 19, 8, 35]
    assert nearest_rank(np.sort(times), Fraction(share)) == expected


@pytest.mark.parametrize(("name", "count"), [("p50", 20), ("p90", 100), ("p95", 200), ("p99", 1_000), ("p999", 10_000)])
def test_a_percentile_needs_ten_samples_beyond_it(name, count):
    assert minimal_count(name) == count
    assert getattr(percentiles(ms(range(count - 1))), name) is None
    assert getattr(percentiles(ms(range(count))), name) is not None


def test_a_known_distribution_is_recovered():
    values = np.random.default_rng(3).permutation(ms(range(1, 10_001)))
    found = percentiles(values)
    assert (found.p50, found.p90, found.p95, found.p99, found.p999) == (5_000, 9_000, 9_500, 9_900, 9_990)
    assert (found.max, found.mean, found.count, found.censored) == (10_000, 5_000.5, 10_000, 0)
    assert found.lower_bound == {}


def test_an_exponential_is_recovered_within_its_sampling_error():
    found = percentiles(ms(np.random.default_rng(5).exponential(100, 200_000)))
    for name, share in SHARES.items():
        assert getattr(found, name) == pytest.approx(-100 * math.log(1 - float(share)), rel=0.05)


def test_nothing_gives_nothing():
    found = percentiles(np.empty(0, np.int64))
    assert (found.p50, found.max, found.mean, found.count, found.lower_bound) == (None, None, None, 0, {})


def test_a_percentile_among_censored_rows_is_null_with_its_lower_bound():
    found = percentiles(ms(range(1, 981)), ms([30_000] * 20))  # 2 % never resolved
    assert (found.p50, found.p95, found.count, found.censored) == (500, 950, 1_000, 20)
    assert found.p99 is None
    assert found.max is None
    assert found.mean is None
    assert found.lower_bound == {"p99": 30_000, "max": 30_000, "mean": (980 * 981 / 2 + 20 * 30_000) / 1_000}


def test_a_percentile_may_be_the_last_that_was_resolved():
    found = percentiles(ms(range(1, 91)), ms([1_000] * 10))
    assert (found.p90, found.lower_bound.keys()) == (90, {"max", "mean"})


def test_milliseconds_are_rounded_to_the_nanosecond():
    assert percentiles(np.array([1_000_001, 1_000_001, 1_000_002])).mean == 1.000001


def test_a_late_row_given_up_early_still_counts_as_slowest():
    # its own bound (1 ms) is below every latency, yet nobody knows that it would have been fast
    found = percentiles(ms(range(100, 199)), ms([1]))
    assert found.p90 == 189
    assert found.lower_bound["max"] == 198


def test_too_few_samples_give_no_lower_bound_either():
    assert percentiles(ms([1, 2]), ms([6])).lower_bound == {"max": 6, "mean": 3}


@given(LATENCIES, LATENCIES)
def test_resolving_censored_rows_later_never_lowers_a_percentile_below_its_bound(resolved, bounds):
    found = percentiles(resolved, bounds)
    truth = percentiles(np.concatenate((resolved, bounds + 5_000_000)))
    for name, bound in found.lower_bound.items():
        assert getattr(truth, name) >= bound
    for name in SHARES:
        given_value = getattr(found, name)
        assert given_value is None or getattr(truth, name) <= given_value
