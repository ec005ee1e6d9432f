import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.model.phase import Outcome
from bench.report.series import MAX_BINS, Writes, bin_edges, distribution, finality_bands, quantile, timeline

S = 1_000_000_000
MS = 1_000_000


def stamps(*values: int | None) -> np.ndarray:
    return np.array([-1 if value is None else value for value in values], np.int64)


def steady(rate: int, seconds: int, block_s: float = 1.0) -> Writes:
    """Every transaction is final in the block at the end of the second it was intended in."""
    intended = np.arange(rate * seconds, dtype=np.int64) * S // rate
    final = ((intended / (block_s * S)).astype(np.int64) + 1) * round(block_s * S)
    outcome = np.full(len(intended), Outcome.FINALIZED, np.uint8)
    return Writes(intended, intended + MS, intended + 2 * MS, final, final, outcome)


@pytest.mark.parametrize(
    ("end_s", "bins"), [(0.1, 1), (4.0, 20), (20.0, 20), (239.5, 240), (241.0, 121), (86_400.0, 144)]
)
def test_bins_are_round_and_few(end_s: float, bins: int) -> None:
    edges = bin_edges(end_s)
    assert len(edges) - 1 == bins <= MAX_BINS
    assert edges[-1] >= end_s


def test_rates_of_a_steady_run() -> None:
    series = timeline(steady(200, 10), 10.0)
    assert series.offered.values.tolist() == [200.0] * 10
    assert series.finalized.edges_s.tolist() == [float(second) for second in range(11)]
    assert series.finalized.values.tolist() == [200.0] * 10
    # Little's law: 200 per second, each under way for half a second on average
    assert series.in_flight.values == pytest.approx([100.0] * 10, abs=0.5)


def test_a_block_cut_by_a_bin_edge_makes_no_spike() -> None:
    writes = steady(200, 10, block_s=0.7)
    assert timeline(writes, 10.5).finalized.values.max() == pytest.approx(200.0)


def test_many_small_commits_are_binned_by_second() -> None:
    writes = steady(1_000, 6, block_s=0.001)
    assert len(timeline(writes, 6.0).finalized.values) == 6


def test_rejected_and_failed_are_not_under_way() -> None:
    writes = Writes(
        intended=stamps(0, 0, 0, 0),
        submitted=stamps(1, 1, 1, None),
        accepted=stamps(None, 2, 2, None),
        committed=stamps(None, 3, None, None),
        finalized=stamps(None, None, None, None),
        outcome=np.array([Outcome.REJECTED, Outcome.FAILED, Outcome.UNRESOLVED, Outcome.DROPPED], np.uint8),
    )
    in_flight = timeline(writes, 1.0).in_flight.values
    assert in_flight[-1] == pytest.approx(1)  # the unresolved one, to the end
    assert in_flight[0] == pytest.approx((2 + (200 - 1)) / 200, abs=0.01)  # of its 200 ms, and the failed one's 2 ms


def test_bands_count_the_latency_from_the_intended_time() -> None:
    intended = np.arange(100, dtype=np.int64) * 10 * MS
    latency = np.arange(1, 101, dtype=np.int64) * MS
    outcome = np.full(100, Outcome.FINALIZED, np.uint8)
    outcome[99] = Outcome.UNRESOLVED
    final = np.where(outcome == Outcome.FINALIZED, intended + latency, -1)
    bands = finality_bands(Writes(intended, intended, intended, final, final, outcome), 10.0)
    assert (bands.p50[0], bands.p90[0], bands.p99[0], bands.worst[0]) == (50.0, 90.0, 99.0, 99.0)
    assert np.isnan(bands.p50[1:]).all()
    assert bands.unresolved.tolist() == [1] + [0] * 9


def test_a_distribution_ends_where_the_unresolved_begin() -> None:
    earlier = np.zeros(80, np.int64)
    later = np.arange(1, 81, dtype=np.int64) * MS
    line = distribution(later, earlier, censored=20)
    assert (line.count, line.censored) == (80, 20)
    assert line.share[-1] <= 0.8
    assert line.milliseconds.max() == 80.0
    assert line.marks == ((0.5, 50.0),)


def test_marks_need_the_samples_of_their_percentile() -> None:
    earlier = np.zeros(999, np.int64)
    assert [q for q, _ in distribution(earlier + MS, earlier).marks] == [0.5, 0.9]
    earlier = np.zeros(10_000, np.int64)
    assert [q for q, _ in distribution(earlier + MS, earlier).marks] == [0.5, 0.9, 0.99, 0.999]


def test_nothing_happened() -> None:
    none = stamps(None, None)
    assert distribution(none, none).count == 0
    assert quantile(none, none, 0.5) is None
    empty = np.empty(0, np.int64)
    writes = Writes(empty, empty, empty, empty, empty, np.empty(0, np.uint8))
    assert timeline(writes, 1.0).offered.values.sum() == 0
    assert np.isnan(finality_bands(writes, 1.0).p50).all()


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=300))
def test_a_distribution_grows_and_stays_inside_the_sample(values: list[int]) -> None:
    later = np.array(values, np.int64)
    line = distribution(later, np.zeros(len(values), np.int64))
    assert (np.diff(line.milliseconds) >= 0).all()
    assert (np.diff(line.share) > 0).all()
    assert line.milliseconds[0] == min(values) / MS
    assert line.milliseconds[-1] == max(values) / MS


@given(st.lists(st.tuples(st.integers(0, 9 * S), st.integers(1, 10 * S)), max_size=200))
def test_no_event_is_lost_in_the_bins(pairs: list[tuple[int, int]]) -> None:
    intended = np.array([start for start, _ in pairs], np.int64)
    final = np.array([start + length for start, length in pairs], np.int64)
    outcome = np.full(len(pairs), Outcome.FINALIZED, np.uint8)
    series = timeline(Writes(intended, intended, intended, final, final, outcome), 20.0)
    for steps in (series.offered, series.finalized):
        assert (steps.values * np.diff(steps.edges_s)).sum() == pytest.approx(len(pairs))
    open_s = sum(length for _, length in pairs) / S
    assert (series.in_flight.values * np.diff(series.in_flight.edges_s)).sum() == pytest.approx(open_s, abs=1e-6)
