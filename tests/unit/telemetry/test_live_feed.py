"""What the page is shown, from what a trial tells its watchers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.bundle.reader import read_bundle
from bench.measure.inputs import Limits
from bench.model.buckets import LAG_BUCKETS_NS, LATENCY_BUCKETS_NS
from bench.model.clock import NS_PER_S
from bench.model.counters import BlockCounters, Buckets, Counters
from bench.model.operation import Kind
from bench.model.resources import ResourceSample
from bench.model.transaction import ErrorClass
from bench.model.workload import OperationInfo
from bench.scenario.arrival import Constant
from bench.telemetry.live_data import LiveData, LiveSeries
from bench.telemetry.live_feed import LiveFeed
from bench.telemetry.live_window import Point
from bench.telemetry.outline import TrialOutline
from tests.support.bundles import synthetic_bundle
from tests.support.live_samples import counted

OUTLINE = TrialOutline(
    run_id="run-1",
    ledger="simulated",
    family="simulated",
    ledger_version="1",
    workload="mixed",
    scenario="test",
    seed=7,
    version="1.2",
    trial=1,
    trials=3,
    operations=(OperationInfo("pay", Kind.WRITE, 1.0, ""), OperationInfo("look", Kind.READ, 1.0, "")),
    process=Constant(100.0),
    warm_up_ns=2 * NS_PER_S,
    duration_ns=10 * NS_PER_S,
    drain_ns=5 * NS_PER_S,
    workers=2,
    in_flight=100,
    objective_ns=3 * NS_PER_S,
    limits=Limits(),
    results=None,
)


class Stage:
    """A feed under a clock of the test's own; the start signal comes with the clock at `start_ns`."""

    def __init__(self, outline: TrialOutline = OUTLINE) -> None:
        self.now = self.start_ns = 1_000 * NS_PER_S
        self.series = LiveSeries()
        self.feed = LiveFeed(self.series, lambda: self.now)
        self.feed.trial_began(outline)

    def data(self) -> LiveData:
        return self.series.data(self.now)

    def last(self) -> Point:
        return self.data().points[-1]

    def begin(self) -> Stage:
        self.feed.load_began(self.start_ns, "1")
        return self

    def at(self, seconds: float) -> Stage:
        self.now = self.start_ns + int(seconds * NS_PER_S)
        return self


def report(done: int, life: str = "a", *, final: bool = False, blocks: BlockCounters | None = None) -> Counters:
    """Of a worker that has planned, sent and brought through `done` writes and as many reads."""
    return Counters(
        incarnation=life,
        sequence=1,
        final=final,
        planned=[done, 0],
        submitted=[done, 0],
        accepted=[done, 0],
        finalized=[done, 0],
        failed=[4, 0],  # the one that was meant to is among them
        failed_expected=[1, 0],
        rejected=[2, 0],
        reads_issued=[0, done],
        reads_answered=[0, done],
        reads_failed=[0, 0],
        dropped={ErrorClass.BUFFER_EMPTY: 4},
        errors={ErrorClass.REVERTED: 3, ErrorClass.POOL_FULL: 2, ErrorClass.BUFFER_EMPTY: 4},
        in_flight=5,
        submit_lag=Buckets(list(counted(LAG_BUCKETS_NS, ms_1=done))),
        accept=Buckets(list(counted(LATENCY_BUCKETS_NS, ms_50=done))),
        finality=[Buckets(list(counted(LATENCY_BUCKETS_NS, ms_900=done))), Buckets()],
        blocks=blocks,
    )


def sample(process: str, role: str, cpu_s: float) -> ResourceSample:
    return ResourceSample(process, role, 1, 0, "", 0.0, cpu_s, 0, 0, 0, 1, 1)


def test_before_the_start_signal_the_trial_is_in_setup() -> None:
    data = Stage().data()
    assert data.run is not None
    assert (data.run.run_id, data.run.slo_finality_s, data.run.limits) == ("run-1", 3.0, Limits())
    assert data.trial is not None
    assert (data.trial.number, data.trial.of, data.trial.phase, data.trial.elapsed_s) == (1, 3, "setup", None)


def test_the_reports_of_all_workers_make_one_sample() -> None:
    stage = Stage().begin()
    for second in (1, 2):
        stage.at(second).feed.counted(0, report(50 * second, blocks=BlockCounters(heard=second, height=second)))
        shown = len(stage.data().points)
        stage.feed.counted(1, report(50 * second))
        assert len(stage.data().points) == shown + 1
    data = stage.data()
    assert data.totals == {
        "planned": 200,
        "submitted": 200,
        "accepted": 200,
        "finalized_valid": 200,
        "failed": 6,
        "failed_expected": 2,
        "rejected": 4,
        "unresolved": 0,
        "dropped": 8,
        "reads_issued": 200,
        "reads_answered": 200,
        "blocks": 2,
    }
    assert data.errors == (("buffer_empty", 8), ("reverted", 6), ("pool_full", 4))
    point = stage.last()
    assert (point.t_s, point.planned_per_s, point.valid_per_s, point.reads_per_s) == (2.0, 100, 100, 100)
    assert (point.in_flight, point.in_flight_bound, point.block_height) == (10, 100, 2)
    assert point.finality_ms_p50 is not None
    assert 669 < point.finality_ms_p50 < 904


@pytest.mark.parametrize(("second", "phase"), [(0.5, "warm_up"), (2, "measure"), (9.9, "measure"), (10, "drain")])
def test_the_phase_follows_the_plan(second: float, phase: str) -> None:
    stage = Stage().begin().at(second)
    for worker in (0, 1):
        stage.feed.counted(worker, report(10))
    data = stage.data()
    assert data.trial is not None
    assert data.trial.phase == phase
    assert [(one.phase, one.start_s, one.end_s) for one in data.trial.phases] == [
        ("warm_up", 0, 2),
        ("measure", 2, 10),
        ("drain", 10, None),
    ]


def test_when_every_worker_has_said_its_last_word_nothing_is_stale_any_more() -> None:
    stage = Stage().begin().at(11)
    for worker in (0, 1):
        stage.feed.counted(worker, report(10, final=True))
    stage.at(60)
    data = stage.data()
    assert data.trial is not None
    assert (data.trial.phase, data.stale) == ("done", False)


def test_a_silent_worker_does_not_hide_the_other_and_makes_the_picture_stale() -> None:
    stage = Stage().begin()
    for worker in (0, 1):
        stage.at(1).feed.counted(worker, report(10))
    for second in range(2, 9):
        stage.at(second).feed.counted(0, report(10 * second))
        stage.at(second + 0.1).feed.used([], {})
    data = stage.data()
    assert data.totals["planned"] > 60
    assert data.stale
    assert data.snapshot_age_s == pytest.approx(7.1, abs=0.2)


def test_a_worker_that_comes_back_adds_to_what_its_earlier_life_left() -> None:
    stage = Stage(replace(OUTLINE, workers=1)).begin()
    stage.at(1).feed.counted(0, report(100))
    stage.at(2).feed.counted(0, report(30, life="b"))
    assert stage.data().totals["planned"] == 130
    assert stage.last().in_flight == 5  # what the dead one had in flight, nobody waits for


def test_processor_shares_come_from_samples() -> None:
    stage = Stage(replace(OUTLINE, workers=1)).begin()
    for second in range(1, 8):
        used = [sample("worker-0", "harness", 0.5 * second), sample("node", "ledger", 0.25 * second)]
        stage.at(second).feed.used(used, {})
        stage.feed.counted(0, report(100 * second))
    assert (stage.last().worker_cpu_percent, stage.last().ledger_cpu_percent) == (50.0, 25.0)


def test_the_age_of_a_block_counts_from_the_observer_and_goes_on() -> None:
    stage = Stage(replace(OUTLINE, workers=1)).begin().at(1)
    stage.feed.counted(0, report(10, blocks=BlockCounters(heard=0)))
    assert (stage.last().block_age_s, stage.last().block_height) == (None, None)
    blocks = BlockCounters(heard=3, height=12, age_ns=NS_PER_S // 2)
    stage.at(2).feed.counted(0, report(10, blocks=blocks))
    assert (stage.last().block_age_s, stage.last().block_height) == (0.5, 12)
    stage.at(4).feed.used([], {})
    assert stage.last().block_age_s == 2.5


def test_verdicts_of_trials_and_of_the_run(tmp_path: Path) -> None:
    result = read_bundle(synthetic_bundle(tmp_path / "b", trials=1, seconds=2)).result
    (trial,) = result.trials
    stage = Stage().begin().at(12)
    stage.feed.trial_ended(trial)
    (ended,) = stage.data().finished
    assert (ended.ledger, ended.trial, ended.status) == ("simulated", 1, trial.verdict.status)
    assert (ended.goodput_per_s, ended.reasons) == (trial.rates.goodput_per_s, tuple(trial.verdict.reasons))
    stage.feed.run_ended(result)
    assert stage.data().outcome == f"anvil {result.workload}: {result.summary.verdict.status}."
    stage.feed.trial_began(replace(OUTLINE, trial=2))
    assert not stage.data().ended
    stage.feed.trial_ended(None)
    assert len(stage.data().finished) == 1


def test_whatever_comes_before_the_first_trial_is_passed_over() -> None:
    series = LiveSeries()
    feed = LiveFeed(series)
    feed.counted(0, report(1))
    feed.used([], {})
    feed.trial_ended(None)
    assert series.data(0).points == ()
