"""The runs of a preset: every arrival process scaled and lengthened, and refused where that is impossible."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic import BaseModel

from bench.model.errors import ConfigurationError
from bench.scenario.arrival_schema import Arrival
from bench.scenario.loader import resolved_yaml, scenario_from_mapping
from bench.scenario.presets import NAMES, preset_roles, preset_scenarios, role_of, scaled
from bench.scenario.schema import Scenario

S = 10**9
CAICT = ("pressure", "spike", "stability")

ARRIVALS: dict[str, dict[str, Any]] = {
    "constant": {"process": "constant", "rate": 100},
    "poisson": {"process": "poisson", "rate": 100},
    "ramp": {"process": "ramp", "from": 0, "to": 200},
    "steps": {"process": "steps", "steps": [{"rate": 50, "duration": "4s"}, {"rate": 150, "duration": "6s"}]},
    "burst": {"process": "burst", "base": 50, "peak": 300, "every": "5s", "length": "1s"},
    "sine": {"process": "sine", "mean": 100, "amplitude": 40, "period": "5s"},
    "trace": {"process": "trace", "points": [[0, 50], [5, 150], [10, 0]], "scale": 1},
}


def scenario(arrival: dict[str, Any], duration: str | None = "10s", **more: Any) -> Scenario:
    phases = {} if duration is None else {"phases": {"duration": duration}}
    return scenario_from_mapping(
        {"name": "city", "ledgers": ["simulated"], "workload": "transfer", "arrival": arrival, **phases, **more}
    )


def planned(made: Scenario) -> int:
    return made.process.planned(made.phases.duration_ns)


@pytest.mark.parametrize("name", ["pswg", "itu", "jrt0193"])
def test_a_source_with_one_test_runs_the_scenario_as_it_is(name: str) -> None:
    given = scenario(ARRIVALS["ramp"])
    assert preset_scenarios(name, given) == [("as-given", given)]


@pytest.mark.parametrize("process", ARRIVALS)
def test_caict_doubles_the_load_and_takes_a_fifth_of_it_three_times_as_long(process: str) -> None:
    given = scenario(ARRIVALS[process])
    tests = preset_scenarios("caict", given)
    assert [role for role, _ in tests] == list(CAICT)
    assert [one.name for _, one in tests] == ["city-pressure", "city-spike", "city-stability"]
    pressure, spike, stability = (one for _, one in tests)
    assert planned(given) == planned(pressure)
    assert planned(spike) == pytest.approx(2 * planned(given), abs=1)
    assert planned(stability) == pytest.approx(0.2 * 3 * planned(given), abs=1)
    assert [one.phases.duration_ns for one in (pressure, spike, stability)] == [10 * S, 10 * S, 30 * S]
    assert {one.phases.warm_up_ns for one in (pressure, spike, stability)} == {given.phases.warm_up_ns}


@pytest.mark.parametrize("process", ["constant", "steps", "burst", "sine", "trace"])
def test_the_shape_of_the_load_stays(process: str) -> None:
    given = scenario(ARRIVALS[process]).process
    spike, stability = (one.process for _, one in preset_scenarios("caict", scenario(ARRIVALS[process]))[1:])
    for second in (0.5, 3.5, 4.5, 7.0, 9.5):
        at = int(second * S)
        assert spike.rate_at(at) == pytest.approx(2 * given.rate_at(at))
        for again in range(3):
            assert stability.rate_at(at + again * 10 * S) == pytest.approx(0.2 * given.rate_at(at))


@pytest.mark.parametrize(("process", "expected"), [("steps", 50 * 4 + 150 * 3), ("trace", 50 * 5 + 150 * 2)])
def test_a_course_that_is_cut_short_is_repeated_as_it_was_cut(process: str, expected: int) -> None:
    given = scenario(ARRIVALS[process], "7s")
    assert planned(given) == expected
    stability = preset_scenarios("caict", given)[2][1]
    assert stability.phases.duration_ns == 21 * S
    assert planned(stability) == pytest.approx(0.6 * expected, abs=1)


def test_a_cut_within_the_first_row_keeps_only_that() -> None:
    stability = preset_scenarios("caict", scenario(ARRIVALS["steps"], "2s"))[2][1]
    assert stability.phases.duration_ns == 6 * S
    assert planned(stability) == 0.2 * 50 * 6


def test_the_default_bound_on_open_transactions_follows_the_rate_and_a_given_one_stays() -> None:
    bounds = [one.load.in_flight for _, one in preset_scenarios("caict", scenario(ARRIVALS["constant"]))]
    assert bounds == [2000, 4000, 1000]
    given = scenario(ARRIVALS["constant"], load={"in_flight": 777})
    assert {one.load.in_flight for _, one in preset_scenarios("caict", given)} == {777}


def test_all_else_stays() -> None:
    given = scenario(ARRIVALS["constant"], trials=7, seed=9, limits={"sent_share": 0.9}, slo={"finality_p99": "2s"})
    for _, one in preset_scenarios("caict", given):
        assert (one.trials, one.seed, one.limits, one.slo) == (7, 9, given.limits, given.slo)
        assert (one.ledgers, one.workload) == (given.ledgers, given.workload)
        assert scenario_from_mapping(one.model_dump(mode="json", by_alias=True, exclude_none=True)) == one
        assert "e-" not in resolved_yaml(one)


def test_an_endpoint_stays_the_target() -> None:
    given = scenario_from_mapping(
        {
            "name": "theirs",
            "endpoint": {"adapter": "evm", "url": "http://127.0.0.1:8545"},
            "workload": "transfer",
            "arrival": ARRIVALS["constant"],
            "phases": {"duration": "10s"},
        }
    )
    assert all(one.endpoint == given.endpoint for _, one in preset_scenarios("caict", given))


def test_a_rate_is_written_without_binary_noise() -> None:
    tests = preset_scenarios("caict", scenario({"process": "constant", "rate": 0.3}))
    assert [one.arrival.rate for _, one in tests] == [0.3, 0.6, 0.06]  # type: ignore[union-attr]


def test_a_long_name_is_shortened_and_its_role_kept() -> None:
    given = scenario(ARRIVALS["constant"]).model_copy(update={"name": "n" * 80})
    names = [one.name for _, one in preset_scenarios("caict", given)]
    assert [len(name) for name in names] == [80, 80, 80]
    assert [role_of("caict", name) for name in names] == list(CAICT)


@pytest.mark.parametrize(
    ("arrival", "duration", "refusal"),
    [
        ({"process": "constant", "rate": 900_000}, "10s", "spike test of preset caict.*arrival.rate"),
        ({"process": "constant", "rate": 0.002}, "2000s", "stability test of preset caict.*arrival.rate"),
        ({**ARRIVALS["trace"], "scale": 600}, "10s", "spike test of preset caict.*arrival.scale"),
        ({"process": "constant", "rate": 1}, "4800h", "stability test.*longer than a year"),
    ],
)
def test_a_load_that_cannot_be_scaled_is_refused_with_its_key(
    arrival: dict[str, Any], duration: str, refusal: str
) -> None:
    given = scenario(arrival, duration)
    with pytest.raises(ConfigurationError, match=refusal):
        preset_scenarios("caict", given)


def test_arrivals_without_rates_are_refused() -> None:
    class Replay(BaseModel):
        process: str = "replay"

    with pytest.raises(ConfigurationError, match=r"no rate that a preset could multiply \(got 'replay'\)"):
        scaled(cast(Arrival, Replay()), 2.0)


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="pswg, itu, caict, jrt0193"):
        preset_roles("iso")


@pytest.mark.parametrize(
    ("preset", "name", "role"),
    [
        ("caict", "city-spike", "spike"),
        ("caict", "spike", "spike"),
        ("caict", "cityspike", None),
        ("caict", "city", None),
        ("pswg", "whatever", "as-given"),
    ],
)
def test_a_role_is_read_from_the_end_of_a_name(preset: str, name: str, role: str | None) -> None:
    assert preset in NAMES
    assert role_of(preset, name) == role
