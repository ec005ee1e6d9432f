from __future__ import annotations

from typing import Any

import pytest

from bench.model.errors import ConfigurationError
from bench.model.phase import Phase, PhaseSpan
from bench.scenario.arrival import Constant, Poisson, intended_times
from bench.scenario.loader import scenario_from_mapping
from bench.scenario.plan import make_plan, trial_order, trial_seed
from bench.scenario.schema import LedgerChoice, Scenario

S = 1_000_000_000


def scenario(**changes: Any) -> Scenario:
    return scenario_from_mapping(
        {
            "name": "x",
            "ledgers": ["anvil", "sqlite"],
            "workload": "transfer",
            "arrival": {"process": "constant", "rate": 300},
            "phases": {"duration": "20s", "drain": "7s"},
            **changes,
        }
    )


def test_a_plan_of_a_managed_ledger() -> None:
    plan = make_plan(scenario(), 1)
    assert plan.target == LedgerChoice(name="sqlite")
    assert plan.fresh
    assert plan.process == Constant(300)
    assert (plan.duration_ns, plan.planned, plan.in_flight) == (20 * S, 6000, 6000)
    assert plan.spans == (
        PhaseSpan(Phase.WARM_UP, 0, 4 * S),
        PhaseSpan(Phase.MEASURE, 4 * S, 20 * S),
        PhaseSpan(Phase.DRAIN, 20 * S, 27 * S),
    )
    assert plan.span(Phase.MEASURE).start_ns == 4 * S
    assert [(trial.trial, trial.planned) for trial in plan.trials] == [(trial, 6000) for trial in range(1, 6)]


def test_a_plan_of_an_endpoint_is_not_fresh() -> None:
    plan = make_plan(scenario(ledgers=[], endpoint={"adapter": "evm", "url": "http://h"}))
    assert not plan.fresh
    assert len(plan.trials) == 1


@pytest.mark.parametrize("index", [-1, 2])
def test_a_ledger_that_is_not_there(index: int) -> None:
    with pytest.raises(ConfigurationError, match="no ledger of this index"):
        make_plan(scenario(), index)


def test_random_arrivals_are_counted_for_each_trial() -> None:
    plan = make_plan(scenario(arrival={"process": "poisson", "rate": 300}))
    assert plan.process == Poisson(300)
    assert len({trial.planned for trial in plan.trials}) > 1
    for trial in plan.trials:
        assert trial.planned == sum(map(len, intended_times(plan.process, plan.duration_ns, trial.seed)))
    assert plan.planned == max(trial.planned for trial in plan.trials)


def test_seeds_are_the_same_for_every_ledger_and_number_of_trials() -> None:
    seeds = [trial.seed for trial in make_plan(scenario(trials=10)).trials]
    assert len(set(seeds)) == 10
    assert all(0 <= seed < 2**53 for seed in seeds)
    assert [trial.seed for trial in make_plan(scenario(trials=3), 1).trials] == seeds[:3]
    assert [trial.seed for trial in make_plan(scenario(trials=3, seed=2)).trials] != seeds[:3]
    assert trial_seed(1, 1) == 4117112474581694  # numpy keeps SeedSequence the same over versions


def test_the_order_is_every_pair_once_with_each_ledger_in_each_round() -> None:
    order = trial_order(scenario(ledgers=["a", "b", "c"], trials=50))
    assert len(order) == 150
    rounds = [order[start : start + 3] for start in range(0, 150, 3)]
    for trial, pairs in enumerate(rounds, start=1):
        assert sorted(pairs) == [(0, trial), (1, trial), (2, trial)]
    firsts = [pairs[0][0] for pairs in rounds]
    assert all(8 <= firsts.count(ledger) <= 27 for ledger in range(3))


def test_the_order_follows_the_seed() -> None:
    assert trial_order(scenario()) == trial_order(scenario())
    assert trial_order(scenario(trials=30)) != trial_order(scenario(trials=30, seed=2))
    assert trial_order(scenario(ledgers=[], endpoint={"adapter": "evm", "url": "http://h"}, trials=2)) == [
        (0, 1),
        (0, 2),
    ]
