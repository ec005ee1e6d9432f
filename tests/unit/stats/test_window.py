import numpy as np
import pytest

from bench.stats.window import Window, block_window, plain_window

S = 1_000_000_000


def stamps(*seconds):
    return np.array([round(second * S) for second in seconds], np.int64)


def test_a_window_holds_its_end_and_not_its_start():
    window = Window(10, 20, 1)
    assert [window.count(np.array([time])) for time in (9, 10, 11, 20, 21)] == [0, 0, 1, 1, 0]
    assert window.count(np.array([11, 11, 15, 30])) == 3
    assert window.seconds == 1e-8


def test_what_never_came_is_in_no_window():
    assert Window(-5, 20, 0).count(np.array([-1, -1, 0, 3])) == 2


def test_a_plain_window_holds_its_start_and_not_its_end():
    window = plain_window(0, 10 * S)
    assert [window.count(np.array([time])) for time in (-1, 0, 10 * S - 1, 10 * S)] == [0, 1, 1, 0]
    assert (window.seconds, window.blocks, window.note) == (10, 0, "")
    assert plain_window(0, S, "why").note == "goodput is over the plain measure phase: why"


def test_blocks_are_counted_between_the_first_and_the_last_stamp_inside():
    window = block_window(stamps(9.5, 1.5, 10, 0.9, 5, 1, 10.1), 1 * S, 10 * S)
    assert window == Window(1 * S, 10 * S, 4)


def test_three_stamps_are_needed():
    assert block_window(stamps(0, 5, 10), 0, 10 * S) == Window(0, 10 * S, 2)
    found = block_window(stamps(0, 10), 0, 10 * S)
    assert (found.start_ns, found.end_ns, found.blocks) == (-1, 10 * S - 1, 0)
    assert found.note.endswith("2 block boundaries lie in it, 3 are needed")


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_edge_of_more_than_three_usual_intervals_is_a_stall(mirrored):
    def found(edge):
        seconds = [*np.arange(0, 40 - edge + 1e-9, 1.0), 40 - edge]
        inside = stamps(*(40 - second if mirrored else second for second in seconds))
        return block_window(inside, 0, 40 * S)

    assert found(3).blocks > 0
    assert found(3.1).blocks == 0
    assert "no block came for 3.1 s at an edge of it, while blocks usually come every 1.000 s" in found(3.1).note


def test_an_edge_of_a_twentieth_of_the_phase_is_no_stall_however_fast_blocks_are():
    fast = np.arange(0.0, 38.0001, 0.01)
    assert block_window(stamps(*fast), 0, 40 * S).blocks == 3_800
    assert block_window(stamps(*fast[:-1]), 0, 40 * S).blocks == 0


def test_blocks_that_all_came_at_once_have_no_rhythm():
    assert block_window(stamps(10, 10, 10), 10 * S, 10 * S + 1).blocks == 0
