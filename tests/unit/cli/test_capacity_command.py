"""`capacity`: what flags become, and the interval in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.cli import capacity as command
from bench.cli.capacity import sentence
from bench.cli.main import app
from bench.model.errors import ExitCode
from bench.model.result import Capacity, Interval
from bench.run.coordinator import RunOutcome
from bench.run.search import Ask
from bench.scenario.schema import Scenario
from tests.support.attempts import attempt

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
