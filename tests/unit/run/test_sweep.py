"""A sweep goes on where it stopped, and never mixes runs of two different sweeps. No ledger is started here."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.model.errors import ConfigurationError, ExitCode, LedgerError
from bench.run.coordinator import RunOutcome
from bench.run.sweep import check_cells, expected, open_state, run_cells
from bench.scenario.schema import Scenario
from bench.scenario.sweep import LoadedSweep, load_sweep
from tests.support.bundles import synthetic_bundle


@dataclass
class Heard:
    steps: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)

    def warn(self, text: str) -> None:
        self.steps.append(f"warning: {text}")

    def live(self, view: object) -> None:
        raise AssertionError(view)


@dataclass
class Runner:
    """Stands for a run: leaves a small bundle, or ends as it is told for a rate."""

    ends: dict[float, ExitCode | Exception] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)

    def __call__(self, scenario: Scenario, place: Path) -> RunOutcome:
        rate: float = scenario.arrival.rate  # type: ignore[union-attr]
        self.rates.append(rate)
        end = self.ends.get(rate, ExitCode.DONE)
        if isinstance(end, Exception):
            raise end
        number = len(list(place.glob("*"))) + 1
        bundle = synthetic_bundle(place / f"run-{number}", workload="transfer", trials=1, seconds=2)
        return RunOutcome([bundle], end, [])


def write(folder: Path, **changes: Any) -> LoadedSweep:
    scenario = {
        "name": "base",
        "ledgers": ["sqlite"],
        "workload": "transfer",
        "arrival": {"process": "constant", "rate": 1},
        "phases": {"duration": "4s", "drain": "6s"},
        "trials": 5,
    }
    sweep = {"name": "s", "scenario": scenario, "vary": {"arrival.rate": [100, 200, 300]}, **changes}
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(sweep, sort_keys=False))
    return load_sweep(path)


def test_cells_run_in_the_drawn_order_and_leave_their_bundles_in_the_state(tmp_path: Path) -> None:
    loaded = write(tmp_path)
    runner = Runner()
    assert run_cells(open_state(tmp_path, loaded), runner, Heard()) is ExitCode.DONE
    assert runner.rates == [cell.scenario.arrival.rate for cell in loaded.order()]  # type: ignore[union-attr]
    state = json.loads((tmp_path / "s" / "sweep.json").read_text())
    assert [(cell["cell"], cell["settings"]) for cell in state["cells"]] == [
        (1, {"arrival.rate": 100}),
        (2, {"arrival.rate": 200}),
        (3, {"arrival.rate": 300}),
    ]
    assert all((tmp_path / "s" / bundle).is_dir() for cell in state["cells"] for bundle in cell["bundles"])
    assert state["sweep_sha256"] == loaded.sha256


def test_an_interrupt_ends_it_and_the_same_command_goes_on(tmp_path: Path) -> None:
    loaded = write(tmp_path)
    order = [cell.scenario.arrival.rate for cell in loaded.order()]  # type: ignore[union-attr]
    first = Runner({order[1]: ExitCode.INTERRUPTED})
    assert run_cells(open_state(tmp_path, loaded), first, Heard()) is ExitCode.INTERRUPTED
    assert first.rates == order[:2]
    partial(tmp_path / "s", loaded.order()[1].number)
    second, heard = Runner(), Heard()
    assert run_cells(open_state(tmp_path, loaded), second, heard) is ExitCode.DONE
    assert second.rates == order[1:]
    assert heard.steps[0].endswith("done already")


def partial(directory: Path, number: int) -> None:
    """Mark the cell's bundle as an interrupted run does."""
    from bench.bundle.manifest import seal

    (result,) = (directory / f"cell-{number:03d}").glob("*/result.json")
    result.write_text(json.dumps({**json.loads(result.read_text()), "partial": True}))
    seal(result.parent)


def test_what_is_not_whole_any_more_is_run_again(tmp_path: Path) -> None:
    loaded = write(tmp_path)
    run_cells(open_state(tmp_path, loaded), Runner(), Heard())
    shutil.rmtree(tmp_path / "s" / "cell-002")
    (rows,) = (tmp_path / "s" / "cell-003").glob("*/transactions.parquet")
    rows.write_bytes(rows.read_bytes()[:-1] + b"x")
    again = Runner()
    run_cells(open_state(tmp_path, loaded), again, Heard())
    assert sorted(again.rates) == [200, 300]


def test_an_invalid_measurement_is_a_result_and_not_repeated(tmp_path: Path) -> None:
    loaded = write(tmp_path)
    assert run_cells(open_state(tmp_path, loaded), Runner({200: ExitCode.INVALID}), Heard()) is ExitCode.INVALID
    again = Runner()
    assert run_cells(open_state(tmp_path, loaded), again, Heard()) is ExitCode.INVALID
    assert again.rates == []


def test_a_cell_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    loaded = write(tmp_path)
    runner, heard = Runner({200: LedgerError("it died", remedy="look")}), Heard()
    state = open_state(tmp_path, loaded)
    assert run_cells(state, runner, heard) is ExitCode.LEDGER_FAILED
    assert sorted(runner.rates) == [100, 200, 300]
    assert state.done[2].problems == ("it died\n  remedy: look",)
    assert any("warning: " in step and "it died" in step for step in heard.steps)
    assert not state.finished(loaded.cells[1])


def test_another_sweep_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    run_cells(open_state(tmp_path, write(tmp_path)), Runner(), Heard())
    with pytest.raises(ConfigurationError, match="changed since it was begun"):
        open_state(tmp_path, write(tmp_path, seed=9))
    (tmp_path / "s" / "sweep.json").write_text("{")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_state(tmp_path, write(tmp_path))


def test_cells_that_cannot_be_run_are_all_named_before_any_is(tmp_path: Path) -> None:
    loaded = write(tmp_path, vary={"workload": ["transfer", "smallbank", "nothing"], "ledger": ["simulated", "sqlte"]})
    with pytest.raises(ConfigurationError) as caught:
        check_cells(loaded.cells, None)
    text = str(caught.value)
    assert "5 of 6 cells cannot be run" in text
    assert "(workload=smallbank, ledger=simulated): workload smallbank cannot be expressed on simulated" in text
    assert "did you mean 'sqlite'" in text


def test_how_long_it_takes(tmp_path: Path) -> None:
    found = expected(write(tmp_path).cells)
    assert (found.load_s, found.most_s) == (3 * 5 * 4, 3 * 5 * 10)
    scenario = {**yaml.safe_load((tmp_path / "sweep.yaml").read_text())["scenario"], "stopping": {"width": "5%"}}
    open_ended = expected(write(tmp_path, scenario=scenario).cells)
    assert (open_ended.load_s, open_ended.most_s) == (3 * 5 * 4, 3 * 30 * 10)
