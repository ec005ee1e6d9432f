"""`bench.py sweep`: one scenario with some of its keys varied, every combination run, one table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import JsonWhenDone
from bench.cli.output import note, print_json, print_table, say
from bench.cli.progress import PlainProgress
from bench.cli.run import RESULTS, execute
from bench.model.errors import ExitCode

if TYPE_CHECKING:
    from bench.report.sweep_page import CellResult
    from bench.run.sweep import Expected, SweepState
    from bench.scenario.sweep import Cell

_EXAMPLE = "\b\nExample:\n  bench.py sweep examples/sweeps/transfer-rates.yaml --dry-run"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sweep", epilog=_EXAMPLE)(sweep)


def sweep(
    file: Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="What is varied; docs/sweeps.md explains it.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Directory in which a folder of the sweep's name is made.")
    ] = RESULTS,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="Key of a funded account, if the scenario has an endpoint."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the cells and their duration; run none.")] = False,
    as_json: JsonWhenDone = False,
) -> None:
    """Run every combination of a scenario's varied keys, and put them into one table.

    The same command goes on where it stopped: cells whose bundles are whole are not run again.
    """
    from bench.run.sweep import check_cells, expected, open_state, run_cells
    from bench.scenario.sweep import load_sweep

    loaded = load_sweep(file)
    check_cells(loaded.cells, key_file)
    state = open_state(out, loaded)
    if dry_run:
        left = [cell for cell in loaded.order() if not state.finished(cell)]
        _list(loaded.order(), left, expected(left), as_json)
        return
    code = run_cells(state, lambda scenario, place: execute(scenario, place, key_file), PlainProgress(note))
    _conclude(state, code, as_json)
    raise typer.Exit(code)


def results_of(state: SweepState) -> list[CellResult]:
    """Every cell in the order of the file, once per bundle; those without one say why."""
    from bench.bundle.reader import read_bundle
    from bench.report.sweep_page import CellResult

    found = []
    for cell in state.loaded.cells:
        done = state.done.get(cell.number)
        if done is None or not done.bundles:
            code, why = (done.exit_code, "; ".join(done.problems)) if done else (None, "")
            found.append(CellResult(cell.number, cell.settings, code, problem=why.splitlines()[0] if why else ""))
            continue
        for bundle in done.bundles:
            result = read_bundle(state.directory / bundle).result
            found.append(CellResult(cell.number, cell.settings, done.exit_code, result, bundle))
    return found


def _conclude(state: SweepState, code: ExitCode, as_json: bool) -> None:
    from bench.report.sweep_page import SWEEP_CSV, as_table, write_sweep

    cells = results_of(state)
    page = write_sweep(state.directory, state.loaded.sweep.name, cells)
    if as_json:
        print_json(
            {
                "exit_code": int(code),
                "directory": str(state.directory),
                "html": str(page),
                "csv": str(state.directory / SWEEP_CSV),
                "cells": [_as_data(cell) for cell in cells],
            }
        )
    else:
        headers, rows = as_table(cells)
        print_table(headers, rows)
        say(f"{page}")
    if code is ExitCode.INTERRUPTED:
        note("interrupted; the same command goes on with the cells that are left")


def _list(cells: Sequence[Cell], left: Sequence[Cell], time: Expected, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "cells": [{"cell": c.number, "settings": c.settings, "done": c not in left} for c in cells],
                "load_s": time.load_s,
                "most_s": time.most_s,
            }
        )
        return
    rows = [(str(at), str(cell.number), "" if cell in left else "done", cell.label) for at, cell in enumerate(cells, 1)]
    print_table(("ORDER", "CELL", "", "SETTINGS"), rows)
    say(
        f"{len(left)} of {len(cells)} cells to run: {_length(time.load_s)} of load, at most {_length(time.most_s)} "
        "with every drain waited for; starting ledgers comes on top"
    )


def _as_data(cell: CellResult) -> dict[str, object]:
    result = cell.result
    return {
        "cell": cell.cell,
        "settings": dict(cell.settings),
        "exit_code": cell.exit_code,
        "bundle": cell.bundle or None,
        "problem": cell.problem or None,
        "ledger": result.ledger.name if result else None,
        "summary": result.summary.model_dump(mode="json") if result else None,
    }


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
