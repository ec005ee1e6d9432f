import pytest

from bench.measure.inputs import Incidents, Limits
from bench.measure.summary import summarise
from bench.model.phase import Outcome
from bench.model.transaction import ErrorClass
from tests.support.rows import chain, read, trial_input, worker_cpu, write

STAMPS = [1_000 * number + 500 for number in range(20)]


def plain(count=1_000, **changes):
    return [write(1_000 + 10 * number, committed=1_000 + 10 * number + 50, **changes) for number in range(count)]


def dropped(count, cause):
    return [write(2_000, outcome=Outcome.DROPPED, error=cause)] * count


def judged(rows, **changes):
    made = summarise(trial_input(rows, chain(STAMPS), **changes))
    return made.verdict.status, made.verdict.reasons, made.notes


def test_a_clean_trial_is_valid_without_reasons_or_notes():
    assert judged(plain()) == ("valid", [], [])


@pytest.mark.parametrize(
    ("rows", "changes", "reason"),
    [
        (
            plain() + dropped(20, ErrorClass.INTERRUPTED),
            {},
            "the harness sent 98.04% of what was planned in the measure phase, at least 99% is needed",
        ),
        (plain() + dropped(1, ErrorClass.BUFFER_EMPTY), {}, "dropped 1 operations of its own fault"),
        (plain() + dropped(3, ErrorClass.ACCOUNT_UNAVAILABLE), {}, "dropped 3 operations of its own fault"),
        (
            plain(980) + [write(2_000, submitted=2_005.01)] * 20,
            {},
            "submit lag p99 is 5.01 ms (nearest rank of 1,000 sends), at most 5 ms is allowed",
        ),
        (plain(), {"resources": [worker_cpu(85)]}, "worker-0 used 85 % of a core on average, below 85 % is needed"),
        (plain(), {"resources": [worker_cpu(1), worker_cpu(99, "observer")]}, "observer used 99 % of a core"),
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
    matching = [text for text in reasons if reason in text]
    assert len(matching) == 1
    assert ";" in matching[0]


def test_drops_at_the_in_flight_bound_are_the_ledgers_result():
    status, reasons, notes = judged(plain() + dropped(500, ErrorClass.IN_FLIGHT_BOUND))
    assert (status, reasons) == ("valid", [])
    assert notes == ["500 operations were not sent because the in-flight bound was full: the ledger did not keep up"]


def test_a_ledger_that_refuses_and_loses_everything_is_a_result_too():
    rows = plain(500, outcome=Outcome.REJECTED, error=ErrorClass.POOL_FULL)
    rows += plain(500, outcome=Outcome.UNRESOLVED, error=ErrorClass.NOT_INCLUDED)
    assert judged(rows)[0] == "valid"


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


def test_a_broken_rule_outweighs_an_untested_one():
    assert judged(plain() + dropped(1, ErrorClass.BUFFER_EMPTY), resources=[])[0] == "invalid"


def test_a_busy_encoder_takes_no_stamps_and_is_allowed():
    assert judged(plain(), resources=[worker_cpu(10), worker_cpu(100, "encoder-0")])[0] == "valid"


def test_few_sends_are_said():
    assert judged(plain(300))[2] == ["the submit-lag bound was tested on 300 sends; below 1,000 its p99 is coarse"]


def test_late_reads_are_late_load():
    rows = plain(900) + [read(2_000, answered=2_001) | {"submitted_ns": 2_009_000_000}] * 100
    assert judged(rows)[0] == "invalid"


def test_limits_can_be_set():
    rows = plain() + dropped(20, ErrorClass.INTERRUPTED)
    assert judged(rows, limits=Limits(sent_share=0.95))[0] == "valid"
    assert judged(plain(), limits=Limits(submit_lag_p99_ns=999_999))[0] == "invalid"
    assert judged(plain(), limits=Limits(worker_cpu_percent=20))[0] == "invalid"
