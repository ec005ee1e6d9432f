from __future__ import annotations

from typing import Any

import pytest

from bench.model.errors import ConfigurationError
from bench.scenario.loader import load_sha256, resolved_yaml, scenario_from_mapping, scenario_sha256
from bench.scenario.plan import make_plan, trial_order
from bench.scenario.schema import Scenario
from bench.scenario.stopping import parse_share


def scenario(**changes: Any) -> Scenario:
    return scenario_from_mapping(
        {
            "name": "x",
            "ledgers": ["anvil", "sqlite"],
            "workload": "transfer",
            "arrival": {"process": "constant", "rate": 300},
            "phases": {"duration": "20s"},
            **changes,
        }
    )


@pytest.mark.parametrize(("width", "expected"), [("5%", 0.05), ("2.5 %", 0.025), (0.1, 0.1), ("0.05", 0.05)])
def test_a_width_is_a_percentage_or_a_share(width: object, expected: float) -> None:
    stopping = scenario(stopping={"width": width}).stopping
    assert stopping is not None
    assert (stopping.width, stopping.most_trials, stopping.metric) == (expected, 30, "goodput")


@pytest.mark.parametrize(
    ("stopping", "words"),
    [
        ({"width": "wide"}, "stopping.width: is not a share (got 'wide'); write it as 5% or 0.05"),
        ({"width": "90%"}, "stopping.width: is too large"),
        ({"width": 0}, "stopping.width: is too small"),
        ({"width": True}, "stopping.width: is not a number"),
        ({"width": 0.1, "most_trials": 5}, "stopping.most_trials: is too small"),
        ({"width": 0.1, "metric": "p99"}, "stopping.metric: is not accepted"),
        ({}, "stopping.width: is missing"),
    ],
)
def test_what_is_refused(stopping: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        scenario(stopping=stopping)
    assert words in str(caught.value)


def test_the_cap_is_not_below_the_trials() -> None:
    with pytest.raises(ConfigurationError, match="most_trials: is below trials; use at least 20"):
        scenario(trials=20, stopping={"width": 0.05, "most_trials": 10})


def test_without_the_section_nothing_changes() -> None:
    assert scenario().most_trials == 5
    assert "stopping" not in resolved_yaml(scenario())


def test_it_is_no_part_of_the_load_but_of_the_scenario() -> None:
    with_rule = scenario(stopping={"width": "5%"})
    assert load_sha256(with_rule) == load_sha256(scenario())
    assert scenario_sha256(with_rule) != scenario_sha256(scenario())


def test_a_plan_covers_every_trial_that_may_be_run() -> None:
    fixed, open_ended = scenario(), scenario(stopping={"width": "5%", "most_trials": 12})
    assert len(make_plan(open_ended).trials) == open_ended.most_trials == 12
    assert make_plan(open_ended).trials[:5] == make_plan(fixed).trials
    assert trial_order(open_ended)[:10] == trial_order(fixed)
    assert len(trial_order(open_ended)) == 24


@pytest.mark.parametrize("text", ["5%", "0.05", " 5 %"])
def test_a_share_on_the_command_line(text: str) -> None:
    assert parse_share(text) == 0.05


@pytest.mark.parametrize("text", ["", "five", "-5%", "5%%", "1e-2"])
def test_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        parse_share(text)
