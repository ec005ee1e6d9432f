import pytest

from bench.measure.counts import completeness, count_writes
from bench.measure.inputs import Incidents, Limits
from bench.measure.latencies import MeasuredRows
from bench.measure.summary import summarise
from bench.measure.verdict import Evidence, blames_harness
from bench.model.clock import NS_PER_S
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.result import Headroom, Verdict, WarmUp
from bench.model.transaction import ErrorClass
from tests.support.rows import chain, read, trial_input, worker_cpu, write

CALM = Headroom(ceiling_per_s=1_000, at_least=False, share=0.1, offered_per_s=100)
STAMPS = [1_000 * number + 500 for number in range(20)]


def plain(count=1_000, **changes):
    return [write(1_000 + 10 * number, committed=1_000 + 10 * number + 50, **changes) for number in range(count)]


def dropped(count, cause):
    return [write(2_000, outcome=Outcome.DROPPED, error=cause)] * count


def judged(rows, **changes):
    made = summarise(trial_input(rows, chain(STAMPS), **({"headroom": CALM} | changes)))
    return made.verdict.status, made.verdict.reasons, made.notes


def test_a_clean_trial_is_valid_without_reasons_or_notes():
    assert judged(plain()) == ("valid", [], [])


@pytest.mark.parametrize(
    ("rows", "changes", "reason"),
    [
        (
            plain() + dropped(20, ErrorClass.INTERRUPTED),
            {},
            "harness-bound: the harness sent 98.04% of what was planned in the measure phase, at least 99% is needed",
        ),
        (
            plain() + dropped(1, ErrorClass.BUFFER_EMPTY),
            {},
            "harness-bound: the harness dropped 1 operations of its own fault",
        ),
        (plain() + dropped(3, ErrorClass.ACCOUNT_UNAVAILABLE), {}, "harness-bound: the harness dropped 3 operations"),
        (
            plain(980) + [write(2_000, submitted=2_005.01)] * 20,
            {},
            "harness-bound: submit lag p99 is 5.01 ms (nearest rank of 1,000 sends), at most 5 ms is allowed",
        ),
        (
            plain(),
            {"resources": [worker_cpu(85)]},
            "harness-bound: worker-0 used 85 % of a core on average, below 85 % is needed",
        ),
        (
            plain(),
            {"resources": [worker_cpu(1), worker_cpu(99, "observer")]},
            "harness-bound: observer used 99 % of a core",
        ),
        (
            plain(),
            {"resources": [worker_cpu(1), worker_cpu(170, "fabric-client (worker-0)")], "processors": 2},
            "harness-bound: fabric-client (worker-0), a program of the load, used 170 % of a core on average, below "
            "170 % is needed (85 % of each of 2 processors); lower the rate",
        ),
        (
            plain(),
            {"incidents": Incidents(observer_pause_ns=1_500_000_000)},
            "harness-bound: the observer stood still, or had no node to follow, for 1,500 ms and may have "
            "stamped blocks late by as much, at most 250 ms are allowed; see the nodes' logs, free the machine",
        ),
        (plain(), {"planned": 1_002}, "2 of 1,002 planned operations left no row, 0 are allowed"),
        (plain(), {"planned": 999}, "0 rows repeat an index and 1 lie outside the plan"),
        (plain(), {"incidents": Incidents(harness_failure="worker 1")}, "the harness failed: worker 1"),
        (plain(), {"incidents": Incidents(ledger_failure="exit 137")}, "the ledger failed: exit 137"),
        (plain(), {"incidents": Incidents(partial=True)}, "the trial was interrupted before its end"),
        (plain(), {"incidents": Incidents(truncated_bytes=5)}, "5 bytes of half-written rows were left out"),
        ([write(100)] * 5, {}, "no operation was planned in the measure phase"),
    ],
)
def test_each_broken_rule_is_named_with_value_bound_and_remedy(rows, changes, reason):
    status, reasons, _ = judged(rows, **changes)
    assert status == "invalid"
    matching = [text for text in reasons if text.startswith(reason)]
    assert len(matching) == 1
    assert ";" in matching[0]


def test_a_program_of_the_load_may_use_more_than_one_processor():
    resources = [
        worker_cpu(1),
        worker_cpu(169, "fabric-client (worker-0)"),
        worker_cpu(99, "postgres_node (coordinator)"),
    ]
    assert judged(plain(), resources=resources, processors=2)[:2] == ("valid", [])


def test_drops_at_the_in_flight_bound_are_the_ledgers_result():
    status, reasons, notes = judged(plain() + dropped(500, ErrorClass.IN_FLIGHT_BOUND))
    assert (status, reasons) == ("valid", [])
    assert notes == ["500 operations were not sent because the in-flight bound was full: the ledger did not keep up"]


def test_a_ledger_that_refuses_and_loses_everything_is_a_result_too():
    rows = plain(500, outcome=Outcome.REJECTED, error=ErrorClass.POOL_FULL)
    rows += plain(500, outcome=Outcome.UNRESOLVED, error=ErrorClass.NOT_INCLUDED)
    assert judged([*rows, write(100, committed=500)])[0] == "valid"  # what was final before shows that the set-up works


def halted(outcome, error, **changes):
    return [write(100 * number, outcome=outcome, error=error, **changes) for number in range(100)]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (halted(Outcome.UNRESOLVED, ErrorClass.NOT_INCLUDED), "of 100 writes sent, 0 were refused by the node, and"),
        (halted(Outcome.REJECTED, ErrorClass.POOL_FULL), "the node refused all 100 writes sent; at least 1 must"),
        (halted(Outcome.COMMITTED, ErrorClass.NONE, committed=5_000), "by the node, 100 are in blocks but not final,"),
    ],
)
def test_a_trial_in_which_nothing_became_final_is_undecided_and_points_to_what_to_look_at(rows, told):
    status, reasons, _ = judged(rows)
    assert (status, len(reasons)) == ("undecided", 1)
    assert reasons[0].startswith("nothing became final: ")
    assert told in reasons[0]
    assert reasons[0].endswith("see the errors of this run and the ledger's log")


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.FAILED_EXPECTED])
def test_what_the_ledger_executed_and_found_invalid_is_a_result(outcome):
    assert judged(halted(outcome, ErrorClass.INVALID_IN_BLOCK, committed=500))[0] == "valid"


def test_a_ledger_that_stops_before_the_measure_phase_is_a_result_with_a_word_on_it():
    rows = [write(100, committed=500), *halted(Outcome.UNRESOLVED, ErrorClass.NOT_INCLUDED)]
    status, reasons, notes = judged(rows)
    assert (status, reasons) == ("valid", [])
    assert [note for note in notes if note.startswith("nothing became final in the measure phase, although")]


def slow_finality(latency_ms, first=0, last=11_000):
    return [write(due, committed=due + latency_ms) for due in range(first, last, 100)]


def test_a_warm_up_shorter_than_finality_leaves_goodput_without_its_beginning():
    # blocks at 0.5, 1.5, … s, measured from 1 s: the window opens at 1.5 s and lasts 9 s; the first is final at 4.5 s
    status, reasons, _ = judged(slow_finality(4_500))
    assert status == "undecided"
    assert reasons == [
        "goodput lacks its beginning: the first of the load's own transactions became final 4.5 s after the load "
        "began, so in 33% of the time over which goodput counts none could, at most 1% is allowed; set "
        "phases.warm_up to at least 6 s"
    ]


@pytest.mark.parametrize(("latency_ms", "status"), [(1_500, "valid"), (1_590, "valid"), (1_600, "undecided")])
def test_one_percent_of_an_empty_window_is_the_bound(latency_ms, status):
    assert judged(slow_finality(latency_ms))[0] == status


def test_a_first_block_after_the_warm_up_that_holds_all_that_was_due_lacks_nothing():
    # blocks of 3 s, the first at 3.5 s: too few for a window of whole blocks, so the plain phase from 1 s counts
    blocks = [3_500, 6_500, 9_500, 12_500]
    rows = [write(due, committed=next(at for at in blocks if at > due + 5)) for due in range(0, 11_000, 10)]
    made = summarise(trial_input(rows, chain(blocks[:2]), headroom=CALM))
    assert made.rates.blocks == 0
    assert made.verdict.status == "valid"


def test_overload_that_makes_everything_slow_is_no_empty_start():
    rows = [write(due, committed=100 + 3 * due) for due in range(0, 11_000, 10)]  # served at a third of the speed
    assert judged(rows)[0] == "valid"


def test_a_load_that_begins_late_lacks_only_its_latency():
    assert judged(slow_finality(50, first=5_000))[0] == "valid"
    assert judged(slow_finality(400, first=5_000))[0] == "undecided"


def test_the_warm_up_that_was_applied_is_what_counts():
    phases = (
        PhaseSpan(Phase.WARM_UP, 0, 5 * NS_PER_S),
        PhaseSpan(Phase.MEASURE, 5 * NS_PER_S, 11 * NS_PER_S),
        PhaseSpan(Phase.DRAIN, 11 * NS_PER_S, 20 * NS_PER_S),
    )
    assert judged(slow_finality(4_500), phases=phases)[0] == "valid"


def test_broken_conservation_is_a_reason():
    rows = plain()
    rows[3] = rows[3] | {"submitted_ns": -1}
    status, reasons, _ = judged(rows)
    assert status == "invalid"
    assert "conservation is broken: planned = dropped + submitted, but 1,000 ≠ 999" in reasons


@pytest.mark.parametrize(
    "resources", [[], [worker_cpu(10, phase="drain")], [worker_cpu(10, "observer")]], ids=["none", "drain", "no worker"]
)
def test_what_could_not_be_tested_is_undecided(resources):
    status, reasons, _ = judged(plain(), resources=resources)
    assert status == "undecided"
    assert len(reasons) == 1
    assert "could not be tested" in reasons[0]


def test_a_bound_that_was_full_all_the_time_leaves_the_lag_untested():
    assert judged(dropped(100, ErrorClass.IN_FLIGHT_BOUND))[:2] == (
        "undecided",
        [
            "nothing was sent in the measure phase, because the in-flight bound was full all the time, so the "
            "submit-lag bound could not be tested; lower the rate, or see why the ledger takes nothing"
        ],
    )


def test_statuses_the_ledger_would_not_tell_leave_goodput_a_lower_bound():
    rows = plain() + [write(2_000, outcome=Outcome.UNRESOLVED, error=ErrorClass.STATUS_UNKNOWN)] * 2
    assert judged(rows)[:2] == (
        "undecided",
        [
            "the ledger did not tell whether 2 included transactions were valid, so goodput is a lower bound; lower "
            "the rate, or lengthen the drain"
        ],
    )


def test_a_broken_rule_outweighs_an_untested_one():
    assert judged(plain() + dropped(1, ErrorClass.BUFFER_EMPTY), resources=[])[0] == "invalid"


def test_a_busy_encoder_takes_no_stamps_and_is_allowed():
    assert judged(plain(), resources=[worker_cpu(10), worker_cpu(100, "encoder-0")])[0] == "valid"


def test_few_sends_are_said():
    assert judged(plain(300))[2] == ["the submit-lag bound was tested on 300 sends; below 1,000 its p99 is coarse"]
    assert judged(plain(1))[2] == ["the submit-lag bound was tested on 1 sends; below 1,000 its p99 is coarse"]
    assert not any("sends" in note for note in judged(dropped(5, ErrorClass.IN_FLIGHT_BOUND))[2])


def test_strangers_in_blocks_are_said():
    assert judged(plain(), unmatched_commits=3)[2] == ["3 transactions in blocks were not this run's; not counted"]


def test_late_reads_are_late_load():
    rows = plain(900) + [read(2_000, answered=2_001) | {"submitted_ns": 2_009_000_000}] * 100
    assert judged(rows)[0] == "invalid"


def test_at_the_bounds_a_trial_is_still_valid():
    assert judged(plain(990) + dropped(10, ErrorClass.INTERRUPTED))[:2] == ("valid", [])
    late = [row | {"submitted_ns": row["intended_ns"] + 5_000_000} for row in plain()]
    assert judged(late)[:2] == ("valid", [])


def test_late_sending_names_the_remedy():
    late = [row | {"submitted_ns": row["intended_ns"] + 5_010_000} for row in plain()]
    assert judged(late)[1] == [
        "harness-bound: submit lag p99 is 5.01 ms (nearest rank of 1,000 sends), at most 5 ms is allowed; lower the "
        "rate, add workers, or free the machine"
    ]


def evidence(rows, **changes):
    trial = trial_input(rows, chain(STAMPS), **changes)
    counts, complete = count_writes(trial.rows, trial.planned), completeness(trial.rows, trial.planned)
    return Evidence.of(trial, MeasuredRows.of(trial), counts, complete)


def test_the_harness_answers_for_what_a_longer_warm_up_took_away():
    """Declared from 1 s, applied from 3 s, to 11 s: late sends in between are still the harness's."""
    phases = [PhaseSpan(Phase.WARM_UP, 0, 3 * NS_PER_S), PhaseSpan(Phase.MEASURE, 3 * NS_PER_S, 11 * NS_PER_S)]
    longer = WarmUp(declared_s=1.0, cut_s=3.0, applied_s=3.0, note="")
    rows = [write(999), write(1_000, submitted=1_007), write(2_000) | {"submitted_ns": -1}]
    rows += [write(5_000), write(11_000)]
    found = evidence(rows, phases=phases, warm_up=longer)
    assert (found.planned, found.sent, found.submit_lag_p99_ns) == (3, 2, 7_000_000)
    found = evidence(rows, phases=phases)
    assert (found.planned, found.sent, found.submit_lag_p99_ns) == (1, 1, 1_000_000)


def test_what_was_sent_at_time_zero_was_sent():
    found = evidence([write(0, submitted=0)], phases=[PhaseSpan(Phase.MEASURE, 0, NS_PER_S)])
    assert (found.planned, found.sent, found.submit_lag_p99_ns) == (1, 1, 0)


def test_limits_can_be_set():
    rows = plain() + dropped(20, ErrorClass.INTERRUPTED)
    assert judged(rows, limits=Limits(sent_share=0.95))[0] == "valid"
    assert judged(plain(), limits=Limits(submit_lag_p99_ns=999_999))[0] == "invalid"
    assert judged(plain(), limits=Limits(worker_cpu_percent=20))[0] == "invalid"


def held_against(share, *, at_least=False):
    return Headroom(ceiling_per_s=2_000, at_least=at_least, share=share, offered_per_s=2_000 * share)


@pytest.mark.parametrize(("share", "status"), [(0.1, "valid"), (0.5, "valid"), (0.5001, "invalid"), (1.2, "invalid")])
def test_half_the_ceiling_is_the_bound(share, status):
    assert judged(plain(), headroom=held_against(share))[0] == status


def test_too_little_headroom_names_value_bound_and_remedy():
    _, reasons, _ = judged(plain(), headroom=held_against(0.6))
    assert reasons == [
        "harness-bound: 1,200/s were offered, 60% of the 2,000/s that this harness reached here without a ledger, at "
        "most 50% is allowed; add workers, send larger batches, lower the rate, or use another load host"
    ]
    _, reasons, _ = judged(plain(), headroom=held_against(0.6, at_least=True))
    assert "60% of the at least 2,000/s" in reasons[0]
    assert reasons[0].endswith("use another load host, or calibrate up to a higher rate")


def test_the_share_allowed_can_be_set():
    assert judged(plain(), headroom=held_against(0.6), limits=Limits(headroom_share=0.6))[0] == "valid"


def test_the_trial_carries_what_it_was_held_against_or_says_that_it_was_not():
    made = summarise(trial_input(plain(), chain(STAMPS), headroom=CALM))
    assert (made.headroom, made.notes) == (CALM, [])
    made = summarise(trial_input(plain(), chain(STAMPS)))
    assert made.headroom is None
    assert len(made.notes) == 1
    assert made.notes[0].startswith("not held against a calibration of the harness: only submit lag, CPU and drops")
    assert made.verdict.status == "valid"


@pytest.mark.parametrize(
    ("changes", "harness"),
    [
        ({}, False),
        ({"resources": []}, False),  # undecided
        ({"resources": [worker_cpu(90)]}, True),
        ({"headroom": held_against(0.7)}, True),
        ({"planned": 1_002}, True),  # rows were lost: not the ledger's doing
        ({"incidents": Incidents(harness_failure="worker 1")}, True),
        ({"incidents": Incidents(ledger_failure="exit 137")}, False),
        ({"incidents": Incidents(partial=True)}, False),
        ({"incidents": Incidents(observer_pause_ns=250_000_000)}, False),
        ({"incidents": Incidents(observer_pause_ns=250_000_001)}, True),
        ({"incidents": Incidents(ledger_failure="exit 137"), "resources": [worker_cpu(90)]}, False),
    ],
)
def test_who_is_to_blame(changes, harness):
    assert blames_harness(summarise(trial_input(plain(), chain(STAMPS), **changes)).verdict) is harness


def test_a_verdict_that_is_not_invalid_blames_nobody():
    assert not blames_harness(Verdict(status="undecided", reasons=["harness-bound: x"]))
