from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.scenario.arrival import (
    ArrivalProcess,
    Burst,
    Constant,
    Poisson,
    Ramp,
    Sine,
    Steps,
    intended_times,
    planned_count,
    shard,
)

S = 1_000_000_000
HOUR = 3600 * S
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure

rates = st.floats(0.001, 3000).map(lambda rate: max(0.001, round(rate, 3)))
rates_or_zero = st.one_of(st.just(0.0), rates)
lengths = st.integers(1_000_000, 3 * S)
constants = st.builds(Constant, rates)
staircases = st.lists(st.tuples(lengths, rates_or_zero), min_size=1, max_size=6).map(lambda steps: Steps(tuple(steps)))
bursts = st.builds(
    lambda base, peak, calm, length: Burst(base, peak, calm + length, length), rates_or_zero, rates, lengths, lengths
)
ramps = st.builds(Ramp, rates_or_zero, rates_or_zero, lengths)
sines = st.builds(lambda mean, share, period: Sine(mean, mean * share, period), rates, st.floats(0, 1), lengths)
piecewise = st.one_of(constants, staircases, bursts)
deterministic: st.SearchStrategy[ArrivalProcess] = st.one_of(piecewise, ramps, sines)
processes: st.SearchStrategy[ArrivalProcess] = st.one_of(deterministic, st.builds(Poisson, rates))
durations = st.integers(1, 4 * S)
seeds = st.integers(0, 2**53 - 1)


def schedule(process: ArrivalProcess, duration_ns: int, seed: int = 1, chunk: int = 16_384) -> np.ndarray:
    chunks = list(intended_times(process, duration_ns, seed, chunk))
    assert all(0 < len(times) <= chunk and times.dtype == np.int64 for times in chunks)
    return np.concatenate([np.empty(0, np.int64), *chunks])


@pytest.mark.parametrize(
    ("process", "duration_ns", "planned"),
    [
        (Constant(300), 20 * S, 6000),
        (Constant(0.1), 30 * S, 3),  # 0.1 × 30 is 3.0000000000000004 in binary
        (Constant(2.5), 1 * S, 3),  # due at 0, 0.4 and 0.8 s
        (Constant(1000 / 3), 3 * S, 1000),
        (Constant(3000), 24 * HOUR, 259_200_000),
        (Steps(((10 * S, 10), (5 * S, 0), (10 * S, 20))), 25 * S, 300),
        (Steps(((10 * S, 10), (5 * S, 0), (10 * S, 20))), 20 * S, 200),
        (Steps(((1 * S, 0.4), (1 * S, 0.4), (1 * S, 0.4))), 3 * S, 2),  # R(3 s) = 1.2
        (Burst(100, 1000, 10 * S, 1 * S), 40 * S, 7600),
        (Burst(100, 1000, 10 * S, 1 * S), 15 * S, 2400),
        (Ramp(0, 300, 20 * S), 20 * S, 3000),
        (Ramp(300, 100, 20 * S), 20 * S, 4000),
        (Ramp(0, 100, 10 * S), 20 * S, 1500),
        (Sine(100, 100, 10 * S), 30 * S, 3000),
        (Sine(100, 50, 10 * S), 5 * S, math.ceil(500 + 50 * 10 / math.pi)),
        (Poisson(300), 20 * S, 6000),
    ],
)
def test_planned_is_the_rate_times_the_time(process: ArrivalProcess, duration_ns: int, planned: int) -> None:
    assert process.planned(duration_ns) == planned


def test_constant_arrivals_are_k_over_rate_without_drift_after_a_day() -> None:
    *_, last = Constant(7).times(24 * HOUR, 0, 16_384)
    k = 7 * 24 * 3600 - 1
    assert last[-1] == k * S // 7


def test_known_times() -> None:
    assert schedule(Constant(4), S).tolist() == [0, S // 4, S // 2, 3 * S // 4]
    # an arrival due in the pause comes when the pause ends
    assert schedule(Steps(((S, 2), (S, 0), (S, 2))), 3 * S).tolist() == [0, S // 2, 2 * S, 2 * S + S // 2]
    assert schedule(Burst(1, 2, 3 * S, S), 3 * S).tolist() == [0, S, 2 * S, 2 * S + S // 2]
    # R = t² / 2: arrivals at √(2k) s
    assert schedule(Ramp(0, 4, 4 * S), 4 * S) == pytest.approx([math.sqrt(2 * k) * S for k in range(8)], abs=2)


def test_rates_at_a_time() -> None:
    burst = Burst(1, 2, 3 * S, S)
    assert [burst.rate_at(t * S) for t in range(6)] == [1, 1, 2, 1, 1, 2]
    steps = Steps(((S, 5), (S, 0), (S, 7)))
    assert [steps.rate_at(t) for t in (0, S - 1, S, 2 * S, 3 * S - 1, 3 * S)] == [5, 5, 0, 7, 7, 0]
    assert [Ramp(0, 10, 2 * S).rate_at(t * S) for t in range(4)] == [0, 5, 10, 10]
    assert [Sine(10, 5, 4 * S).rate_at(t * S) for t in range(4)] == pytest.approx([10, 15, 10, 5])


@relaxed
@given(deterministic, durations)
def test_a_deterministic_schedule_has_exactly_the_planned_count(process: ArrivalProcess, duration_ns: int) -> None:
    times = schedule(process, duration_ns)
    assert len(times) == process.planned(duration_ns) == planned_count(process, duration_ns, 1)


@relaxed
@given(processes, durations, seeds)
def test_times_are_ordered_and_inside_the_run(process: ArrivalProcess, duration_ns: int, seed: int) -> None:
    times = schedule(process, duration_ns, seed)
    assert len(times) == planned_count(process, duration_ns, seed)
    assert (np.diff(times) >= 0).all()
    if len(times):
        assert times[0] >= 0
        assert times[-1] < duration_ns


@relaxed
@given(piecewise, durations)
def test_the_kth_arrival_is_the_last_instant_at_which_no_more_than_k_are_due(
    process: ArrivalProcess, duration_ns: int
) -> None:
    times = schedule(process, duration_ns)
    for k in {0, len(times) // 3, len(times) - 1} if len(times) else ():
        due = int(times[k])  # planned(t) is ⌈R(t)⌉, summed in integers: R(due) ≤ k < R(due + 1)
        assert process.planned(due) <= k < process.planned(due + 1)


@relaxed
@given(ramps, durations)
def test_a_ramp_is_inverted(ramp: Ramp, duration_ns: int) -> None:
    times = schedule(ramp, duration_ns)
    rising, holding = np.minimum(times, ramp.length_ns) / S, np.maximum(times - ramp.length_ns, 0) / S
    slope = (ramp.end - ramp.start) / (ramp.length_ns / S)
    integral = ramp.start * rising + slope * rising**2 / 2 + ramp.end * holding
    assert np.abs(integral - np.arange(len(times))).max(initial=0) < 1e-5  # 3000/s × 2 ns and float rounding


@relaxed
@given(sines, durations)
def test_a_sine_is_inverted(sine: Sine, duration_ns: int) -> None:
    times = schedule(sine, duration_ns)
    omega = 2 * np.pi / (sine.period_ns / S)
    integral = sine.mean * times / S + sine.amplitude / omega * (1 - np.cos(omega * times / S))
    assert np.abs(integral - np.arange(len(times))).max(initial=0) < 2e-5


@relaxed
@given(deterministic, durations)
def test_planned_is_the_integral_of_the_rate(process: ArrivalProcess, duration_ns: int) -> None:
    cells = 4000
    middles = [(2 * cell + 1) * duration_ns // (2 * cells) for cell in range(cells)]
    seen = [process.rate_at(t) for t in middles]
    jumps = sum(abs(after - before) for before, after in pairwise(seen)) + max(seen)
    cell_s = duration_ns / S / cells
    assert abs(process.planned(duration_ns) - sum(seen) * cell_s) <= 1 + jumps * cell_s + 1e-3


@settings(relaxed, max_examples=50)
@given(processes, durations, seeds, st.integers(1, 300))
def test_chunks_do_not_change_the_schedule(process: ArrivalProcess, duration_ns: int, seed: int, chunk: int) -> None:
    duration_ns //= 4
    assert (schedule(process, duration_ns, seed, chunk) == schedule(process, duration_ns, seed)).all()


@relaxed
@given(processes, durations, seeds, st.integers(1, 9), st.integers(1, 2000))
def test_shards_are_together_exactly_the_schedule(
    process: ArrivalProcess, duration_ns: int, seed: int, workers: int, chunk: int
) -> None:
    whole = schedule(process, duration_ns, seed)
    parts = [
        part for w in range(workers) for part in shard(intended_times(process, duration_ns, seed, chunk), w, workers)
    ]
    assert all(len(indices) == len(times) > 0 for indices, times in parts)
    indices = np.concatenate([np.empty(0, np.uint64), *(i for i, _ in parts)])
    times = np.concatenate([np.empty(0, np.int64), *(t for _, t in parts)])
    assert indices.dtype == np.uint64
    assert sorted(indices.tolist()) == list(range(len(whole)))
    assert (times == whole[indices]).all()


def test_workers_do_not_fire_in_phase() -> None:
    first, second = (next(shard(intended_times(Constant(100), S, 1), worker, 2)) for worker in range(2))
    assert first[0].tolist()[:3] == [0, 2, 4]
    assert second[0].tolist()[:3] == [1, 3, 5]
    assert (second[1] - first[1]).tolist() == [10_000_000] * 50


def test_poisson_recovers_its_rate_and_its_variance() -> None:
    times = schedule(Poisson(500), 200 * S, seed=7)
    assert abs(len(times) - 100_000) < 4 * math.sqrt(100_000)
    gaps = np.diff(times) / S
    assert gaps.mean() == pytest.approx(1 / 500, rel=0.02)
    assert gaps.std() == pytest.approx(1 / 500, rel=0.02)
    per_second = np.bincount(times // S, minlength=200)
    assert 0.7 < per_second.var() / per_second.mean() < 1.3  # index of dispersion 1; sd of the estimate is 0.1


POISSON_SEED_1 = [460449, 1070194, 2896532, 3364791]


def test_poisson_is_the_same_for_a_seed_everywhere_and_other_for_another() -> None:
    assert schedule(Poisson(1000), S, seed=1).tolist()[:4] == POISSON_SEED_1
    assert schedule(Poisson(1000), S, seed=2).tolist()[:4] != POISSON_SEED_1


@pytest.mark.parametrize("process", [Constant(3000), Sine(3000, 1000, 60 * S), Ramp(1, 6000, HOUR), Poisson(3000)])
def test_a_long_schedule_comes_in_small_pieces(process: ArrivalProcess) -> None:
    chunks = intended_times(process, HOUR, 1)
    assert all(len(next(chunks)) == 16_384 for _ in range(5))


def test_a_process_at_the_highest_rate_stays_exact() -> None:
    *_, last = Constant(1_000_000).times(S // 10, 0, 16_384)
    assert last[-1] == 99_999_000
    assert schedule(Constant(999_999.999999), S // 100)[-1] == 9_999 * 10**15 // 999_999_999_999
