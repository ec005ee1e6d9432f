"""A search whose bundle was edited and sealed again: what contradicts the trials, or the attempts, is found."""

from __future__ import annotations

from typing import Any

import pytest

from bench.bundle.reader import read_bundle
from bench.bundle.verify_search import problems, summarised
from bench.model.result import Result
from bench.run.attempts import conclude
from bench.run.search import Rules, Search
from tests.support.attempts import steady
from tests.support.bundles import synthetic_bundle


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A whole search on a ledger of 330/s, with a trial made up for each attempt."""
    path = synthetic_bundle(tmp_path_factory.mktemp("search") / "b", workload="transfer", trials=1, seconds=3)
    made = read_bundle(path).result
    first = made.trials[0]
    search = Search(Rules(start_per_s=100.0))
    while search.ask is not None:
        one = steady(330)(search.ask)
        number = len(search.attempts) + 1
        search.take(one.model_copy(update={"trial": number, "reasons": [] if one.passed else ["too little"]}))
    trials = []
    for one in search.attempts:
        finality = first.latency_ms.finality.model_copy(
            update={"p50": one.finality_p50_ms, "p99": one.finality_p99_ms, "lower_bound": {}}
        )
        rates = {"goodput_per_s": one.goodput_per_s, "offered_per_s": one.offered_per_s}
        trials.append(
            first.model_copy(
                update={
                    "trial": one.trial,
                    "rates": first.rates.model_copy(update=rates),
                    "latency_ms": first.latency_ms.model_copy(update={"finality": finality}),
                    "blocks": first.blocks.model_copy(update={"interval_s_median": one.block_interval_s}),
                }
            )
        )
    found = conclude(search, "converged", estimate=False)
    return made.model_copy(update={"trials": trials, "capacity": found})


def edited(result: Result, **changes: Any) -> list[str]:
    assert result.capacity is not None
    return list(problems(result.model_copy(update={"capacity": result.capacity.model_copy(update=changes)})))


def first_edited(result: Result, **changes: Any) -> list[str]:
    assert result.capacity is not None
    first, *rest = result.capacity.attempts
    return edited(result, attempts=[first.model_copy(update=changes), *rest])


def test_what_the_product_publishes_is_whole(result: Result) -> None:
    assert edited(result) == []
    assert [trial.trial for trial in summarised(result)] == [
        one.trial
        for one in (result.capacity.attempts if result.capacity else [])
        if one.kind == "confirm" and one.passed
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"low_per_s": 400.0}, "low_per_s = 400.0, but no attempt passed at a rate 1 % above"),
        ({"high_per_s": 3_300.0}, "high_per_s = 3300.0, but no attempt failed at that rate"),
        ({"high_per_s": 100.0}, "high_per_s = 100.0, but no attempt failed at that rate"),
        ({"confirmed_trials": 6}, "confirmed_trials = 6, but its attempts give 5"),
        ({"confirmed_passes": 4}, "confirmed_passes = 4, but its attempts give 5"),
        ({"pass_probability_low": 0.9}, "pass_probability_low = 0.9, but its attempts give 0."),
        ({"latency_at": {"50": {"p50": 1.0, "p99": 200.0}}}, "a latency at 50 %"),
        ({"slo": {"finality_p99_ms": 150.0}}, "attempt 1 of the search passed, but its p99 finality"),
    ],
)
def test_an_edited_result_is_found(result: Result, changes: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in edited(result, **changes)), edited(result, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"goodput_per_s": 1_000.0}, "states goodput_per_s = 1000.0, but trial 1 has 100.0"),
        ({"offered_per_s": 1_000.0}, "states offered_per_s = 1000.0, but in trial 1 100.0 writes a second were due"),
        ({"finality_p99_ms": 1.0}, "states finality_p99_ms = 1.0, but trial 1 has 200.0"),
        ({"trial": 99}, "is trial 99, which the bundle does not have"),
        ({"served_share": 0.8}, "passed, but served 80.00%"),
        ({"harness_bound": True}, "passed, but measured the harness"),
        ({"reasons": ["x"]}, "passed with 1 reasons against it"),
        ({"passed": False}, "failed with 0 reasons against it"),
    ],
)
def test_an_edited_attempt_is_found(result: Result, changes: dict[str, Any], said: str) -> None:
    assert any(problem == f"attempt 1 of the search {said}" for problem in first_edited(result, **changes))


def test_an_attempt_that_was_taken_over_has_its_trial_elsewhere(result: Result) -> None:
    assert first_edited(result, trial=None, goodput_per_s=99.0) == []
