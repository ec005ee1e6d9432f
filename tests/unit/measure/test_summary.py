from dataclasses import replace

import pytest

from bench.measure.inputs import Incidents
from bench.measure.summary import summarise
from bench.model.clock import NS_PER_S
from bench.model.operation import Kind
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.result import Trial, WarmUp
from bench.model.transaction import ErrorClass
from bench.model.workload import OperationInfo
from tests.support.bundles import SMALLBANK, synthetic_trial
from tests.support.queues import queued_trial
from tests.support.rows import OPERATIONS, chain, read, trial_input, worker_cpu, write

STAMPS = [1_000 * number + 500 for number in range(20)]


def plain(count=100, **changes):
    return [write(1_000 + 100 * number, committed=1_000 + 100 * number + 50, **changes) for number in range(count)]


def test_latencies_start_at_the_intended_time_and_end_at_their_own_stamp():
    rows = [write(2_000, submitted=2_003, accepted=2_010, committed=2_500, finalized=3_500) for _ in range(20)]
    found = summarise(trial_input(rows, chain(STAMPS))).latency_ms
    assert (found.submit_lag.p50, found.accept.p50, found.commit.p50, found.finality.p50) == (3, 10, 500, 1_500)
    assert (found.submit_lag.max, found.accept.max, found.commit.max, found.finality.max) == (3, 10, 500, 1_500)


def test_only_what_was_intended_in_the_measure_phase_has_latencies_but_all_is_counted():
    rows = [write(999.999), *plain(20), write(11_000), write(10_999.999, committed=14_000)]
    made = summarise(trial_input(rows, chain(STAMPS)))
    assert made.latency_ms.finality.count == 21
    assert made.counts.planned == made.counts.finalized == 23


def test_failed_and_rejected_writes_have_no_latency_and_lost_ones_are_censored():
    rows = plain(100)
    rows += [write(2_000, outcome=Outcome.FAILED, error=ErrorClass.REVERTED, committed=2_001)] * 5
    rows += [write(2_000, outcome=Outcome.REJECTED, error=ErrorClass.POOL_FULL)] * 7
    rows += [write(2_000, outcome=Outcome.UNRESOLVED, error=ErrorClass.NOT_INCLUDED)] * 20
    rows += [write(2_000, outcome=Outcome.COMMITTED, committed=2_060)] * 3
    found = summarise(trial_input(rows, chain(STAMPS))).latency_ms
    assert (found.commit.count, found.commit.censored) == (123, 20)
    assert (found.finality.count, found.finality.censored) == (123, 23)
    assert (found.finality.p50, found.finality.p90) == (50, None)
    assert found.finality.lower_bound == {
        "p90": 18_000,
        "max": 18_000,
        "mean": pytest.approx((5_000 + 23 * 18_000) / 123),
    }
    assert (found.accept.count, found.accept.censored) == (128, 0)
    assert found.submit_lag.count == 135


def test_a_send_that_was_never_answered_is_censored_in_accept_latency_only():
    rows = [*plain(20), write(2_000, accepted=-1, committed=2_050)]
    found = summarise(trial_input(rows, chain(STAMPS))).latency_ms
    assert (found.accept.count, found.accept.censored, found.accept.lower_bound["max"]) == (21, 1, 18_000)
    assert (found.finality.count, found.finality.censored) == (21, 0)


def test_reads_stand_apart():
    rows = plain(20) + [read(2_000, answered=2_007)] * 20 + [read(2_000, error=ErrorClass.READ_TIMEOUT)] * 2
    made = summarise(trial_input(rows, chain(STAMPS)))
    assert (made.reads.issued, made.reads.answered, made.reads.failed, made.reads.latency_ms.p50) == (22, 20, 2, 7)
    assert made.latency_ms.finality.count == 20
    assert made.counts.planned == 20
    assert made.latency_ms.submit_lag.count == 42


def test_the_table_of_operations():
    rows = plain(20) + [read(2_000, answered=2_007)] * 25
    rows += [write(2_000, outcome=Outcome.FAILED_EXPECTED, error=ErrorClass.BUSINESS_REFUSAL)] * 2
    rows += [write(2_000, outcome=Outcome.DROPPED, error=ErrorClass.IN_FLIGHT_BOUND)] * 3
    rows += [write(2_000, outcome=Outcome.REJECTED, error=ErrorClass.POOL_FULL)] * 4
    made = summarise(trial_input(rows, chain(STAMPS))).operations
    pay, look = made["pay"], made["look"]
    assert (pay.kind, pay.planned, pay.submitted, pay.valid, pay.failed) == ("write", 29, 26, 20, 2)
    assert (pay.failed_expected, pay.rejected, pay.unresolved, pay.latency_ms.p50) == (2, 4, 0, 50)
    assert (look.kind, look.planned, look.submitted, look.valid, look.latency_ms.p50) == ("read", 25, 25, 25, 7)
    assert list(made) == [operation.name for operation in OPERATIONS]


def test_each_operation_has_its_own_latency_and_failures():
    names = (("pay", Kind.WRITE), ("look", Kind.READ), ("send", Kind.WRITE), ("peek", Kind.READ))
    rows = [write(2_000, committed=2_100)] * 2 + [write(2_000, committed=2_300) | {"operation": 2}] * 3
    rows += [read(2_000, answered=2_004)] * 2 + [read(2_000, answered=2_009) | {"operation": 3}]
    rows += [read(2_000, error=ErrorClass.READ_REFUSED) | {"operation": 3}]
    operations = tuple(OperationInfo(name, kind, 1, name) for name, kind in names)
    made = summarise(trial_input(rows, chain(STAMPS), operations=operations)).operations
    found = [(part.latency_ms.max, part.latency_ms.count, part.failed) for part in made.values()]
    assert found == [(100, 2, 0), (4, 2, 0), (300, 3, 0), (9, 1, 1)]


def test_errors_add_up_by_stage_and_keep_their_examples():
    rows = [write(2_000, outcome=Outcome.FAILED_EXPECTED, error=ErrorClass.REVERTED)] * 4
    rows += [write(2_000, outcome=Outcome.FAILED, error=ErrorClass.REVERTED)]
    rows += [write(2_000, outcome=Outcome.FAILED, error=ErrorClass.INSUFFICIENT_FUNDS)] * 2
    rows += [write(2_000, outcome=Outcome.REJECTED, error=ErrorClass.INSUFFICIENT_FUNDS)] * 3
    rows += [
        write(2_000, outcome=Outcome.UNRESOLVED, error=ErrorClass.ORPHANED),
        read(2_000, error=ErrorClass.READ_TIMEOUT),
    ]
    rows += [write(2_000, outcome=Outcome.DROPPED, error=ErrorClass.IN_FLIGHT_BOUND), write(2_000)]
    examples = {ErrorClass.REVERTED: ["execution reverted"]}
    made = summarise(trial_input(rows, chain(STAMPS), examples=examples)).errors
    assert [(key, part.stage, part.count, part.expected) for key, part in made.items()] == [
        ("reverted", "failed", 5, 4),
        ("insufficient_funds", "rejected", 3, 0),
        ("insufficient_funds/failed", "failed", 2, 0),
        ("in_flight_bound", "dropped", 1, 0),
        ("orphaned", "unresolved", 1, 0),
        ("read_timeout", "read", 1, 0),
    ]
    assert made["reverted"].examples == ["execution reverted"]


def test_blocks_of_the_measure_phase():
    blocks = chain([500, 1_500, 2_500, 4_500, 5_500, 9_000, 12_000], transactions=4, orphaned=[4])
    blocks["transactions"][2] = 0
    made = summarise(trial_input(plain(), blocks)).blocks
    assert (made.count, made.empty, made.orphaned, made.interval_s_median) == (4, 1, 1, 2.0)
    assert (made.transactions_per_block_median, made.receipts_settled) == (4, True)
    unknown = [write(2_000, outcome=Outcome.UNRESOLVED, error=ErrorClass.STATUS_UNKNOWN)]
    assert not summarise(trial_input(unknown, blocks)).blocks.receipts_settled


def test_blocks_on_both_edges_of_the_phase_are_in_it():
    made = summarise(trial_input(plain(), chain([999.999, 1_000, 6_000, 11_000, 11_000.001]))).blocks
    assert (made.count, made.interval_s_median) == (3, 5.0)


def test_a_trial_that_never_started_is_invalid_and_whole():
    made = summarise(trial_input([], chain([]), phases=[PhaseSpan(Phase.MEASURE, 0, 0)], resources=()))
    assert made.verdict.status == "invalid"
    assert made.counts.planned == 0
    assert made.rates.goodput_per_s == 0
    assert made.latency_ms.finality.count == 0


def test_a_model_ledger_is_recovered():
    model = synthetic_trial(offered=400, seconds=20, block_s=0.5, lossless=True, seed=4)
    made = summarise(
        trial_input(
            [],
            model.blocks,
            rows=model.rows,
            planned=model.planned,
            phases=model.phases,
            operations=SMALLBANK,
            resources=[worker_cpu(10)],
        )
    )
    assert made.verdict.status == "valid"
    assert made.rates.goodput_per_s == pytest.approx(340, rel=0.03)
    assert made.rates.offered_per_s == pytest.approx(340, rel=0.03)
    # uniform wait for the next block (mean 250 ms, p99 495) after about 33 ms of sending and readying
    assert made.latency_ms.finality.mean == pytest.approx(283, rel=0.03)
    assert 495 < made.latency_ms.finality.p99 < 600
    assert made.latency_ms.submit_lag.p50 == pytest.approx(0.168, rel=0.05)
    assert made.counts.finalized + made.reads.answered == model.planned
    assert Trial.model_validate_json(made.model_dump_json()) == made


def test_phases_are_in_seconds():
    phases = summarise(trial_input(plain(), chain(STAMPS))).phases
    assert [(part.phase, part.start_s, part.end_s) for part in phases] == [
        ("warm_up", 0, 1), ("measure", 1, 11), ("drain", 11, 20),
    ]  # fmt: skip


def test_goodput_above_the_offered_load_is_explained():
    late = [write(100 + number, committed=1_500 + 10 * number) for number in range(300)]
    made = summarise(trial_input([*late, *plain(20)], chain(STAMPS)))
    assert made.rates.goodput_per_s > 1.05 * made.rates.offered_per_s
    assert any("due in the warm-up" in note for note in made.notes)
    assert not any("due in the warm-up" in note for note in summarise(trial_input(plain(100), chain(STAMPS))).notes)


def test_expected_refusals_that_finish_late_are_explained_too():
    refusal = {"outcome": Outcome.FAILED_EXPECTED, "error": ErrorClass.BUSINESS_REFUSAL}
    late = [write(100 + number, committed=1_500 + 10 * number, **refusal) for number in range(300)]
    assert any("due in the warm-up" in note for note in summarise(trial_input([*late, *plain()], chain(STAMPS))).notes)


@pytest.mark.parametrize(("late", "told"), [(10, False), (11, True)])
def test_a_twentieth_more_than_was_offered_is_chance(late, told):
    edges = range(1_000, 11_001, 1_000)
    rows = [write(1_000 + 40 * number, committed=1_000 + 40 * number + 500) for number in range(200)]
    rows += [write(500, committed=1_500)] * late
    made = summarise(trial_input(rows, chain(edges)))
    assert (made.rates.offered_per_s, made.rates.goodput_per_s) == (20, 20 + late / 10)
    assert any("due in the warm-up" in note for note in made.notes) is told


def test_latencies_from_sending_are_of_the_same_rows():
    rows = [write(2_000, submitted=2_300, accepted=2_310, committed=2_500, finalized=3_500) for _ in range(100)]
    rows += [write(1_500, submitted=12_000, committed=14_000)] * 10  # intended inside, sent after it
    rows += [write(2_000, submitted=2_500, outcome=Outcome.UNRESOLVED, accepted=-1)] * 20
    made = summarise(trial_input(rows, chain(STAMPS)))
    found = made.latency_from_send_ms
    assert (found.accept.p50, found.commit.p50, found.finality.p50) == (10, 200, 1_200)
    for part in ("accept", "commit", "finality"):
        ours, theirs = getattr(made.latency_ms, part), getattr(found, part)
        assert (theirs.count, theirs.censored) == (ours.count, ours.censored) == (130, 20)
        assert ours.lower_bound["max"] == 18_000
        assert theirs.lower_bound["max"] == 17_500


def test_a_warm_up_shorter_than_the_latency_is_noted():
    slow = [write(1_000 + number, committed=3_500 + number) for number in range(1_000)]
    (note,) = [note for note in summarise(trial_input(slow, chain(STAMPS))).notes if "the warm-up of" in note]
    assert note == (
        "the warm-up of 1.0 s is shorter than the p99 finality latency (2.5 s): the pipeline may still have been "
        "filling when measuring began; lengthen phases.warm_up"
    )
    lost = [write(1_000 + number, outcome=Outcome.UNRESOLVED) for number in range(1_000)]
    assert "latency (at least 19.0 s)" in " ".join(summarise(trial_input(lost, chain(STAMPS))).notes)
    assert not any("the warm-up of" in note for note in summarise(trial_input(slow[:999], chain(STAMPS))).notes)
    phases = [PhaseSpan(Phase.MEASURE, 0, NS_PER_S)]
    assert not any("the warm-up of" in note for note in summarise(trial_input([], chain([]), phases=phases)).notes)
    quick = [write(1_000 + number, committed=2_000 + number) for number in range(1_000)]
    assert not any("the warm-up of" in note for note in summarise(trial_input(quick, chain(STAMPS))).notes)


@pytest.mark.parametrize(
    ("applied", "text", "told"),
    [
        (1.0, "long enough (MSER-5 on 20 batches of 5 blocks)", False),
        (1.0, "not checked: 2 batches of 5, at least 12 are needed", False),
        (1.0, "not steady: goodput had not settled half way", True),
        (3.0, "lengthened from 1.0 s to 3.0 s: goodput settled only then", True),
    ],
)
def test_a_warm_up_that_did_not_do_is_noted(applied, text, told):
    check = WarmUp(declared_s=1.0, cut_s=None, applied_s=applied, note=text)
    made = summarise(trial_input(plain(), chain(STAMPS), warm_up=check))
    assert made.warm_up == check
    notes = [note for note in made.notes if note.startswith("warm-up ")]
    assert notes == ([f"warm-up {text}; declare it longer to keep the whole measure phase"] if told else [])


def test_several_load_hosts_are_noted():
    assert not any("load hosts" in note for note in summarise(trial_input(plain(), chain(STAMPS))).notes)
    notes = [note for note in summarise(trial_input(plain(), chain(STAMPS), hosts=3)).notes if "load hosts" in note]
    assert len(notes) == 1
    assert notes[0].startswith("3 load hosts sent, each with its own clock and start signal")


def test_the_steps_before_the_load_are_kept():
    made = summarise(trial_input(plain(), chain(STAMPS), setup_s={"ledger_up": 1.5, "prepare": 2.5}))
    assert made.setup_s == {"ledger_up": 1.5, "prepare": 2.5}
    assert Trial.model_validate_json(made.model_dump_json()) == made


def test_what_the_trial_was_given_is_kept():
    changes = {"fillers": 3, "unmatched_commits": 2, "trial": 4, "seed": 5, "fresh_ledger": False}
    resources = [worker_cpu(10), worker_cpu(20, "observer")]
    made = summarise(trial_input(plain(), chain(STAMPS), resources=resources, **changes))
    assert (made.counts.fillers, made.counts.unmatched_commits) == (3, 2)
    assert (made.trial, made.seed, made.fresh_ledger, made.partial) == (4, 5, False, False)
    assert made.resources == resources
    dropped = read(2_000) | {"outcome": Outcome.DROPPED, "submitted_ns": -1}
    made = summarise(trial_input([*plain(), dropped], chain(STAMPS), incidents=Incidents(partial=True)))
    assert (made.partial, made.fresh_ledger, made.reads.dropped) == (True, True, 1)


def test_a_summary_is_the_same_for_a_seed():
    trial = queued_trial(rate=100, poisson=True, block_s=0.5, blocks=20)
    assert summarise(trial) == summarise(trial)
    other = summarise(replace(trial, seed=trial.seed + 1))
    assert other.drift.in_flight_upper_per_s != summarise(trial).drift.in_flight_upper_per_s


def test_refusals_on_a_used_ledger_point_to_the_seed():
    rows = [*plain(), write(2_000, outcome=Outcome.FAILED, error=ErrorClass.BUSINESS_REFUSAL, committed=2_050)]
    told = [note for note in summarise(trial_input(rows, chain(STAMPS), fresh_ledger=False)).notes if "--seed" in note]
    assert len(told) == 1
    assert told[0].startswith("1 operations were refused by business logic though the workload did not ask for it")
    assert not any("--seed" in note for note in summarise(trial_input(rows, chain(STAMPS))).notes)
    asked = [*plain(), write(2_000, outcome=Outcome.FAILED_EXPECTED, error=ErrorClass.BUSINESS_REFUSAL,
                             committed=2_050, expects_refusal=True)]  # fmt: skip
    assert not any("--seed" in note for note in summarise(trial_input(asked, chain(STAMPS), fresh_ledger=False)).notes)
