import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.rates import rates
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.transaction import ErrorClass
from bench.stats.window import block_window, plain_window
from tests.support.rows import MS, chain, read, trial_input, write

MEASURE = PhaseSpan(Phase.MEASURE, 1_000 * MS, 11_000 * MS)


def every_second(offset_ms=0):
    return [offset_ms + 1_000 * number for number in range(20)]


def filled(stamps, per_block=100, interval_ms=1_000):
    """`per_block` writes in every block, spread over the second before it."""
    return [
        write(stamp - interval_ms * (0.1 + 0.9 * number / per_block), committed=stamp)
        for stamp in stamps
        for number in range(per_block)
        if stamp > interval_ms
    ]


@given(st.integers(1, 999))
def test_goodput_is_exact_whatever_the_phase_of_the_blocks(offset):
    stamps = every_second(offset)
    rate, note = rates(trial_input(filled(stamps, per_block=10), chain(stamps)))
    assert rate.goodput_per_s == 10
    assert (rate.blocks, rate.window_s, note) == (9, 9.0, "")


def test_a_block_on_both_edges_counts_once():
    rate, _ = rates(trial_input(filled(every_second()), chain(every_second())))
    assert (rate.blocks, rate.window_s, rate.goodput_per_s) == (10, 10.0, 100)


def test_thousands_of_small_blocks_are_the_same_formula():
    stamps = [10 * number + 3 for number in range(1_500)]
    rate, _ = rates(trial_input(filled(stamps, per_block=2, interval_ms=10), chain(stamps)))
    assert rate.blocks == 999
    assert rate.goodput_per_s == pytest.approx(200)


def test_only_valid_final_writes_are_goodput_and_refusals_stand_apart():
    stamps = every_second(500)
    refusal = {"outcome": Outcome.FAILED_EXPECTED, "error": ErrorClass.BUSINESS_REFUSAL}
    rows = [write(2_000, committed=2_500) for _ in range(9)]
    rows += [write(2_000, committed=2_500, outcome=Outcome.COMMITTED)]
    rows += [write(2_000, committed=2_500, outcome=Outcome.FAILED, error=ErrorClass.REVERTED)]
    rows += [write(2_000, outcome=Outcome.UNRESOLVED), read(2_000, answered=2_100)]
    rows += [write(2_000, committed=2_500, **refusal) for _ in range(18)]
    rate, _ = rates(trial_input(rows, chain(stamps)))
    assert (rate.goodput_per_s, rate.expected_refusals_per_s) == (1, 2)


def test_goodput_goes_by_the_time_of_finality_not_of_intent():
    stamps = every_second(500)
    late = [write(10_400, committed=12_500)] * 50  # intended inside, final in the drain
    early = [write(100, committed=2_500)] * 9  # intended in the warm-up, final inside
    rate, _ = rates(trial_input(late + early, chain(stamps)))
    assert (rate.goodput_per_s, rate.offered_per_s) == (1, 5)


def test_finality_after_confirmations_counts_at_the_stamp_of_the_confirming_block():
    stamps = every_second(500)
    rows = [write(1_000, committed=stamp, finalized=stamp + 1_000) for stamp in stamps for _ in range(10)]
    rate, _ = rates(trial_input(rows, chain(stamps)))
    assert rate.goodput_per_s == 10


def test_rates_of_the_generator_are_over_the_plain_phase_by_their_own_times():
    rows = [write(999, submitted=1_000, accepted=11_000), write(1_000, submitted=1_001, accepted=1_003)]
    rows += [write(10_999.5, submitted=11_000, accepted=11_001), write(2_000, outcome=Outcome.REJECTED)]
    rows += [write(3_000, outcome=Outcome.DROPPED), read(2_000, answered=2_001)]
    rate, _ = rates(trial_input(rows, chain(every_second())))
    assert (rate.offered_per_s, rate.submitted_per_s, rate.accepted_per_s) == (0.4, 0.3, 0.1)


@pytest.mark.parametrize("stamps", [[], [5_000], [4_000, 8_000]])
def test_fewer_than_three_boundaries_fall_back_and_say_so(stamps):
    rate, note = rates(trial_input([write(2_000, committed=4_000)] * 20, chain(stamps)))
    assert (rate.goodput_per_s, rate.blocks, rate.window_s) == (2, 0, 10)
    assert note == f"goodput is over the plain measure phase: {len(stamps)} block boundaries lie in it, 3 are needed"


def test_a_ledger_that_stalls_is_measured_over_the_whole_phase():
    stamps = [1_500, 2_500, 3_500, 4_500]  # and then nothing for 6.5 s
    rate, note = rates(trial_input(filled(stamps), chain(stamps)))
    assert rate.goodput_per_s == 40  # 400 in 10 s, not 100 a second over the 3 s it worked
    assert "no block came for 6.5 s" in note


def test_orphaned_blocks_are_no_boundaries():
    blocks = chain([1_500, 2_500, 3_500, 4_500, 5_500, 6_500, 7_500, 8_500, 9_500, 10_500, 10_999], orphaned=[10])
    rate, _ = rates(trial_input([], blocks))
    assert (rate.blocks, rate.window_s) == (9, 9)


def test_stamps_may_come_in_any_order_and_repeat():
    stamps = np.array([10_500, 1_500, 6_000, 6_000, 3_000, 8_000, 4_500]) * MS
    window = block_window(stamps, MEASURE.start_ns, MEASURE.end_ns)
    assert (window.start_ns, window.end_ns, window.blocks) == (1_500 * MS, 10_500 * MS, 6)


def test_an_edge_without_blocks_may_last_one_and_a_half_usual_intervals():
    stamps = np.arange(1_000, 10_251, 500) * MS  # every 0.5 s until 10 s
    assert block_window(stamps, 1_000 * MS, 10_750 * MS).blocks == 18
    assert block_window(stamps, 1_000 * MS, 10_750 * MS + 1).blocks == 0
    assert block_window(stamps, 250 * MS, 10_000 * MS).blocks == 18
    assert block_window(stamps, 250 * MS - 1, 10_000 * MS).blocks == 0


def test_an_edge_of_half_a_percent_of_the_phase_is_never_a_stall():
    stamps = np.arange(1_000, 10_951, 10) * MS  # the last 0.05 s of 10 s are five intervals long
    assert block_window(stamps, 1_000 * MS, 11_000 * MS).blocks == 995
    assert block_window(stamps, 1_000 * MS, 11_001 * MS).blocks == 0


def test_blocks_all_seen_at_once_are_no_rhythm():
    assert block_window(np.full(5, 5_000 * MS), 5_000 * MS, 5_000 * MS).blocks == 0


def test_a_plain_window_holds_its_start_and_not_its_end():
    window = plain_window(1_000, 2_000)
    assert window.count(np.array([-1, 999, 1_000, 1_999, 2_000])) == 2
    assert plain_window(0, 10**9).seconds == 1
    assert plain_window(0, 10).count(np.array([-1, 0])) == 1  # -1 is no time


def test_an_empty_measure_phase_has_no_rates():
    rate, note = rates(trial_input([], chain([]), phases=[PhaseSpan(Phase.MEASURE, 0, 0)]))
    assert (rate.goodput_per_s, rate.offered_per_s, note) == (0, 0, "the measure phase is empty")
    assert (rate.submitted_per_s, rate.accepted_per_s, rate.expected_refusals_per_s) == (0, 0, 0)
