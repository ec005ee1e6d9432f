import numpy as np
import pytest

from bench.measure.series import MOST_BINS, Bins, backlog, goodput, quickest_ns
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.transaction import ErrorClass
from tests.support.rows import MS, chain, read, table, write

MEASURE = PhaseSpan(Phase.MEASURE, 1_000 * MS, 11_000 * MS)


def edges_ms(stamps, span=MEASURE, orphaned=()):
    return (Bins.of(chain(stamps, orphaned=orphaned), span).edges / MS).tolist()


def bins(*edges_ms):
    return Bins(np.array(edges_ms, np.int64) * MS)


def test_bins_are_the_blocks_of_goodputs_window():
    assert edges_ms([500, 1_500, 4_500, 2_500, 6_000, 7_000, 10_500, 11_500]) == [
        1_500, 2_500, 4_500, 6_000, 7_000, 10_500,
    ]  # fmt: skip
    assert edges_ms([1_000, 4_000, 7_000, 11_000]) == [1_000, 4_000, 7_000, 11_000]


def test_a_bin_is_called_what_it_is():
    assert Bins.of(chain([1_000, 4_000, 7_000, 11_000]), MEASURE).unit == "blocks"
    assert Bins.of(chain([1_000, 4_000, 4_001, 7_000, 11_000]), MEASURE).unit == "groups of blocks"


def test_orphaned_blocks_are_no_edges():
    assert edges_ms([1_500, 3_000, 4_500, 6_000, 7_500, 9_000, 10_500], orphaned=[3]) == [
        1_500, 3_000, 4_500, 7_500, 9_000, 10_500,
    ]  # fmt: skip


def test_blocks_heard_of_in_one_burst_share_a_bin():
    assert edges_ms([1_000, 3_000, 3_000.01, 3_999, 5_000, 7_000, 9_000, 11_000]) == [
        1_000, 3_000, 5_000, 7_000, 9_000, 11_000,
    ]  # fmt: skip
    assert edges_ms([1_000, 3_000, 4_000, 5_000, 7_000, 9_000, 11_000]) == [
        1_000, 3_000, 4_000, 5_000, 7_000, 9_000, 11_000,
    ]  # fmt: skip


def test_the_last_block_stays_an_edge_and_takes_the_place_of_one_too_near():
    assert edges_ms([1_000, 3_000, 5_000, 7_000, 9_000, 10_900, 11_000])[-3:] == [7_000, 9_000, 11_000]


def test_two_blocks_may_be_all_that_stays():
    assert edges_ms([1_000, 10_000, 11_000]) == [1_000, 11_000]


def test_many_small_blocks_are_put_together():
    stamps = np.arange(1_000, 11_001, 2)
    made = Bins.of(chain(stamps), MEASURE)
    assert (len(made), made.unit) == (MOST_BINS, "groups of blocks") == (500, "groups of blocks")
    assert set(np.diff(made.edges)) == {20 * MS}


def test_two_blocks_a_nanosecond_apart_end():
    stamps = np.array([1_000 * MS, 1_000 * MS + 1, 1_000 * MS + 2])
    blocks = chain([0, 0, 0])
    blocks["observed_ns"] = stamps
    span = PhaseSpan(Phase.MEASURE, 1_000 * MS, 1_000 * MS + 2)
    assert Bins.of(blocks, span).edges.tolist() == stamps.tolist()


@pytest.mark.parametrize("stamps", [[], [2_000, 3_000], [1_100, 1_200, 1_300, 1_400]])
def test_without_a_rhythm_bins_are_seconds(stamps):
    made = Bins.of(chain(stamps), PhaseSpan(Phase.MEASURE, 1_000 * MS, 4_500 * MS))
    assert (made.unit, len(made)) == ("seconds", 3)
    assert made.edges.tolist() == [1_000 * MS - 1, 2_000 * MS - 1, 3_000 * MS - 1, 4_000 * MS - 1]


def test_very_long_phases_have_longer_bins():
    made = Bins.of(chain([]), PhaseSpan(Phase.MEASURE, 0, 5_000_000 * MS))
    assert len(made) == MOST_BINS
    assert set(np.diff(made.edges)) == {10_000 * MS}


def test_a_grid_is_as_wide_as_needed_and_ends_inside_the_phase():
    wide = Bins.of(chain([]), PhaseSpan(Phase.MEASURE, 0, 5_000_000 * MS + 1))
    assert set(np.diff(wide.edges)) == {10_000 * MS + 1}
    short = Bins.of(chain([]), PhaseSpan(Phase.MEASURE, 1_000 * MS, 4_000 * MS - 1))
    assert short.edges.tolist() == [1_000 * MS - 1, 2_000 * MS - 1, 3_000 * MS - 1]


def test_a_time_of_zero_has_happened():
    assert Bins(np.array([0, 10])).until(np.array([-1, 0, 10])).tolist() == [1, 2]


def test_an_empty_phase_has_no_bin():
    made = Bins.of(chain([]), PhaseSpan(Phase.MEASURE, 1_000 * MS, 1_000 * MS))
    assert len(made) == 0
    assert goodput(table([write(500, committed=800)]), made).tolist() == []


def test_a_bin_holds_its_end_and_not_its_start():
    times = np.array([-1, 999, 1_000, 1_001, 2_000, 2_001, 4_000, 4_001]) * MS
    times[0] = -1
    made = bins(1_000, 2_000, 4_000)
    assert made.until(times).tolist() == [2, 4, 6]
    assert made.per_second(times).tolist() == [2.0, 1.0]
    assert (made.edges_s.tolist(), made.centres_s.tolist()) == ([0, 1, 3], [0.5, 2])


def test_equal_bins_have_exactly_equal_rates():
    edges = 123_456_789 + 100_000_007 * np.arange(50)
    times = np.repeat(edges[1:], 3)
    assert len(set(Bins(edges).per_second(times).tolist())) == 1


def test_goodput_is_of_valid_final_writes():
    rows = [write(900, committed=1_500), write(900, committed=1_600, finalized=2_500)]
    rows += [
        write(900, committed=1_500, outcome=Outcome.COMMITTED),
        write(900, committed=1_500, outcome=Outcome.FAILED, error=ErrorClass.REVERTED),
        write(900, committed=1_500, outcome=Outcome.FAILED_EXPECTED, error=ErrorClass.REVERTED),
        write(900, outcome=Outcome.UNRESOLVED),
        read(900, answered=1_500),
    ]
    assert goodput(table(rows), bins(1_000, 2_000, 3_000)).tolist() == [1, 1]


def test_the_quickest_percent_by_hand():
    assert quickest_ns(np.arange(1, 201) * 10) == 20
    assert quickest_ns(np.array([70, 30])) == 30
    assert quickest_ns(np.empty(0, np.int64)) == 0


def test_the_backlog_by_hand():
    rows = [
        write(500, committed=1_000),  # gone at the first edge
        write(900, committed=2_000),
        write(1_500, committed=2_000),
        write(1_600, outcome=Outcome.UNRESOLVED),  # stays
        write(1_700, committed=2_000, outcome=Outcome.COMMITTED),  # included, not final: stays
        write(1_800, committed=2_000, outcome=Outcome.FAILED, error=ErrorClass.REVERTED),  # decided
        write(1_950, committed=3_000),
        write(1_000, outcome=Outcome.DROPPED),
        write(1_000, outcome=Outcome.REJECTED),
        read(1_000, answered=9_000),
    ]
    edges = bins(1_000, 2_000, 3_000)
    assert backlog(table(rows), edges, 0).tolist() == [1, 3, 2]
    assert backlog(table(rows), edges, 100 * MS).tolist() == [1, 2, 2]  # the one due at 1.95 s is too young at 2 s
    assert backlog(table(rows), edges, 101 * MS).tolist() == [0, 2, 2]


def test_a_ledger_that_empties_its_pool_leaves_nothing_behind():
    rows = [
        write(stamp - 30 - 90 * number, committed=stamp) for stamp in range(2_000, 9_000, 1_000) for number in range(9)
    ]
    made = bins(*range(2_000, 9_000, 1_000))
    assert backlog(table(rows), made, 30 * MS).tolist() == [0] * 7
