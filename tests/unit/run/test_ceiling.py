from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.run.calibration_store import Attempt
from bench.run.ceiling import LEAST_RATE, MOST_RATE, SearchPlan, find_ceiling, next_rate
from tests.support.calibration import attempt


def always() -> bool:
    return True


class Machine:
    """Holds up to `ceiling`; the attempts numbered in `slow` fail anyhow."""

    def __init__(self, ceiling: float, slow: tuple[int, ...] = ()) -> None:
        self.ceiling, self.slow, self.asked = ceiling, slow, list[float]()

    def __call__(self, rate: float) -> Attempt:
        self.asked.append(rate)
        return attempt(rate, held=rate <= self.ceiling and len(self.asked) - 1 not in self.slow)


@pytest.mark.parametrize(
    ("plan", "held", "failed", "expected"),
    [
        (SearchPlan(1000, 0.1), None, None, 1000),
        (SearchPlan(1000, 0.1), 1000, None, 2000),
        (SearchPlan(1000, 0.1), None, 1000, 500),
        (SearchPlan(1000, 0.1), 1000, 4000, 2000),
        (SearchPlan(1000, 0.1), 1000, 2000, 1410),
        (SearchPlan(1000, 0.1), 1000, 1100, None),
        (SearchPlan(1000, 0.1), None, 2 * LEAST_RATE - 1, None),
        (SearchPlan(1000, 0.1), MOST_RATE, None, None),
        (SearchPlan(3000, 0.1, goal=3000), None, None, 3000),
        (SearchPlan(3000, 0.1, goal=3000), 3000, None, None),
        (SearchPlan(3000, 0.1, goal=3000), 1000, None, 3000),
        (SearchPlan(1000, 0.1, goal=400), 500, 1000, None),
        (SearchPlan(1000, 0.1, goal=400), None, 1000, 400),
        (SearchPlan(1000, 0.1, goal=400), None, 400, 200),
    ],
)
def test_what_is_tried_next(plan: SearchPlan, held: float | None, failed: float | None, expected: float | None) -> None:
    assert next_rate(plan, held, failed) == expected


@given(ceiling=st.floats(20, 400_000), start=st.floats(100, 20_000), precision=st.sampled_from([0.05, 0.1, 0.25]))
def test_the_ceiling_is_found_from_any_start(ceiling: float, start: float, precision: float) -> None:
    machine = Machine(ceiling)
    found = find_ceiling(machine, SearchPlan(start, precision), always)
    assert found.held is not None
    assert found.failed is not None
    assert found.held <= ceiling < found.failed <= (1 + precision) * found.held
    assert [one.rate_per_s for one in found.attempts] == machine.asked


def test_a_slow_moment_does_not_lower_the_ceiling() -> None:
    machine = Machine(4000, slow=(0, 2))
    found = find_ceiling(machine, SearchPlan(1000, 0.1), always)
    assert machine.asked[:5] == [1000, 1000, 2000, 2000, 4000]
    assert found.held == 4000


def test_a_rate_counts_as_failed_only_after_two_tries() -> None:
    machine = Machine(1500)
    find_ceiling(machine, SearchPlan(1000, 0.25), always)
    failing = [rate for rate in machine.asked if rate > 1500]
    assert all(failing.count(rate) == 2 for rate in failing)


def test_a_machine_that_holds_nothing_has_no_ceiling() -> None:
    found = find_ceiling(Machine(0), SearchPlan(1000, 0.1), always)
    assert found.held is None
    assert found.failed is not None
    assert found.failed < 2 * LEAST_RATE


@pytest.mark.parametrize(
    ("attempts", "held", "failed"), [(0, None, None), (1, 1000, None), (3, 2000, None), (4, 2000, 4000)]
)
def test_a_search_that_runs_out_of_time_says_what_it_knows(
    attempts: int, held: float | None, failed: float | None
) -> None:
    turns = itertools.count()
    found = find_ceiling(Machine(2500), SearchPlan(1000, 0.1), lambda: next(turns) < attempts)
    assert (found.held, found.failed, len(found.attempts)) == (held, failed, attempts)
