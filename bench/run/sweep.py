"""Runs the cells of a sweep one after the other, and remembers what is done, so that it can go on where it stopped.

The state is one file, replaced as a whole after each cell. A cell is done when its bundles are there, whole and not cut
short; a measurement that turned out invalid is a result too, and is not repeated until it fits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import registry
from bench.bundle.files import write_whole
from bench.bundle.reader import read_bundle
from bench.bundle.verify import verify
from bench.model.errors import BenchError, ConfigurationError, ExitCode, worst
from bench.run.coordinator import RunOutcome
from bench.run.events import RunListener
from bench.run.targets import check_targets, parameters_of
from bench.scenario.schema import Scenario
from bench.scenario.sweep import Cell, LoadedSweep

STATE = "sweep.json"
_SCHEMA = 1
RunCell = Callable[[Scenario, Path], RunOutcome]
"""Runs one scenario with its bundles below a directory."""


@dataclass(frozen=True, slots=True)
class CellDone:
    """What a cell left behind. `bundles` are relative to the sweep's directory."""

    exit_code: int
    bundles: tuple[str, ...]
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class SweepState:
    """`sweep.json`: which cells are done, by number."""

    directory: Path
    loaded: LoadedSweep
    done: dict[int, CellDone] = field(default_factory=dict)

    def finished(self, cell: Cell) -> bool:
        """Whether the cell's bundles are all there, whole and not cut short."""
        found = self.done.get(cell.number)
        return found is not None and bool(found.bundles) and all(_whole(self.directory / one) for one in found.bundles)

    def note(self, cell: Cell, outcome: RunOutcome) -> None:
        """Remember how a cell ended, on disk before anything else is started."""
        bundles = tuple(str(path.resolve().relative_to(self.directory.resolve())) for path in outcome.bundles)
        self.done[cell.number] = CellDone(int(outcome.exit_code), bundles, tuple(outcome.problems))
        self.save()

    def save(self) -> None:
        """Replace the file."""
        write_whole(self.directory / STATE, (json.dumps(self._as_data(), indent=1) + "\n").encode())

    def _as_data(self) -> dict[str, Any]:
        return {
            "schema": _SCHEMA,
            "name": self.loaded.sweep.name,
            "sweep_sha256": self.loaded.sha256,
            "cells": [
                {
                    "cell": cell.number,
                    "settings": cell.settings,
                    "exit_code": found.exit_code,
                    "bundles": list(found.bundles),
                    "problems": list(found.problems),
                }
                for cell in self.loaded.cells
                if (found := self.done.get(cell.number)) is not None
            ],
        }


@dataclass(frozen=True, slots=True)
class Expected:
    """How long cells take: `load_s` for sending alone, `most_s` with every drain to its end and every stopping rule to
    its cap. Starting ledgers comes on top.
    """

    load_s: float
    most_s: float


def check_cells(cells: Sequence[Cell], key_file: Path | None) -> None:
    """Whether each cell's workload, ledgers and adapters exist and fit. One ConfigurationError with all that do not."""
    found = dict[str, None]()
    for cell in cells:
        try:
            workload = registry.workload(cell.scenario.workload.name)
            parameters_of(cell.scenario, workload)
            check_targets(cell.scenario, workload, key_file)
        except BenchError as error:
            remedy = f"; {error.remedy}" if error.remedy else ""
            value = "" if error.value is None else f" (got {error.value!r})"
            found[f"cell {cell.number} ({cell.label}): {error.what}{value}{remedy}"] = None
    if found:
        listed = "".join(f"\n  {line}" for line in found)
        raise ConfigurationError(f"{len(found)} of {len(cells)} cells cannot be run:{listed}", remedy="see above")


def open_state(out: Path, loaded: LoadedSweep) -> SweepState:
    """The state below `out`, new or taken up again. ConfigurationError when another sweep lies there."""
    directory = out / loaded.sweep.name
    state = SweepState(directory, loaded)
    path = directory / STATE
    if path.exists():
        data = _read(path)
        if data.get("schema") != _SCHEMA or data.get("sweep_sha256") != loaded.sha256:
            raise ConfigurationError(
                "the sweep changed since it was begun, so its runs do not belong together",
                value=str(directory),
                remedy="give the sweep another name or another --out; or undo the change to go on",
            )
        state.done = {
            cell["cell"]: CellDone(cell["exit_code"], tuple(cell["bundles"]), tuple(cell.get("problems", ())))
            for cell in data["cells"]
        }
    return state


def expected(cells: Sequence[Cell]) -> Expected:
    """From the scenarios alone."""
    load_s = most_s = 0.0
    for scenario in (cell.scenario for cell in cells):
        targets = max(1, len(scenario.ledgers))
        load_s += targets * scenario.trials * scenario.phases.duration_ns / 1e9
        most_s += targets * scenario.most_trials * (scenario.phases.duration_ns + scenario.phases.drain_ns) / 1e9
    return Expected(load_s, most_s)


def run_cells(state: SweepState, run_cell: RunCell, listener: RunListener) -> ExitCode:
    """Run what is not finished, in the sweep's order. An interrupt ends it after the cell's bundles are closed."""
    cells = state.loaded.order()
    try:
        state.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"results cannot be written: {error.strerror}", value=str(state.directory), remedy="give another --out"
        ) from error
    state.save()
    for at, cell in enumerate(cells, start=1):
        head = f"cell {at} of {len(cells)} ({cell.label})"
        if state.finished(cell):
            listener.step(f"{head}: done already")
            continue
        listener.step(head)
        try:
            outcome = run_cell(cell.scenario, state.directory / f"cell-{cell.number:03d}")
        except BenchError as error:  # this cell cannot be run; the others can
            outcome = RunOutcome([], error.exit_code, [str(error)])
        state.note(cell, outcome)
        for problem in outcome.problems:
            listener.warn(f"{head}: {problem}")
        if outcome.exit_code is ExitCode.INTERRUPTED:
            break
    return worst([ExitCode(found.exit_code) for found in state.done.values()])


def _whole(bundle: Path) -> bool:
    try:
        return not verify(bundle) and not read_bundle(bundle).result.partial
    except BenchError:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{STATE} cannot be read: {error}", value=str(path.parent), remedy="restore it, or give another --out"
        ) from error
    return data if isinstance(data, dict) else {}
