import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.counts import completeness, conservation, count_reads, count_writes
from bench.model.phase import Outcome
from bench.model.result import Counts
from bench.model.transaction import ErrorClass
from tests.support.rows import read, table, write

WRITE_OUTCOMES = st.sampled_from([outcome for outcome in Outcome if outcome < Outcome.ANSWERED])


def counts(**changes):
    values = {
        "planned": 10, "dropped": 1, "dropped_by": {"buffer_empty": 1}, "submitted": 9, "rejected": 2, "accepted": 7,
        "committed": 4, "finalized": 3, "failed": 2, "failed_expected": 1, "unresolved": 1,
    }  # fmt: skip
    return Counts(**(values | changes))


@given(st.lists(WRITE_OUTCOMES, max_size=60), st.integers(0, 5))
def test_every_mix_of_outcomes_conserves(outcomes, reads):
    rows = table(
        [
            write(
                0, outcome=outcome, error=ErrorClass.IN_FLIGHT_BOUND if outcome is Outcome.DROPPED else ErrorClass.NONE
            )
            for outcome in outcomes
        ]
        + [read(0, answered=1)] * reads
    )
    made = count_writes(rows, len(rows))
    assert made.planned == len(outcomes)
    assert conservation(made, len(outcomes)) == []
    assert made.committed == sum(outcome in (Outcome.COMMITTED, Outcome.FINALIZED) for outcome in outcomes)
    assert made.failed == sum(outcome in (Outcome.FAILED, Outcome.FAILED_EXPECTED) for outcome in outcomes)


@given(st.lists(WRITE_OUTCOMES, min_size=2, max_size=30), st.data())
def test_a_lost_or_doubled_row_is_always_noticed(outcomes, data):
    rows = table([write(0, outcome=outcome) for outcome in outcomes])
    victim = data.draw(st.integers(0, len(rows) - 1))
    lost = np.delete(rows, victim)
    found = completeness(lost, len(rows))
    assert (found.missing, found.duplicates) == (1, 0)
    assert conservation(count_writes(lost, len(rows)), len(rows)) != []
    doubled = np.concatenate((rows, rows[victim : victim + 1]))
    found = completeness(doubled, len(rows))
    assert (found.missing, found.duplicates) == (0, 1)
    assert conservation(count_writes(doubled, len(rows)), len(rows)) != []


def test_an_index_outside_the_plan_is_counted():
    rows = table([write(0), write(0), write(0)])
    found = completeness(rows, 2)
    assert (found.missing, found.duplicates, found.outside) == (0, 0, 1)


def test_drops_are_counted_by_cause():
    causes = [ErrorClass.IN_FLIGHT_BOUND, ErrorClass.BUFFER_EMPTY, ErrorClass.IN_FLIGHT_BOUND, ErrorClass.INTERRUPTED]
    made = count_writes(table([write(0, outcome=Outcome.DROPPED, error=cause) for cause in causes]), 4, 3, 2)
    assert made.dropped_by == {"in_flight_bound": 2, "buffer_empty": 1, "interrupted": 1}
    assert (made.dropped, made.submitted, made.fillers, made.unmatched_commits) == (4, 0, 3, 2)


def test_what_is_not_told_is_none_and_a_stamp_of_zero_is_a_send():
    made = count_writes(table([write(0, submitted=0), write(0, outcome=Outcome.DROPPED)]), 2)
    assert (made.submitted, made.accepted, made.fillers, made.unmatched_commits) == (1, 1, 0, 0)


def test_reads_are_counted_apart():
    dropped = read(0) | {"outcome": Outcome.DROPPED, "submitted_ns": -1}
    found = count_reads(table([read(0, answered=1), read(0), dropped, write(0)]))
    assert (found.issued, found.answered, found.failed, found.dropped) == (2, 1, 1, 1)


def test_counts_that_add_up_give_no_sentence():
    assert conservation(counts(), 10) == []


@pytest.mark.parametrize(
    ("changes", "planned", "sentence"),
    [
        ({}, 11, "planned = dropped + submitted, but 11 ≠ 10"),
        ({"rejected": 3}, 10, "submitted = rejected + accepted, but 9 ≠ 10"),
        ({"unresolved": 0}, 10, "accepted = committed + failed + unresolved, but 7 ≠ 6"),
        ({"dropped_by": {}}, 10, "dropped = the sum of dropped_by, but 1 ≠ 0"),
        ({"finalized": 5}, 10, "finalized ⊆ committed, but 5 > 4"),
        ({"failed_expected": 3}, 10, "failed_expected ⊆ failed, but 3 > 2"),
        ({"fillers": -1}, 10, "fillers is negative"),
    ],
)
def test_each_broken_equation_is_a_sentence_of_its_own(changes, planned, sentence):
    assert [text.removeprefix("conservation is broken: ") for text in conservation(counts(**changes), planned)] == [
        sentence
    ]
