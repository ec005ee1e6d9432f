"""What a scrape says, from what a run told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bench.load.tally import Tally
from bench.load.watch import BlockLog
from bench.measure.inputs import Limits
from bench.model.buckets import LAG_BUCKETS_NS
from bench.model.clock import NS_PER_S
from bench.model.counters import BlockCounters, Counters
from bench.model.operation import Kind as OperationKind
from bench.model.resources import ResourceSample
from bench.model.transaction import ErrorClass
from bench.model.workload import OperationInfo
from bench.scenario.arrival import Constant
from bench.telemetry.exporter import Exporter
from bench.telemetry.metrics import BY_NAME, METRICS, Kind
from bench.telemetry.outline import TrialOutline
from bench.telemetry.watch import Watch
from tests.support.scrapes import Series, parsed, total

OUTLINE = TrialOutline(
    run_id="run-1",
    ledger="simulated",
    family="simulated",
    ledger_version="declared",
    workload="mixed",
    scenario="test",
    seed=7,
    version="1.2",
    trial=1,
    trials=3,
    operations=(
        OperationInfo("pay", OperationKind.WRITE, 1.0, ""),
        OperationInfo("look", OperationKind.READ, 1.0, ""),
    ),
    process=Constant(50.0),
    warm_up_ns=2 * NS_PER_S,
    duration_ns=10 * NS_PER_S,
    drain_ns=5 * NS_PER_S,
    workers=2,
    in_flight=100,
    objective_ns=None,
    limits=Limits(),
    results=None,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000 * NS_PER_S

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * NS_PER_S)


class Stage:
    """A watch under a clock of the test's own."""

    def __init__(self, outline: TrialOutline = OUTLINE) -> None:
        self.clock = Clock()
        self.watch = Watch(self.clock)
        self._exporter = Exporter(self.watch)
        self.watch.trial_began(outline)

    def values(self) -> dict[Series, float]:
        return parsed(self._exporter.exposition("")[0].decode())

    def begin(self) -> None:
        self.watch.load_began(self.clock.now, "running")


def report(sequence: int = 1, life: str = "a", lags: tuple[int, ...] = (), **fields: object) -> Counters:
    """A worker's counters, with writes that were sent so late."""
    tally = Tally(2)
    for lag in lags:
        tally.sent[0](lag)
    counters = tally.gather()
    counters.incarnation, counters.sequence = life, sequence
    for name, value in fields.items():
        setattr(counters, name, value)
    return counters


def sample(process: str, at_ns: int, cpu_percent: float = 10.0, cpu_s: float = 1.0, pid: int = 1) -> ResourceSample:
    return ResourceSample(process, "harness", pid, at_ns, "", cpu_percent, cpu_s, 5_000, -1, 70, 3, 4)


def test_names_units_and_labels_follow_the_rules():
    for metric in METRICS:
        assert metric.name.startswith("bench_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert bool(metric.buckets_ns) == (metric.kind is Kind.HISTOGRAM)
        assert metric.help.endswith(".")
        assert "\n" not in metric.help
        assert not {"run_id", "ledger", "workload", "le"} & set(metric.labels)
    assert len(BY_NAME) == len(METRICS)


def test_before_anything_was_sent_counts_are_there_at_zero():
    values = Stage().values()
    assert total(values, "bench_submitted_total", operation="pay") == 0
    assert ("bench_submitted_total", frozenset({("operation", "look")})) not in values
    zero = [name for (name, _), value in values.items() if value == 0 and name.endswith("_total")]
    assert {"bench_dropped_total", "bench_errors_total", "bench_reads_issued_total"} <= set(zero)
    assert total(values, "bench_phase", phase="setup") == 1
    assert total(values, "bench_offered_rate") == 0


def test_openmetrics_takes_it_too_and_nothing_is_called_created():
    stage = Stage()
    stage.begin()
    stage.watch.counted(0, report(lags=(200_000,)))
    body, content_type = Exporter(stage.watch).exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    families = {family.name for family in text_string_to_metric_families(body.decode())}
    assert families <= {metric.family for metric in METRICS}
    assert b"_created" not in body


@pytest.mark.parametrize(
    ("elapsed_s", "phase", "offered"),
    [(0, "warm_up", 50), (1.9, "warm_up", 50), (2, "measure", 50), (9.9, "measure", 50), (10, "drain", 0)],
)
def test_phases_follow_the_clock(elapsed_s: float, phase: str, offered: float):
    stage = Stage()
    stage.begin()
    stage.clock.forward(elapsed_s)
    values = stage.values()
    assert [dict(own)["phase"] for (name, own), value in values.items() if name == "bench_phase" and value] == [phase]
    assert total(values, "bench_offered_rate") == offered
    stage.watch.trial_ended(None)
    assert total(stage.values(), "bench_phase", phase="done") == 1


def test_the_running_ledgers_version_takes_the_place_of_the_declared_one():
    stage = Stage()
    assert total(stage.values(), "bench_run_info", ledger_version="declared", seed="7", version="1.2") == 1
    stage.begin()
    assert total(stage.values(), "bench_run_info", ledger_version="running") == 1
    assert total(stage.values(), "bench_run_info") == 1


def test_a_worker_that_falls_silent_is_lost_and_one_that_said_its_last_word_is_not():
    stage = Stage()
    stage.begin()
    for worker in (0, 1):
        stage.watch.counted(worker, report(in_flight=5))
    assert total(stage.values(), "bench_in_flight") == 10
    stage.clock.forward(6)
    stage.watch.counted(1, report(sequence=2, final=True))
    stage.clock.forward(1)
    values = stage.values()
    assert total(values, "bench_worker_up", worker="worker-0") == 0
    assert total(values, "bench_snapshot_age_seconds", worker="worker-0") == 7
    assert total(values, "bench_worker_up", worker="worker-1") == 1
    assert total(values, "bench_snapshot_age_seconds", worker="worker-1") == 0
    stage.watch.trial_ended(None)
    assert total(stage.values(), "bench_worker_up") == 1
    stage.watch.trial_began(replace(OUTLINE, trial=2))
    stage.begin()
    assert total(stage.values(), "bench_worker_up") == 2


def test_an_old_report_changes_no_gauge():
    stage = Stage()
    stage.begin()
    stage.watch.counted(0, report(sequence=5, buffered=50))
    stage.watch.counted(0, report(sequence=4, buffered=40))
    assert total(stage.values(), "bench_encoder_buffered") == 50
    stage.watch.counted(0, report(sequence=1, life="b", buffered=10))
    assert total(stage.values(), "bench_encoder_buffered") == 10


def test_counts_of_trials_and_lives_add_up():
    stage = Stage()
    stage.begin()
    stage.watch.counted(0, report(lags=(1, 1, 1), dropped={int(ErrorClass.BUFFER_EMPTY): 2}))
    stage.watch.counted(0, report(life="b", lags=(1,)))
    stage.watch.trial_ended(None)
    stage.watch.trial_began(replace(OUTLINE, trial=2))
    stage.begin()
    stage.watch.counted(0, report(lags=(1, 1)))
    values = stage.values()
    assert total(values, "bench_submitted_total", operation="pay") == 6
    assert total(values, "bench_dropped_total", cause="buffer_empty") == 2
    assert total(values, "bench_submit_lag_seconds_count") == 6
    assert total(values, "bench_trial") == 2


def test_buckets_are_cumulative_and_their_bounds_in_seconds():
    stage = Stage()
    stage.begin()
    stage.watch.counted(0, report(lags=(50_000, LAG_BUCKETS_NS[3], LAG_BUCKETS_NS[3] + 1, 10**12)))
    values = stage.values()
    name = "bench_submit_lag_seconds_bucket"
    assert total(values, name, le="0.0001") == 1
    assert total(values, name, le=str(LAG_BUCKETS_NS[3] / NS_PER_S)) == 2
    assert total(values, name, le=str(LAG_BUCKETS_NS[4] / NS_PER_S)) == 3
    assert total(values, name, le="+Inf") == 4


LONG = replace(OUTLINE, workers=1, warm_up_ns=0, duration_ns=60 * NS_PER_S)
LATE_NS, ON_TIME_NS = 20_000_000, 200_000


def bound_each_second(outline: TrialOutline, late_each_second: list[int], rate: int = 100) -> list[int]:
    """`bench_harness_bound` after each second, in which so many of the sends are late."""
    stage = Stage(outline)
    stage.begin()
    tally, bound = Tally(2), []
    for sequence, late in enumerate(late_each_second, 1):
        for number in range(rate):
            tally.sent[0](LATE_NS if number < late else ON_TIME_NS)
        counters = tally.gather()
        counters.incarnation, counters.sequence = "a", sequence
        stage.clock.forward(1)
        stage.watch.counted(0, Counters.from_wire(counters.to_wire()))
        bound.append(int(total(stage.values(), "bench_harness_bound")))
    return bound


@pytest.mark.parametrize(
    ("late", "first"),
    [([0] * 20, None), ([3] * 20, 6), ([0] * 10 + [6] * 10, 16), ([0] * 10 + [100] + [0] * 9, None)],
)
def test_the_harness_is_bound_when_it_sends_late_throughout_and_not_after_one_pause(late: list[int], first: int | None):
    bound = bound_each_second(LONG, late)
    assert (bound.index(1) + 1 if 1 in bound else None) == first
    assert bound[-1] == (first is not None)


def test_the_lag_of_a_few_sends_binds_nobody():
    assert bound_each_second(LONG, [9] * 15, rate=9) == [0] * 15
    assert bound_each_second(LONG, [10] * 15, rate=10)[-1] == 1


def test_a_lag_in_the_bucket_of_the_bound_may_be_below_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(globals(), "LATE_NS", 5_500_000)
    assert bound_each_second(LONG, [100] * 15) == [0] * 15


def test_what_the_warm_up_did_binds_nobody():
    warm = replace(LONG, warm_up_ns=10 * NS_PER_S)
    assert bound_each_second(warm, [100] * 10 + [0] * 15) == [0] * 25
    assert bound_each_second(warm, [100] * 25).index(1) + 1 == 16


@pytest.mark.parametrize(
    ("cause", "bound"),
    [(ErrorClass.BUFFER_EMPTY, 1), (ErrorClass.ACCOUNT_UNAVAILABLE, 1), (ErrorClass.IN_FLIGHT_BOUND, 0)],
)
def test_the_harness_is_bound_while_it_has_nothing_ready(cause: ErrorClass, bound: int):
    stage = Stage(LONG)
    stage.begin()
    stage.clock.forward(1)
    stage.watch.counted(0, report(1))
    assert total(stage.values(), "bench_harness_bound") == 0
    for sequence in range(2, 15):
        stage.clock.forward(1)
        stage.watch.counted(0, report(sequence, dropped={int(cause): 3}))
        assert total(stage.values(), "bench_harness_bound") == (bound if sequence < 12 else 0), sequence


@pytest.mark.parametrize(
    ("process", "percent", "bound"),
    [("worker-0", 90.0, 1), ("observer", 90.0, 1), ("observer", 80.0, 0), ("encoder-0", 99.0, 0)],
)
def test_the_harness_is_bound_while_a_core_of_it_is_full(process: str, percent: float, bound: int):
    stage = Stage()
    stage.begin()
    stage.watch.used([sample(process, stage.clock.now, percent)], {})
    assert total(stage.values(), "bench_harness_bound") == 0, "it is the warm-up"
    stage.clock.forward(2)
    assert total(stage.values(), "bench_harness_bound") == bound


def test_what_a_lost_worker_said_of_the_moment_goes_with_it():
    stage = Stage(LONG)
    stage.begin()
    fresh, old = (
        BlockCounters(heard=2, height=height, age_ns=age_ns) for height, age_ns in ((9, 10**9), (7, 4 * 10**9))
    )
    stage.watch.counted(0, report(in_flight=40, blocks=fresh))
    stage.watch.counted(1, report(in_flight=2, blocks=old))
    assert total(stage.values(), "bench_in_flight") == 42
    assert total(stage.values(), "bench_block_age_seconds") == 1, "the freshest view"
    stage.clock.forward(4)
    stage.watch.counted(1, report(2, in_flight=2, blocks=old))
    stage.clock.forward(2)
    values = stage.values()
    assert total(values, "bench_worker_up", worker="worker-0") == 0
    assert total(values, "bench_in_flight") == 2
    assert total(values, "bench_block_height") == 7
    assert total(values, "bench_block_age_seconds") == 6
    stage.clock.forward(6)
    values = stage.values()
    assert total(values, "bench_in_flight") == 0
    assert not [name for name, _ in values if name.startswith(("bench_block_age", "bench_observer_"))]


def test_processes_count_on_over_their_lives_and_what_is_not_known_is_left_out():
    stage = Stage()
    stage.watch.used([sample("worker-0", 0, cpu_s=2.0)], {"node": 77})
    stage.watch.used([sample("worker-0", 1, cpu_s=3.5)], {})
    stage.watch.used([sample("worker-0", 2, cpu_s=8.0, pid=2)], {})
    assert total(stage.values(), "bench_process_cpu_seconds_total") == 1.5, "a new pid brings nothing of before"
    stage.watch.used([replace(sample("worker-0", 3, cpu_s=10.5, pid=2), write_bytes=100)], {})
    stage.watch.used([replace(sample("host", 2), role="host")], {})
    values = stage.values()
    assert total(values, "bench_process_cpu_seconds_total", process="worker-0", role="harness") == 4.0
    assert total(values, "bench_process_cpu_seconds_total") == 4.0
    assert total(values, "bench_process_written_bytes_total") == 30
    assert total(values, "bench_process_resident_bytes") == 5_000
    assert not [name for name, _ in values if name == "bench_process_read_bytes_total"]
    assert total(values, "bench_node_data_bytes", node="node") == 77


def test_blocks_their_age_and_what_is_not_ours():
    stage = Stage()
    stage.begin()
    log = BlockLog()
    for ordinal, transactions in enumerate((4, 0, 6)):
        frame = ["block", ordinal, 100 + ordinal, ordinal * 400_000_000, b"i" * 32 * transactions, 32, None, 21, -1]
        log.block(frame, 0)
    log.orphaned(1)
    seen = log.counters(now_ns=1_000_000_000)
    stage.watch.counted(0, report(blocks=seen, last_block=2, included=3, observer_delay_ns=2_000_000))
    assert total(stage.values(), "bench_block_transactions_total", own="no") == 0, "one worker was not heard yet"
    stage.watch.counted(1, report(last_block=1, included=2))
    assert total(stage.values(), "bench_block_transactions_total", own="no") == 0, "it has not seen all blocks"
    stage.watch.counted(1, report(2, last_block=2, included=6))
    stage.clock.forward(1)
    values = stage.values()
    assert total(values, "bench_block_transactions_total", own="yes") == 9
    assert total(values, "bench_block_transactions_total", own="no") == 1
    assert [total(values, f"bench_blocks_{kind}total") for kind in ("", "empty_", "orphaned_")] == [3, 1, 1]
    assert total(values, "bench_block_gas_total") == 63
    assert not [name for name, _ in values if name == "bench_block_bytes_total"]
    assert total(values, "bench_block_height") == 102
    assert total(values, "bench_block_age_seconds") == pytest.approx(1.2)
    assert total(values, "bench_block_interval_seconds_count") == 2
    assert total(values, "bench_block_interval_seconds_sum") == pytest.approx(0.8)
    assert total(values, "bench_observer_delay_seconds") == 0.002


def test_an_objective_brings_its_own_metrics(tmp_path: Path):
    stage = Stage(replace(OUTLINE, objective_ns=1_500_000_000, results=tmp_path))
    stage.begin()
    stage.watch.counted(0, report(over_objective=4))
    values = stage.values()
    assert total(values, "bench_slo_finality_seconds") == 1.5
    assert total(values, "bench_finality_over_slo_total") == 4
    for mount in ("results", "work"):
        assert total(values, "bench_disk_free_bytes", mount=mount) > 0
    names = {name for name, _ in Stage().values()}
    assert not names & {"bench_slo_finality_seconds", "bench_finality_over_slo_total", "bench_disk_free_bytes"}


def test_runs_are_told_apart_and_the_first_remains():
    stage = Stage()
    stage.begin()
    stage.watch.counted(0, report(lags=(1,)))
    stage.watch.trial_ended(None)
    stage.watch.trial_began(replace(OUTLINE, run_id="run-2", ledger="sqlite"))
    values = stage.values()
    assert total(values, "bench_submitted_total", run_id="run-1", ledger="simulated") == 1
    assert total(values, "bench_submitted_total", run_id="run-2", ledger="sqlite") == 0
    assert total(values, "bench_phase", run_id="run-1", phase="done") == 1
    assert total(values, "bench_phase", run_id="run-2", phase="setup") == 1
