import numpy as np
import pytest

from bench.measure.drift import Course, drift, mean_in_flight
from bench.measure.latencies import MeasuredRows
from bench.measure.summary import summarise
from bench.model.phase import Outcome
from tests.support.queues import S, queued_trial
from tests.support.rows import MS, chain, trial_input, write

STAMPS = range(1_000, 11_001, 500)


def course(trial):
    return Course.of(MeasuredRows.of(trial), trial.seed)


def overloaded(per_second=10, **changes):
    """`per_second` arrivals in every second, one less of them taken by the block at its end."""
    rows = []
    for second in range(11):
        rows += [
            write(1_000 * second + 50 * number, committed=1_000 * (second + 1)) for number in range(per_second - 1)
        ]
        rows += [write(1_000 * second + 500, outcome=Outcome.UNRESOLVED)]
    return trial_input(rows, chain(range(0, 11_001, 1_000)), **changes)


def test_a_backlog_of_one_more_a_second_by_hand():
    made = drift(course(overloaded()), 10)
    assert made.in_flight_per_s == 1
    assert made.in_flight_upper_per_s == pytest.approx(1)
    assert made.goodput_per_s2 == 0


def test_the_backlog_is_what_each_block_left_behind():
    found = course(overloaded())
    assert found.backlog.tolist() == list(range(11))  # what is due at 10.5 s is too young at 11 s
    assert found.lag_ns == 600 * MS  # the quickest is due 0.4 s into its second
    assert (found.slope_per_s(), found.lower_per_s()) == (1, pytest.approx(1))


def test_a_ledger_that_keeps_up_is_steady():
    rows = [write(stamp - 40 * number - 20, committed=stamp) for stamp in STAMPS for number in range(10)]
    made = drift(course(trial_input(rows, chain(STAMPS))), 20)
    assert (made.in_flight_per_s, made.in_flight_upper_per_s, made.goodput_per_s2) == (0, 0, 0)
    assert made.note == (
        "steady: the transactions waiting for the ledger grew by at most 0.0 each second, within 1 % of the 20/s "
        "offered"
    )


def test_goodput_that_slows_down_has_a_slope():
    """Block k of 20, one each half second, holds 2·(40 − k): 4·(40 − k) a second, less by 8 with every second."""
    rows = [write(900, committed=stamp) for k, stamp in enumerate(STAMPS[1:]) for _ in range(2 * (40 - k))]
    assert drift(course(trial_input(rows, chain(STAMPS))), 20).goodput_per_s2 == pytest.approx(-8)


def test_a_buyer_is_told_that_the_ledger_did_not_keep_up():
    made = summarise(overloaded())
    assert made.drift.note.startswith("backlog grows: the ledger did not keep up with 10/s.")
    told = [note for note in made.notes if "did not keep up" in note]
    assert told == [made.drift.note.removeprefix("backlog grows: ")]
    assert "grew by 1.0 each second, in 10 s from 0 to 10" in told[0]


@pytest.mark.parametrize(("offered", "told"), [(99, True), (100, False), (1_000, False)])
def test_a_rise_within_one_percent_of_the_load_is_none(offered, told):
    note = drift(course(overloaded()), offered).note
    assert note.startswith("backlog grows:") is told
    if not told:
        assert note.startswith("steady: the transactions waiting for the ledger grew by at most 1.0 each second")


def test_an_unclear_rise_is_undecided():
    random = np.random.default_rng(3)
    rows = [
        write(stamp - 500 * random.integers(1, 8) + 20 * number, committed=stamp)
        for stamp in STAMPS
        for number in range(10)
    ]
    made = drift(course(trial_input(rows, chain(STAMPS))), 20)
    assert made.note.startswith("undecided: the transactions waiting for the ledger may have grown by up to ")


def test_a_load_that_changes_by_design_is_not_judged():
    made = summarise(overloaded(steady_load=False))
    assert made.drift.in_flight_per_s == 1
    assert made.drift.note.startswith("not judged: the offered load changes by design")
    assert not any("keep up" in note for note in made.notes)


def test_too_few_blocks_have_no_slope():
    made = drift(course(trial_input([write(2_000)], chain([2_000, 4_500, 7_000, 9_500]))), 10)
    assert (made.in_flight_per_s, made.in_flight_upper_per_s, made.goodput_per_s2) == (None, None, None)
    assert made.note == "not tested: 4 points (blocks), at least 8 are needed"
    assert course(trial_input([write(2_000)], chain([2_000, 4_500, 7_000, 9_500]))).lower_per_s() is None


@pytest.mark.parametrize(("edges", "backlog", "rate"), [(7, None, None), (8, 0, None), (9, 0, 0)])
def test_eight_points_have_a_slope(edges, backlog, rate):
    """Goodput has one point less than the backlog: it lies between the edges."""
    stamps = [1_000 + number * 10_000 / (edges - 1) for number in range(edges)]
    made = drift(course(trial_input([write(stamp - 500, committed=stamp) for stamp in stamps], chain(stamps))), 10)
    assert (made.in_flight_per_s, made.goodput_per_s2) == (backlog, rate)
    assert made.note.startswith("not tested: 7 points" if edges == 7 else "steady")


def test_both_bounds_follow_the_seed():
    trial = queued_trial(rate=100, poisson=True, block_s=0.5, blocks=20)
    made = [Course.of(MeasuredRows.of(trial), seed) for seed in (1, 1, 2)]
    for bounds in ([one.upper_per_s for one in made], [one.lower_per_s() for one in made]):
        assert bounds[0] == bounds[1] != bounds[2]
    assert made[0].lower_per_s() < made[0].slope_per_s() < made[0].upper_per_s


def test_the_measure_phase_alone_counts():
    """A backlog from the warm-up that is worked off falls."""
    rows = [write(10, committed=stamp) for stamp in STAMPS[1:] for _ in range(5)]
    assert drift(course(trial_input(rows, chain(STAMPS))), 0).in_flight_per_s == -10


@pytest.mark.parametrize("poisson", [False, True])
def test_slopes_of_a_model_ledger(poisson):
    made = [
        summarise(queued_trial(rate=500, per_block=450, poisson=poisson, blocks=40, seed=seed)).drift
        for seed in range(5)
    ]
    for found in made:
        assert found.in_flight_per_s == pytest.approx(50, abs=8)
        assert found.in_flight_upper_per_s > found.in_flight_per_s - 5
        assert found.goodput_per_s2 == pytest.approx(0, abs=0.5)
        assert found.note.startswith("backlog grows")


def test_mean_in_flight_is_littles_law():
    """100 a second, each final after 0.4 s: 40 on average, over any window."""
    rows = [write(10 * number, committed=10 * number + 400) for number in range(1_500)]
    measured = MeasuredRows.of(trial_input(rows, chain(STAMPS)))
    assert mean_in_flight(measured, 2 * S, 9 * S) == pytest.approx(40)


def test_mean_in_flight_by_hand():
    rows = [
        write(1_000, committed=3_000),  # 1 s of the window's 4
        write(5_000, outcome=Outcome.UNRESOLVED),  # 1 s, to the window's end
        write(5_000, committed=9_000, outcome=Outcome.COMMITTED),  # 1 s
        write(2_000, outcome=Outcome.REJECTED),
        write(2_000, outcome=Outcome.DROPPED),
        write(500, committed=1_500),  # over before it
        write(7_000, committed=8_000),  # due after it
    ]
    measured = MeasuredRows.of(trial_input(rows, chain(STAMPS)))
    assert mean_in_flight(measured, 2 * S, 6 * S) == 0.75


def test_what_was_final_at_time_zero_is_not_in_flight():
    measured = MeasuredRows.of(trial_input([write(0, committed=0)], chain(STAMPS)))
    assert mean_in_flight(measured, 0, 4 * S) == 0
