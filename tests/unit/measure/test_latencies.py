import pytest

from bench.measure.latencies import MeasuredRows, latencies, latencies_from_send
from bench.model.phase import Outcome, Phase, PhaseSpan
from tests.support.rows import MS, chain, read, trial_input, write

FROM_ZERO = (PhaseSpan(Phase.MEASURE, 0, 10_000 * MS), PhaseSpan(Phase.DRAIN, 10_000 * MS, 20_000 * MS))


def measured(rows, **changes):
    return MeasuredRows.of(trial_input(rows, chain([]), **changes))


def test_the_phase_holds_its_start_and_not_its_end():
    rows = measured([write(999), write(1_000), write(10_999), write(11_000)])
    assert rows.inside.tolist() == [False, True, True, False]


def test_a_stamp_of_zero_is_a_stamp():
    found = latencies(measured([write(0, submitted=0, accepted=0, committed=0)], phases=FROM_ZERO))
    for part in (found.submit_lag, found.accept, found.commit, found.finality):
        assert (part.count, part.censored, part.max) == (1, 0, 0.0)


def test_what_was_sent_after_everybody_stopped_waiting_has_waited_no_time():
    lost = write(2_000, submitted=20_001, accepted=-1, outcome=Outcome.UNRESOLVED)
    found = latencies_from_send(measured([lost]))
    for part in (found.accept, found.commit, found.finality):
        assert (part.censored, part.lower_bound["max"]) == (1, 0.0)


@pytest.mark.parametrize(
    ("outcome", "accepted", "committed", "final"),
    [
        (Outcome.FINALIZED, (1, 0), (1, 0), (1, 0)),
        (Outcome.COMMITTED, (1, 0), (1, 0), (1, 1)),
        (Outcome.FAILED, (1, 0), (0, 0), (0, 0)),
        (Outcome.FAILED_EXPECTED, (1, 0), (0, 0), (0, 0)),
        (Outcome.UNRESOLVED, (1, 0), (1, 1), (1, 1)),
        (Outcome.REJECTED, (0, 0), (0, 0), (0, 0)),
        (Outcome.DROPPED, (0, 0), (0, 0), (0, 0)),
    ],
)
def test_which_latencies_an_outcome_has_and_which_are_censored(outcome, accepted, committed, final):
    found = latencies(measured([write(2_000, outcome=outcome)]))
    assert [(part.count, part.censored) for part in (found.accept, found.commit, found.finality)] == [
        accepted,
        committed,
        final,
    ]
    assert found.submit_lag.count == (0 if outcome is Outcome.DROPPED else 1)


def test_reads_and_operations_stand_apart():
    other = write(2_000, committed=2_300) | {"operation": 1}
    rows = measured([write(2_000, committed=2_100), other, read(2_000, answered=2_007), read(2_000)])
    assert (rows.finality(0).max, rows.finality(1).max, rows.finality().count) == (100, 300, 2)
    assert (rows.reads().max, rows.reads(1).count, rows.reads(0).count) == (7, 1, 0)
    assert (rows.accept().count, rows.commit().count) == (2, 2)
