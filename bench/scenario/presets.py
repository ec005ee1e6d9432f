"""Presets: the runs that a published source of performance metrics asks for, derived from one scenario.

Most sources name metrics and leave the load to the tester, so the scenario stays as it is. CAICT's benchmark, as others
describe it, has three tests that differ in load. What is made of the runs is for `bench.report.standards` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.model.clock import NS_PER_S
from bench.model.errors import ConfigurationError
from bench.scenario.arrival_schema import (
    Arrival,
    BurstArrival,
    ConstantArrival,
    PoissonArrival,
    RampArrival,
    SineArrival,
    StepsArrival,
    TraceArrival,
)
from bench.scenario.duration import format_duration
from bench.scenario.loader import scenario_from_mapping
from bench.scenario.schema import Scenario

AS_GIVEN = "as-given"
PRESSURE, SPIKE, STABILITY = "pressure", "spike", "stability"
SPIKE_FACTOR = 2.0
STABILITY_SHARE = 0.2
STABILITY_LENGTH = 3
"""How many times longer the stability test runs. The source says "long" and no more; this is what a desk run allows."""
LONGEST_NAME = 80

_RESOLUTION = 6  # digits: rates have a resolution of 10⁻⁶ per second


@dataclass(frozen=True, slots=True)
class _Test:
    """One test of a source: its load as a multiple of the given one, and how many times the given course is run."""

    role: str
    factor: float = 1.0
    repeats: int = 1


_TESTS = {
    "pswg": (_Test(AS_GIVEN),),
    "itu": (_Test(AS_GIVEN),),
    "caict": (_Test(PRESSURE), _Test(SPIKE, SPIKE_FACTOR), _Test(STABILITY, STABILITY_SHARE, STABILITY_LENGTH)),
    "jrt0193": (_Test(AS_GIVEN),),
}
NAMES = tuple(_TESTS)
"""What a preset may be called."""


def preset_roles(name: str) -> tuple[str, ...]:
    """The roles of the preset's runs, in the order they are run. ConfigurationError for a name that is not known."""
    return tuple(test.role for test in _tests(name))


def preset_scenarios(name: str, scenario: Scenario) -> list[tuple[str, Scenario]]:
    """(role, scenario) of each run the preset asks for, in order; the role is also the suffix of the scenario's name.

    A preset of a single run gives the scenario back unchanged. ConfigurationError where the load cannot be scaled.
    """
    tests = _tests(name)
    if len(tests) == 1:
        return [(tests[0].role, scenario)]
    return [(test.role, _derived(name, scenario, test)) for test in tests]


def role_of(name: str, scenario_name: str) -> str | None:
    """The role a scenario's name ends in; None where it ends in none of this preset's."""
    roles = preset_roles(name)
    if len(roles) == 1:
        return roles[0]
    return next((role for role in roles if scenario_name == role or scenario_name.endswith(f"-{role}")), None)


def scaled(arrival: Arrival, factor: float) -> dict[str, Any]:
    """The keys of an `arrival:` mapping with every rate multiplied; ConfigurationError where it has no rates."""
    document = arrival.model_dump(mode="json", by_alias=True)

    def times(*keys: str) -> dict[str, Any]:
        return document | {key: round(document[key] * factor, _RESOLUTION) for key in keys}

    match arrival:
        case ConstantArrival() | PoissonArrival():
            return times("rate")
        case RampArrival():
            return times("from", "to")
        case BurstArrival():
            return times("base", "peak")
        case SineArrival():
            return times("mean", "amplitude")
        case TraceArrival():
            return times("scale")
        case StepsArrival():
            steps = [step | {"rate": round(step["rate"] * factor, _RESOLUTION)} for step in document["steps"]]
            return document | {"steps": steps}
        case _:
            raise ConfigurationError(
                "arrivals of this process have no rate that a preset could multiply",
                value=document.get("process"),
                remedy="use an arrival process with rates, such as constant",
            )


def _tests(name: str) -> tuple[_Test, ...]:
    if name not in _TESTS:
        raise ConfigurationError("no such preset", value=name, remedy=f"use one of {', '.join(NAMES)}")
    return _TESTS[name]


def _derived(preset: str, scenario: Scenario, test: _Test) -> Scenario:
    """Checked like any scenario, so a rate or a length out of bounds is refused with its key."""
    document = _document(scenario)
    document["name"] = f"{scenario.name[: LONGEST_NAME - len(test.role) - 1]}-{test.role}"
    document["arrival"] = scaled(scenario.arrival, test.factor)
    if test.repeats > 1:
        _repeat(document, scenario, test.repeats)
    if _in_flight_is_the_default(scenario):
        del document["load"]["in_flight"]  # it follows the rate
    return scenario_from_mapping(document, (), f"{test.role} test of preset {preset}")


def _repeat(document: dict[str, Any], scenario: Scenario, repeats: int) -> None:
    """Make the run `repeats` times as long; a course with a length of its own is gone through again."""
    duration_ns, arrival = scenario.phases.duration_ns, scenario.arrival
    if isinstance(arrival, StepsArrival):
        document["arrival"]["steps"] = _cut_steps(document["arrival"]["steps"], arrival, duration_ns) * repeats
    elif isinstance(arrival, TraceArrival):
        document["arrival"]["points"] = _repeated_points(arrival, duration_ns, repeats)
    else:
        document["phases"]["duration"] = format_duration(duration_ns * repeats)
        return
    del document["phases"]["duration"]


def _cut_steps(written: list[dict[str, Any]], arrival: StepsArrival, duration_ns: int) -> list[dict[str, Any]]:
    """The steps up to the end of the given run, which may cut them short."""
    kept = []
    left_ns = duration_ns
    for step, row in zip(arrival.steps, written, strict=True):
        if left_ns <= 0:
            break
        kept.append(row | {"duration": format_duration(min(step.duration_ns, left_ns))})
        left_ns -= step.duration_ns
    return kept


def _repeated_points(arrival: TraceArrival, duration_ns: int, repeats: int) -> list[list[float]]:
    length_s = duration_ns / NS_PER_S
    rows = [(second, rate) for second, rate in arrival.points[:-1] if second < length_s]
    again = [[again * length_s + second, rate] for again in range(repeats) for second, rate in rows]
    return [*again, [repeats * length_s, 0.0]]


def _in_flight_is_the_default(scenario: Scenario) -> bool:
    document = _document(scenario)
    del document["load"]["in_flight"]
    return scenario_from_mapping(document).load.in_flight == scenario.load.in_flight


def _document(scenario: Scenario) -> dict[str, Any]:
    """The scenario as a file would hold it."""
    document: Mapping[str, Any] = scenario.model_dump(mode="json", by_alias=True)
    return {key: value for key, value in document.items() if value is not None and value != []}
