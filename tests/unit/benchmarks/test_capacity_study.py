"""The coverage study: trials in virtual time are what they claim, and each method answers as it should."""

from __future__ import annotations

import numpy as np
import pytest

from bench.ledgers.simulated_options import SimulatedOptions
from bench.measure.summary import summarise
from bench.model.phase import Outcome
from bench.model.transaction import ErrorClass
from bench.run.search import Ask
from bench.scenario.arrival import Constant
from benchmarks.capacity.models import HIGHEST_PER_S, LOWEST_PER_S, MODELS, Model, drawn
from benchmarks.capacity.study import BUDGET_S, Answer, dlps, search
from benchmarks.capacity.virtual import virtual_trial
from benchmarks.capacity_coverage import main

S = 1_000_000_000
SERVED = SimulatedOptions(service_rate_per_s=40, block_interval_ms=500)


def trial(options: SimulatedOptions, rate: float, seconds: int = 20):  # type: ignore[no-untyped-def]
    return virtual_trial(options, Constant(rate), Ask("probe", rate, 3 * S, seconds * S), 1, seed=7)


def test_a_virtual_trial_holds_the_plan_and_adds_up() -> None:
    made = summarise(trial(SERVED, 30))
    assert made.verdict.status == "valid", made.verdict
    assert made.counts.planned == made.counts.finalized == 30 * 23
    assert made.rates.offered_per_s == pytest.approx(30)
    assert made.rates.goodput_per_s == pytest.approx(30, rel=0.02)
    assert made.blocks.interval_s_median == 0.5
    assert made.latency_ms.finality.max is not None
    assert 500 <= made.latency_ms.finality.max <= 600, "a block interval and a service time"


def test_overload_is_served_at_the_limit_and_the_rest_is_open() -> None:
    made = summarise(trial(SERVED, 80))
    assert made.verdict.status == "valid", made.verdict
    assert made.rates.goodput_per_s == pytest.approx(40, rel=0.01)
    assert made.counts.unresolved == made.counts.planned - made.counts.finalized
    assert made.counts.finalized == pytest.approx(40 * 28, rel=0.02), "23 s of load and 5 s of drain"


def test_the_in_flight_bound_drops() -> None:
    rows = trial(SimulatedOptions(service_rate_per_s=1, block_interval_ms=500), 100, seconds=60).rows
    dropped = rows[rows["outcome"] == Outcome.DROPPED]
    assert len(dropped) > 1_000
    assert set(dropped["error_class"].tolist()) == {ErrorClass.IN_FLIGHT_BOUND}
    assert (dropped["submitted_ns"] == -1).all()


def test_blocks_are_out_of_step_with_the_trial_and_that_by_the_seed() -> None:
    ask = Ask("probe", 30.0, 3 * S, 10 * S)
    first = [virtual_trial(SERVED, Constant(30), ask, 1, seed).blocks["observed_ns"][0] for seed in range(20)]
    assert len(set(first)) == 20
    assert 0 < np.mean(first) < 0.5 * S


@pytest.mark.parametrize("name", MODELS)
def test_ledgers_of_a_model_differ_within_its_bounds_and_repeat(name: str) -> None:
    limits = [drawn(name, seed).true_per_s for seed in range(50)]
    assert len(set(limits)) > 20
    assert all(LOWEST_PER_S <= limit <= HIGHEST_PER_S for limit in limits)
    assert drawn(name, 3) == drawn(name, 3)


@pytest.mark.parametrize("name", MODELS)
def test_a_search_on_each_model_holds_its_limit(name: str) -> None:
    found = search(drawn(name, 1), 1)
    assert found.contains, found
    assert not found.too_high
    assert found.took_s <= BUDGET_S


def test_dlps_lets_overload_pass_up_to_its_bound_and_publishes_what_came_through() -> None:
    found = dlps(Model(SERVED, 40.0), 1)
    assert found.low_per_s == found.high_per_s
    assert found.low_per_s == pytest.approx(40, rel=0.02)
    assert found.attempts > 8


def test_an_answer_contains_the_truth_between_two_ends_only() -> None:
    assert Answer(10, 9, 11, 1, 1, "converged").contains
    assert not Answer(10, 9, None, 1, 1, "budget").contains
    assert not Answer(10, None, 11, 1, 1, "budget").contains
    high = Answer(10, 10.5, 11, 1, 1, "converged")
    assert high.too_high
    assert not high.contains
    assert high.width == pytest.approx(0.5 / 10.5)


def test_too_few_searches_to_be_sure_end_in_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """3 of 3 leave a lower bound of 29 %."""
    assert main(["--searches", "3", "--model", "constant", "--processes", "1"]) == 1
    row = capsys.readouterr().out.splitlines()[1]
    assert row.startswith("constant")
    assert "100.0%  [ 29.2%, 100.0%]" in row
