from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.model.buckets import LATENCY_BUCKETS_NS
from bench.model.clock import NS_PER_S
from bench.telemetry.live_data import HISTORY_S, LiveData, LiveSeries
from bench.telemetry.live_sample import Run, Sample
from bench.telemetry.live_window import bucket_percentile
from tests.support.live_samples import PHASES, RUN, START_NS, counted, healthy

AT_20_S = START_NS + 20 * NS_PER_S


def fed(samples: Iterable[Sample], run: Run = RUN) -> LiveSeries:
    series = LiveSeries()
    for sample in samples:
        series.add(run, sample)
    return series


def after(seconds: int) -> LiveData:
    return fed(healthy(second) for second in range(seconds + 1)).data(START_NS + seconds * NS_PER_S)


def as_json(data: LiveData) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(data.to_json())
    return read


def test_nothing_fed_is_said_to_be_no_data() -> None:
    data = LiveSeries().data(AT_20_S)
    assert (data.run, data.trial, data.points, data.stale, data.ended) == (None, None, (), False, False)
    assert {(light.state, light.reason) for light in data.lights} == {("unknown", "No data yet.")}
    read = as_json(data)
    assert read["run"] is None
    assert read["series"]["valid_per_s"] == []


def test_known_counters_make_known_rates_and_percentiles() -> None:
    point = after(20).points[-1]
    assert (point.at_s, point.t_s, point.trial) == (20.0, 20.0, 1)
    assert (point.planned_per_s, point.submitted_per_s, point.accepted_per_s, point.valid_per_s) == (100,) * 4
    assert (point.failed_per_s, point.rejected_per_s, point.dropped_per_s) == (0, 0, 0)
    assert (point.in_flight, point.in_flight_bound) == (100, 1_000)
    assert (point.worker_cpu_percent, point.observer_cpu_percent, point.ledger_cpu_percent) == (40.0, 10.0, 25.0)
    assert point.submit_lag_ms_p99 == pytest.approx(1, rel=0.5)
    assert point.finality_ms_p50 is not None
    assert 669 < point.finality_ms_p50 < 904  # the bucket that 900 ms fall into
    assert point.accept_ms_p99 == pytest.approx(9.9)  # evenly spread from 0 to the first bound, 10 ms
    assert (point.block_height, point.block_age_s) == (120, 0.2)


def test_refusals_failures_and_drops_have_rates_of_their_own() -> None:
    samples = [
        replace(
            healthy(second),
            rejected=2 * second,
            failed=3 * second,
            failed_expected=second,
            dropped={"in_flight_bound": 5 * second, "buffer_empty": second},
            reads_answered=7 * second,
        )
        for second in range(12)
    ]
    point = fed(samples).data(samples[-1].at_ns).points[-1]
    assert (point.rejected_per_s, point.failed_per_s, point.dropped_per_s, point.reads_per_s) == (2, 4, 6, 7)


def test_the_first_second_of_a_trial_has_no_rate() -> None:
    point = fed([healthy(3)]).data(AT_20_S).points[0]
    assert (point.planned_per_s, point.valid_per_s, point.worker_cpu_percent) == (None, None, None)
    assert point.in_flight == 100


def test_rates_count_from_the_start_signal_which_is_told_a_moment_before_it_comes() -> None:
    told = replace(healthy(0), at_ns=START_NS - NS_PER_S // 2)
    points = fed([Sample(told.at_ns - NS_PER_S, 1, 5, "setup"), told, healthy(1), healthy(2)]).data(AT_20_S).points
    assert [point.planned_per_s for point in points] == [None, None, 100, 100]


def test_only_the_last_ten_seconds_count_for_percentiles() -> None:
    slow, fast = (counted(LATENCY_BUCKETS_NS, **{name: 1_000}) for name in ("ms_20000", "ms_20"))
    both = tuple(one + other for one, other in zip(slow, fast, strict=True))
    none = (0,) * len(both)
    seen = {5: none, 15: slow, 30: both}
    samples = [
        replace(healthy(second), finality_buckets=next(found for end, found in seen.items() if second < end))
        for second in range(30)
    ]
    points = fed(samples).data(AT_20_S).points
    assert (points[12].finality_ms_p99 or 0) > 14_000
    assert (points[16].finality_ms_p99 or 1e9) < 30
    assert points[29].finality_ms_p99 is None  # nothing became final any more


def test_a_new_trial_begins_anew_and_its_counts_do_not_look_like_a_fall() -> None:
    second_trial = [
        replace(healthy(second), trial=2, at_ns=healthy(60 + second).at_ns, start_ns=START_NS + 60 * NS_PER_S)
        for second in range(4)
    ]
    data = fed([*(healthy(second) for second in range(31)), *second_trial]).data(second_trial[-1].at_ns)
    assert [point.trial for point in data.points[-5:]] == [1, 2, 2, 2, 2]
    assert [point.planned_per_s for point in data.points[-4:]] == [None, 100, 100, 100]
    assert [point.t_s for point in data.points[-4:]] == [0, 1, 2, 3]
    assert [point.at_s for point in data.points[-4:]] == [60, 61, 62, 63]
    assert data.totals["planned"] == 300
    assert [(span.trial, span.phase, span.from_s, span.to_s) for span in data.spans] == [
        (1, "warm_up", 0, 10),
        (1, "measure", 10, 60),
        (2, "warm_up", 60, 63),
    ]


def test_ledgers_that_take_turns_are_told_apart_even_in_the_same_trial_number() -> None:
    series = fed(healthy(second) for second in range(11))
    other = replace(RUN, run_id="20300101-other", ledger="anvil")
    series.add(other, replace(healthy(0), at_ns=healthy(12).at_ns, start_ns=healthy(12).at_ns))
    data = series.data(healthy(12).at_ns)
    assert data.run == other
    assert data.points[-1].planned_per_s is None
    assert [(span.ledger, span.from_s) for span in data.spans][-1] == ("anvil", 12)


def test_a_missing_observer_leaves_its_own_figures_out_and_the_rest_in() -> None:
    def without(second: int) -> Sample:
        sample = healthy(second)
        cpu = {name: used for name, used in sample.cpu_s.items() if name[0] != "observer"}
        return replace(sample, cpu_s=cpu, block_age_s=None, block_height=None, blocks=0)

    point = fed(without(second) for second in range(12)).data(AT_20_S).points[-1]
    assert (point.observer_cpu_percent, point.block_age_s, point.block_height) == (None, None, None)
    assert (point.worker_cpu_percent, point.planned_per_s) == (40.0, 100)


def test_the_busiest_worker_counts_and_nodes_add_up() -> None:
    used = {("worker-0", "harness"): 0.2, ("worker-1", "harness"): 0.6, ("a", "ledger"): 0.5, ("b", "ledger"): 0.7}
    samples = [
        replace(healthy(second), cpu_s={name: share * second for name, share in used.items()}) for second in range(8)
    ]
    point = fed(samples).data(AT_20_S).points[-1]
    assert (point.worker_cpu_percent, point.ledger_cpu_percent) == (60.0, 120.0)


def test_data_goes_stale_only_under_load() -> None:
    series = fed(healthy(second) for second in range(21))
    fresh, old = series.data(AT_20_S + 2 * NS_PER_S), series.data(AT_20_S + 7 * NS_PER_S)
    assert (fresh.snapshot_age_s, fresh.stale) == (2.1, False)
    assert (old.snapshot_age_s, old.stale) == (7.1, True)
    assert [light.state for light in old.lights] == ["unknown", "unknown", "bad"]
    assert old.lights[2].reason == "Our workers have not reported for 7 s."
    series.add(RUN, replace(healthy(21), phase="setup", trial=2, start_ns=None, snapshot_age_s=None))
    assert not series.data(AT_20_S + 90 * NS_PER_S).stale


def test_a_worker_that_is_silent_makes_the_whole_stale_although_samples_come() -> None:
    series = fed([*(healthy(second) for second in range(20)), replace(healthy(20), snapshot_age_s=6.0)])
    assert series.data(AT_20_S).stale


def test_the_end_is_said_and_another_sample_takes_it_back() -> None:
    series = fed(healthy(second) for second in range(21))
    series.end("The run ended: valid.")
    data = series.data(AT_20_S + 60 * NS_PER_S)
    assert (data.ended, data.outcome, data.stale) == (True, "The run ended: valid.", False)
    assert {light.reason for light in data.lights} == {"The run has ended."}
    assert len(data.points) == 21
    series.add(RUN, replace(healthy(0), trial=2, at_ns=healthy(70).at_ns))
    assert not series.data(healthy(70).at_ns).ended


def test_time_left_is_that_of_the_load() -> None:
    series = fed(healthy(second) for second in range(21))
    trial = series.data(AT_20_S + NS_PER_S // 2).trial
    assert trial is not None
    assert (trial.number, trial.of, trial.phase, trial.elapsed_s, trial.left_s) == (1, 5, "measure", 20.5, 39.5)
    assert trial.phases == PHASES
    series.add(RUN, healthy(65))
    drain = series.data(START_NS + 65 * NS_PER_S).trial
    assert drain is not None
    assert (drain.phase, drain.left_s) == ("drain", 0.0)


def test_before_the_start_signal_there_is_no_time_of_the_trial() -> None:
    data = fed([Sample(at_ns=START_NS, trial=1, trials=5, phase="setup")]).data(AT_20_S)
    assert data.trial is not None
    assert (data.trial.elapsed_s, data.trial.left_s, data.points[0].t_s) == (None, None, None)
    assert {light.reason for light in data.lights} == {"No load yet: the trial is being prepared."}


def test_ten_minutes_are_kept() -> None:
    data = after(HISTORY_S + 30)
    assert data.points[0].at_s == 30
    assert len(data.points) == HISTORY_S + 1
    assert [span.phase for span in data.spans] == ["measure", "drain"]


def test_samples_that_come_too_close_make_one_point() -> None:
    close = replace(healthy(5), at_ns=healthy(5).at_ns + NS_PER_S // 5, in_flight=77)
    data = fed([healthy(4), healthy(5), close, healthy(6)]).data(AT_20_S)
    assert [point.in_flight for point in data.points] == [100, 77, 100]


def test_errors_come_with_the_most_frequent_first_and_without_zeros() -> None:
    sample = replace(healthy(5), errors={"reverted": 3, "pool_full": 40, "no_answer": 0}, dropped={"buffer_empty": 5})
    assert fed([sample]).data(AT_20_S).errors == (("pool_full", 40), ("buffer_empty", 5), ("reverted", 3))


def test_the_document_is_columns_of_equal_length() -> None:
    read = as_json(after(20))
    assert read["schema"] == 1
    assert {len(column) for column in read["series"].values()} == {21}
    assert read["series"]["valid_per_s"][-1] == 100
    assert read["run"]["limits"]["submit_lag_p99_ns"] == 5_000_000
    assert read["lights"][0] == {
        "question": "Is the ledger alive?",
        "state": "good",
        "answer": "Yes",
        "reason": "Block 120 came 0.2 s ago.",
    }
    assert read["errors"] == []
    assert "points" not in read


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([0, 0, 0], 0.5, None),
        ([10, 0, 0], 0.5, 50.0),
        ([0, 10, 0], 0.5, 150.0),
        ([10, 10, 0], 0.99, 198.0),
        ([0, 0, 4], 0.5, 200.0),  # above the last bound: at least that
    ],
)
def test_percentiles_of_buckets(counts: list[int], share: float, expected: float | None) -> None:
    assert bucket_percentile((100, 200), counts, share) == expected


@given(st.lists(st.integers(10_000_000, 100_000_000_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_lies_in_the_bucket_that_holds_the_true_one(values: list[int], share: float) -> None:
    buckets = [0] * (len(LATENCY_BUCKETS_NS) + 1)
    for value in values:
        buckets[next(i for i, bound in enumerate(LATENCY_BUCKETS_NS) if value <= bound)] += 1
    true = sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]
    found = bucket_percentile(LATENCY_BUCKETS_NS, buckets, share)
    place = next(i for i, bound in enumerate(LATENCY_BUCKETS_NS) if true <= bound)
    assert found is not None
    assert (LATENCY_BUCKETS_NS[place - 1] if place else 0) <= found <= LATENCY_BUCKETS_NS[place] + 1
