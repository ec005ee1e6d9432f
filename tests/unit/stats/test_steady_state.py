import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.steady_state import MOST_POINTS, theil_sen_slope


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(2, 40))
def test_a_line_is_recovered(slope, offset, points):
    times = np.arange(points, dtype=float)
    assert theil_sen_slope(times, slope * times + offset) == pytest.approx(slope, abs=1e-6)


def test_a_quarter_of_wild_points_does_not_turn_it():
    times = np.arange(40.0)
    values = 2 * times
    values[::5] += 10_000
    assert theil_sen_slope(times, values) == pytest.approx(2, abs=0.05)


def test_order_and_equal_times_do_not_matter():
    assert theil_sen_slope(np.array([3.0, 1.0, 1.0]), np.array([6.0, 2.0, 2.0])) == 2


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([1.0], [1.0], "two different times"),
        ([1.0, 1.0], [1.0, 2.0], "two different times"),
        ([1.0, 2.0], [1.0], "2 times for 1 values"),
        ([0.0] * (MOST_POINTS + 1), [0.0] * (MOST_POINTS + 1), "bin the series"),
    ],
)
def test_what_has_no_slope_is_refused(times, values, message):
    with pytest.raises(ValueError, match=message):
        theil_sen_slope(np.array(times), np.array(values))
