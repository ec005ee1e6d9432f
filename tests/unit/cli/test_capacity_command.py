"""`capacity`: what flags become, and the interval in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.cli import capacity as command
from bench.cli.capacity import sentence
from bench.cli.main import app
from bench.model.errors import ExitCode, IntegrityError, NotComparableError
from bench.model.result import Capacity, Interval
from bench.run.coordinator import RunOutcome
from bench.run.search import Ask
from bench.scenario.loader import scenario_from_mapping
from bench.scenario.schema import Scenario
from tests.support.attempts import attempt
from tests.support.bundles import synthetic_bundle, synthetic_environment
from tests.support.scenario_bundle import MAPPING

S = 1_000_000_000
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the command would have run."""
    found: list[tuple[Any, ...]] = []

    def execute(*arguments: Any) -> RunOutcome:
        found.append(arguments)
        return RunOutcome([], ExitCode.UNDECIDED, ["sqlite: no luck"])

    monkeypatch.setattr(command, "_execute", execute)
    return found


def test_flags_alone_are_a_scenario(heard: list[tuple[Any, ...]], tmp_path: Path) -> None:
    words = ["capacity", "--adapter", "evm", "--endpoint", "http://127.0.0.1:8545", "--workload", "transfer"]
    done = CliRunner().invoke(app, [*words, "--slo-p99", "5s", "--budget", "8m", "--estimate", "--out", str(tmp_path)])
    assert done.exit_code == ExitCode.UNDECIDED
    assert "no luck" in done.stderr
    scenario: Scenario = heard[0][0]
    assert scenario.endpoint is not None
    assert scenario.endpoint.adapter == "evm"
    assert scenario.process.rate_at(0) == 100
    assert scenario.phases.warm_up_ns == 3 * S
    assert scenario.slo is not None
    assert scenario.slo.finality_p99_ns == 5 * S
    assert scenario.capacity is not None
    assert (scenario.capacity.budget_ns, scenario.capacity.estimate) == (480 * S, True)
    assert heard[0][1:4] == (tmp_path, None, None)


def test_flags_change_a_file_and_set_comes_last(heard: list[tuple[Any, ...]]) -> None:
    file = str(ROOT / "examples" / "capacity-anvil.yaml")
    words = ["--start", "777", "--resume", "earlier", "--seed", "9", "--batch", "4", "--workers", "2"]
    CliRunner().invoke(app, ["capacity", file, *words, "--budget", "9m", "--set", "capacity.budget=7m"])
    scenario: Scenario = heard[0][0]
    assert scenario.capacity is not None
    assert scenario.capacity.start == 777
    assert scenario.capacity.budget_ns == 420 * S
    assert not scenario.capacity.estimate
    assert scenario.process.rate_at(0) == 200, "the file's own"
    assert (scenario.seed, scenario.load.batch, scenario.load.workers) == (9, 4, 2)
    assert heard[0][3] == Path("earlier")


def test_what_is_resumed_must_be_whole_and_of_this_hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = synthetic_bundle(tmp_path / "earlier", trials=1, seconds=3)
    scenario = scenario_from_mapping(MAPPING)
    here = synthetic_environment()
    monkeypatch.setattr(command, "environment_here", lambda scenario, out: here)
    command.refuse_resume(scenario, bundle, tmp_path)
    here["memory_bytes"] = 64_000_000_000
    with pytest.raises(NotComparableError, match="other hardware: memory"):
        command.refuse_resume(scenario, bundle, tmp_path)
    result = bundle / "result.json"
    result.write_text(result.read_text().replace("smallbank", "smallbang"))
    with pytest.raises(IntegrityError, match="not whole"):
        command.refuse_resume(scenario, bundle, tmp_path)


def test_how_many_rates_had_their_chance_is_told() -> None:
    one = found(100, 110)
    rates = [attempt(Ask("confirm", rate, 0, S), True) for rate in (101.0, 101.0, 110.0)]
    assert command.tried_in_full(one.model_copy(update={"attempts": rates[:2]})) == "1 rate was tried at full length"
    several = command.tried_in_full(one.model_copy(update={"attempts": rates}))
    assert several == "2 rates were tried at full length, which is allowed for"


def found(low: float | None, high: float | None, *, estimate: bool = False) -> Capacity:
    return Capacity(
        low_per_s=low,
        high_per_s=high,
        confirmed_trials=0,
        goodput_per_s=Interval(median=None, trials=0),
        slo={},
        estimate=estimate,
        ended="budget",
        attempts=[attempt(Ask("probe", rate, 0, S), False) for rate in (50.0, 25.0)],
    )


@pytest.mark.parametrize(
    ("capacity", "words"),
    [
        (found(298.782, 308.4), "anvil sustains at least 298.8 and less than 308.4 operations/s."),
        (
            found(298.782, 308.4, estimate=True),
            "By an estimate, anvil sustains at least 298.8 and less than 308.4 operations/s.",
        ),
        (found(12_345.6, None), "anvil sustains at least 12,346 operations/s; how much more is not known."),
        (found(None, 25.0), "anvil sustained no load that was tried: even 25 operations/s failed."),
    ],
)
def test_the_interval_in_a_sentence(capacity: Capacity, words: str) -> None:
    assert sentence("anvil", capacity) == words
