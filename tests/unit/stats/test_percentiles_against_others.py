"""Our percentiles against two implementations that are not ours: numpy's and HdrHistogram's."""

import math

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.percentiles import SHARES, minimal_count, percentiles

HOUR_US = 3_600_000_000
NS_PER_US, NS_PER_MS = 1_000, 1_000_000
COUNTS = st.sampled_from([1, 19, 20, 21, 99, 100, 199, 200, 999, 1_000, 1_001, 10_000, 10_007])


def lognormal(random, count):
    return random.lognormal(math.log(80e6), 1.0, count)


def bimodal(random, count):
    """Most answers in a block of 12 s, some from a cache after a few milliseconds."""
    return np.where(random.random(count) < 0.3, random.normal(5e6, 5e5, count), random.normal(12e9, 1e9, count))


def heavy_tailed(random, count):
    """Pareto with an infinite mean: some of it lies beyond the hour."""
    return 2e6 * (1 + random.pareto(0.9, count))


DISTRIBUTIONS = [lognormal, bimodal, heavy_tailed]


def draw(distribution, seed, count):
    return np.maximum(distribution(np.random.default_rng(seed), count), 1_000).astype(np.int64)


def recorded(latencies):
    """Histogram of 1 µs to 1 h at three digits, and how many were too long for it."""
    histogram = HdrHistogram(1, HOUR_US, 3)
    inside = latencies[latencies <= HOUR_US * NS_PER_US]
    for latency in inside // NS_PER_US:
        assert histogram.record_value(int(latency))
    return histogram, len(latencies) - len(inside)


def assert_agree(found, histogram, overflow):
    inside = histogram.get_total_count()
    assert found.count == inside + overflow
    for name, share in SHARES.items():
        ours = getattr(found, name)
        if found.count < minimal_count(name):
            assert ours is None
        elif (rank := math.ceil(share * found.count)) > inside:
            assert ours > HOUR_US * NS_PER_US / NS_PER_MS  # an overflow there; we know it exactly
        else:  # asked for exactly our rank: the histogram itself rounds ranks instead of taking their ceiling
            theirs = histogram.get_value_at_percentile(100 * rank / inside) * NS_PER_US / NS_PER_MS
            assert ours == pytest.approx(theirs, rel=1e-3, abs=2e-3)


@pytest.mark.parametrize("count", [500, 1_234, 12_345])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_hdr_histogram_agrees_to_three_digits(distribution, count):
    latencies = draw(distribution, count, count)
    histogram, overflow = recorded(latencies)
    found = percentiles(latencies)
    assert_agree(found, histogram, overflow)
    if not overflow:
        assert found.max == pytest.approx(histogram.get_max_value() / 1_000, rel=1e-3)
        assert found.mean == pytest.approx(histogram.get_mean_value() / 1_000, rel=1e-3)


@pytest.mark.parametrize("workers", [2, 3, 7])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_histograms_merged_from_workers_agree_with_rows_put_together(distribution, workers):
    shards = [draw(distribution, [workers, worker], 400 * (worker + 1)) for worker in range(workers)]
    merged, lost = HdrHistogram(1, HOUR_US, 3), 0
    for shard in shards:
        histogram, overflow = recorded(shard)
        merged.add(histogram)
        lost += overflow
    found = percentiles(np.concatenate(shards))
    assert found.count == sum(len(shard) for shard in shards)
    assert_agree(found, merged, lost)


def test_what_a_histogram_cannot_hold_is_counted_and_known_exactly():
    hour = 3_600_000 * NS_PER_MS
    latencies = np.concatenate((np.full(960, NS_PER_MS), hour + NS_PER_MS * np.arange(40)))
    histogram, overflow = recorded(latencies)
    found = percentiles(latencies)
    assert (histogram.get_total_count(), overflow) == (961, 39)
    assert (found.count, found.p95, found.p99, found.max) == (1_000, 1, 3_600_029, 3_600_039)
    assert_agree(found, histogram, overflow)


@settings(deadline=None)
@given(st.integers(0, 2**32), COUNTS, st.sampled_from(DISTRIBUTIONS))
def test_numpy_agrees_exactly(seed, count, distribution):
    latencies = draw(distribution, seed, count)
    found = percentiles(latencies)
    for name, share in SHARES.items():
        expected = np.quantile(latencies, float(share), method="inverted_cdf") / NS_PER_MS
        assert getattr(found, name) == (pytest.approx(expected) if count >= minimal_count(name) else None)
    assert found.max == pytest.approx(latencies.max() / NS_PER_MS)
    assert found.mean == pytest.approx(latencies.mean() / NS_PER_MS)
    assert (found.count, found.censored, found.lower_bound) == (count, 0, {})


@settings(deadline=None)
@given(st.integers(0, 2**32), COUNTS, st.integers(1, 1_200), st.sampled_from(DISTRIBUTIONS))
def test_numpy_agrees_when_rows_never_ended(seed, resolved, open_rows, distribution):
    latencies = draw(distribution, seed, resolved)
    bounds = draw(distribution, seed + 1, open_rows)
    found = percentiles(latencies, bounds)
    endless = np.concatenate((latencies.astype(float), np.full(open_rows, np.inf)))
    at_least = np.concatenate((latencies, bounds))
    for name, share in SHARES.items():
        expected = np.quantile(endless, float(share), method="inverted_cdf")
        if len(endless) < minimal_count(name):
            assert getattr(found, name) is None
            assert name not in found.lower_bound
        elif math.isinf(expected):
            assert getattr(found, name) is None
            bound = np.quantile(at_least, float(share), method="inverted_cdf")
            assert found.lower_bound[name] == pytest.approx(bound / NS_PER_MS)
        else:
            assert getattr(found, name) == pytest.approx(expected / NS_PER_MS)
            assert name not in found.lower_bound
    assert (found.max, found.mean, found.count, found.censored) == (None, None, len(endless), open_rows)
    assert found.lower_bound["max"] == pytest.approx(at_least.max() / NS_PER_MS)
    assert found.lower_bound["mean"] == pytest.approx(at_least.mean() / NS_PER_MS)
