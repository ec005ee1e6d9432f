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
def test_an_edge_of_more_than_one_and_a_half_usual_intervals_is_a_stall(mirrored):
    def found(edge):
        seconds = [*np.arange(40 - edge, -1e-9, -1.0)]
        inside = stamps(*(40 - second if mirrored else second for second in seconds))
        return block_window(inside, 0, 40 * S)

    assert found(1.5).blocks > 0
    assert found(1.6).blocks == 0
    assert "no block came for 1.6 s at an edge of it, while blocks usually come every 1.000 s" in found(1.6).note


def test_blocks_that_come_irregularly_may_leave_twice_their_longest_usual_interval():
    """Of twenty intervals the 95th percentile is 2 s, the median 1 s."""
    ends = np.concatenate(([0], np.cumsum(np.resize([1, 1, 1, 1, 2], 20)))).astype(float)
    last = ends[-1]
    assert block_window(stamps(*ends), 0, round((last + 4) * S)).blocks == 20
    assert block_window(stamps(*ends), 0, round((last + 4.01) * S)).blocks == 0


def test_an_edge_of_half_a_percent_of_the_phase_is_no_stall_however_fast_blocks_are():
    fast = np.arange(0.0, 39.8001, 0.01)
    assert block_window(stamps(*fast), 0, 40 * S).blocks == 3_980
    assert block_window(stamps(*fast[:-1]), 0, 40 * S).blocks == 0


@pytest.mark.parametrize(
    ("draw", "most"),
    [
        (lambda random, count: random.normal(1, 0.1, count), 0),
        (lambda random, count: np.clip(random.normal(1, 0.3, count), 0.05, None), 1),
        (lambda random, count: random.exponential(1, count), 10),
    ],
    ids=["nearly regular", "jittery", "Poisson"],
)
def test_a_chain_that_keeps_going_keeps_its_window(draw, most):
    random = np.random.default_rng(7)
    lost = 0
    for _ in range(200):
        made = np.cumsum(draw(random, 200))
        lost += block_window((made * S).astype(np.int64), 30 * S, 90 * S).blocks == 0
    assert lost <= most


def test_blocks_that_all_came_at_once_have_no_rhythm():
    assert block_window(stamps(10, 10, 10), 10 * S, 10 * S + 1).blocks == 0
