import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.measure.warm_up import check_warm_up
from bench.model.phase import Phase, PhaseSpan
from tests.support.queues import queued_trial
from tests.support.rows import MS, chain, table, write

PHASES = (
    PhaseSpan(Phase.SETUP, -500 * MS, 0),
    PhaseSpan(Phase.WARM_UP, 0, 1_000 * MS),
    PhaseSpan(Phase.MEASURE, 1_000 * MS, 11_000 * MS),
    PhaseSpan(Phase.DRAIN, 11_000 * MS, 20_000 * MS),
)
LONG = (PHASES[1], PhaseSpan(Phase.MEASURE, 1_000 * MS, 81_000 * MS), PhaseSpan(Phase.DRAIN, 81_000 * MS, 90_000 * MS))


def checked(counts, *, start_ms=1_000, every_ms=100, phases=PHASES, steady_load=True, blocks=True):
    """A check of a trial with counts[i] finalisations in the block at start + (i + 1) · every; a block at the start."""
    stamps = [start_ms + every_ms * number for number in range(len(counts) + 1)]
    rows = table(
        [write(10, committed=stamp) for stamp, count in zip(stamps[1:], counts, strict=True) for _ in range(count)]
    )
    return check_warm_up(rows, chain(stamps if blocks else []), phases, steady_load=steady_load)


def test_a_constant_course_keeps_the_declared_warm_up():
    phases, made = checked([10] * 100)
    assert phases == PHASES
    assert (made.declared_s, made.cut_s, made.applied_s) == (1.0, 1.0, 1.0)
    assert made.note == "long enough (MSER-5 on 20 batches of 5 blocks)"


def test_a_slow_start_lengthens_it_to_the_block_where_goodput_settles():
    phases, made = checked([2] * 20 + [10] * 80)
    assert phases == (
        PHASES[0],
        PhaseSpan(Phase.WARM_UP, 0, 3_000 * MS),
        PhaseSpan(Phase.MEASURE, 3_000 * MS, 11_000 * MS),
        PHASES[3],
    )
    assert (made.declared_s, made.cut_s, made.applied_s) == (1.0, 3.0, 3.0)
    assert made.note == (
        "lengthened from 1.0 s to 3.0 s: goodput settled only then; with what came before it would be 16.0% off"
    )


def test_a_start_that_is_too_fast_is_cut_as_well():
    _, made = checked([20] * 10 + [10] * 90)
    assert (made.cut_s, made.applied_s) == (2.0, 2.0)


@pytest.mark.parametrize(("early", "applied_s"), [(9, 1.0), (8, 1.5)])
def test_what_moves_goodput_by_less_than_one_percent_is_no_reason_to_cut(early, applied_s):
    """Five of 100 blocks with 9 in place of 10: 0.5 %. With 8: 1 %."""
    _, made = checked([early] * 5 + [10] * 95)
    assert (made.cut_s, made.applied_s) == (1.5, applied_s)
    assert made.note.startswith("long enough: what MSER-5" if applied_s == 1.0 else "lengthened from 1.0 s to 1.5 s")


def test_a_course_that_never_settles_says_so_and_is_left_alone():
    phases, made = checked([5 + number // 5 for number in range(100)])
    assert phases == PHASES
    assert (made.cut_s, made.applied_s) == (None, 1.0)
    assert made.note == (
        "not steady: goodput had not settled half way through the measure phase (MSER-5 on 20 batches of 5 blocks)"
    )


def test_a_breakdown_in_the_second_half_is_not_steady():
    assert checked([10] * 60 + [3] * 40)[1].note.startswith("not steady: ")


def test_a_ledger_that_breaks_down_early_is_not_measured_over_its_silence_alone():
    phases, made = checked([10] * 40 + [0] * 60)
    assert phases == PHASES
    assert (made.cut_s, made.applied_s) == (5.0, 1.0)
    assert made.note == (
        "not steady: nothing became final any more from where MSER-5 on 20 batches of 5 blocks would cut"
    )


def test_a_ledger_that_falls_silent_late_is_not_steady():
    assert checked([10] * 55 + [0] * 45)[1].note.startswith("not steady: goodput had not settled half way")


def test_stragglers_after_the_silence_do_not_make_it_a_steady_state():
    """Three blocks beyond the last whole batch hold something again."""
    phases, made = checked([10] * 40 + [0] * 60 + [3] * 3, every_ms=97)
    assert phases == PHASES
    assert made.note.startswith("not steady: nothing became final any more")


def test_the_declared_warm_up_ends_where_it_ends_and_not_at_the_first_block():
    _, made = checked([10] * 99, start_ms=1_050)
    assert (made.cut_s, made.applied_s) == (1.0, 1.0)


def test_twelve_batches_are_looked_at():
    assert checked([10] * 60, every_ms=166)[1].note == "long enough (MSER-5 on 12 batches of 5 blocks)"
    assert checked([10] * 59, every_ms=169)[1].note.startswith("not checked: 11 batches of 5")


def test_too_few_blocks_are_said():
    phases, made = checked([10] * 10, every_ms=1_000)
    assert phases == PHASES
    assert (made.cut_s, made.applied_s) == (None, 1.0)
    assert made.note.startswith("not checked: 2 batches of 5, at least 12 are needed")


def test_a_load_that_changes_by_design_is_not_checked():
    phases, made = checked([2] * 20 + [10] * 80, steady_load=False)
    assert phases == PHASES
    assert made.note == "not checked: the offered load changes by design, and goodput with it"


def test_without_blocks_seconds_are_looked_at():
    _, made = checked([2] * 15 + [10] * 65, every_ms=1_000, phases=LONG, blocks=False, start_ms=500)
    assert (made.cut_s, made.applied_s) == (pytest.approx(16.0), pytest.approx(16.0))


def test_an_empty_measure_phase_is_kept():
    phases = (PhaseSpan(Phase.WARM_UP, 0, 10), PhaseSpan(Phase.MEASURE, 10, 10), PhaseSpan(Phase.DRAIN, 10, 20))
    kept, made = check_warm_up(table([]), chain([]), phases, steady_load=True)
    assert kept == phases
    assert made.cut_s is None


def test_a_ledger_that_finalises_nothing_at_all_is_steady():
    assert checked([0] * 100)[1].applied_s == 1.0


@settings(max_examples=40)
@given(st.integers(0, 99), st.integers(0, 12), st.integers(1, 12))
def test_it_is_never_shortened_and_never_takes_more_than_half(change, before, after):
    _, made = checked([before] * change + [after] * (100 - change))
    assert 1.0 <= made.applied_s <= 6.0
    assert made.applied_s in (made.cut_s, made.declared_s)


def test_chance_seldom_lengthens_it():
    """Poisson arrivals at 100/s, blocks of 0.5 s: the two rules beside MSER-5 keep most steady trials whole."""
    lengthened = 0
    for seed in range(60):
        trial = queued_trial(rate=100, poisson=True, block_s=0.5, blocks=80, seed=seed)
        _, made = check_warm_up(trial.rows, trial.blocks, trial.phases, steady_load=True)
        lengthened += made.applied_s > made.declared_s
    assert lengthened <= 3


def test_a_slow_start_is_noticed_in_noise():
    """The first 15 of 100 blocks hold 30 in place of 50, each give or take 7: cut near, cut later, or not steady."""
    near, noticed = 0, 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        _, made = checked([*random.poisson(30, 15), *random.poisson(50, 85)])
        near += abs(made.applied_s - 2.5) < 0.51
        noticed += made.applied_s > 1.0 or made.note.startswith("not steady")
    assert near >= 15
    assert noticed >= 27


@pytest.mark.parametrize("good_before", [True, False])
def test_a_stall_after_good_service_is_not_cut_as_warm_up(good_before):
    """Nothing for 2 s at the start of the measure phase; what the ledger did in the declared warm-up decides."""
    stamps = list(range(0, 11_001, 100))
    counts = [0] * len(stamps)
    for number, stamp in enumerate(stamps):
        counts[number] = 0 if stamp == 0 or 1_000 < stamp <= 3_000 else 10 if stamp > 1_000 or good_before else 2
    rows = table([write(10, committed=stamp) for stamp, n in zip(stamps, counts, strict=True) for _ in range(n)])
    phases, made = check_warm_up(rows, chain(stamps), PHASES, steady_load=True)
    if good_before:
        assert phases == PHASES
        assert made.note.startswith("not steady: goodput had been good and then broke down")
    else:
        assert made.applied_s == 3.0


@pytest.mark.parametrize(
    ("before", "during", "stall"),
    [(9, 4, True), (9, 5, False), (8, 0, False), (10, 0, True)],
)
def test_good_is_nine_tenths_of_what_follows_and_broken_is_below_half(before, during, stall):
    """A block each 100 ms: `before` in each of the declared warm-up, `during` for two seconds, then 10."""
    stamps = range(100, 11_001, 100)
    rows = table(
        [
            write(10, committed=stamp)
            for stamp in stamps
            for _ in range(before if stamp <= 1_000 else during if stamp <= 3_000 else 10)
        ]
    )
    _, made = check_warm_up(rows, chain(stamps), PHASES, steady_load=True)
    assert made.applied_s == (1.0 if stall else 3.0)


def test_a_stall_that_ends_where_measuring_would_begin_is_one_too():
    phases, made = checked([10] * 10 + [0] * 5 + [10] * 85)
    assert phases == PHASES
    assert "a stall and not a warm-up" in made.note


@pytest.mark.parametrize(
    ("stamps", "early", "applied_s"),
    [([5_000], 2, 16.0), ([5_000, 6_000], 6, 16.0), ([], 6, 1.0)],
)
def test_a_rhythm_takes_two_blocks(stamps, early, applied_s):
    """Something becomes final once a second. Two blocks a second apart tell that half a second without is no stall."""
    seconds = range(1_500, 81_500, 1_000)
    counts = [early] * 15 + [10] * 65
    rows = table([write(10, committed=at) for at, n in zip(seconds, counts, strict=True) for _ in range(n)])
    _, made = check_warm_up(rows, chain(stamps), LONG, steady_load=True)
    assert made.applied_s == pytest.approx(applied_s)


def test_a_stall_inside_the_measure_phase_is_not_cut_either():
    phases, made = checked([10] * 10 + [0] * 15 + [10] * 75)
    assert phases == PHASES
    assert "a stall and not a warm-up" in made.note


def test_the_gaps_between_slow_blocks_are_no_stall():
    """Six in place of ten each second are never good service, though every other half second has twice that and the
    rest nothing. Blocks that left the chain are not its rhythm.
    """
    stamps = [1_000 + 1_000 * number for number in range(81)]
    counts = [6] * 15 + [10] * 65
    rows = table([write(10, committed=stamp) for stamp, n in zip(stamps[1:], counts, strict=True) for _ in range(n)])
    siblings = [stamp + late for stamp in stamps for late in (1, 2)]
    blocks = chain([*stamps, *siblings], orphaned=range(len(stamps), 3 * len(stamps)))
    _, made = check_warm_up(rows, blocks, LONG, steady_load=True)
    assert made.applied_s == 16.0
    assert made.note.startswith("lengthened")
