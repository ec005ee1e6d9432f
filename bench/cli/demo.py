"""`bench.py demo`: the first run. Two real candidates, two workloads, one page that compares them."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.bundles import as_data, beside
from bench.cli.options import JsonWhenDone
from bench.cli.output import note, print_json, say
from bench.cli.run import RESULTS, Flags, chosen_scenario, execute, read_result, show
from bench.model.errors import ExitCode, worst

LEDGERS = ("anvil", "sqlite")
WORKLOADS = ("smallbank", "transfer")
_EXAMPLE = "\b\nExample:\n  bench.py demo --trials 5"
_DECIDING_TRIALS = 5
_NOTHING_TO_COMPARE = (ExitCode.INTERRUPTED, ExitCode.INTERNAL, ExitCode.LEDGER_FAILED)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", epilog=_EXAMPLE)(demo)


def demo(
    trials: Annotated[int, typer.Option("--trials", metavar="N", help="Repeats of each; 5 decide more.")] = 2,
    rate: Annotated[float, typer.Option("--rate", metavar="N", help="Arrivals per second.")] = 200.0,
    duration: Annotated[str, typer.Option("--duration", metavar="TIME", help="Length of each trial's load.")] = "10s",
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Directory in which bundles and page are made.")
    ] = RESULTS,
    show_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page, if there is a desktop.")] = True,
    as_json: JsonWhenDone = False,
) -> None:
    """Compare two real candidates under the same load.

    An EVM development node and an embedded database, two workloads each; about two minutes.
    """
    from bench import registry

    for name in LEDGERS:
        registry.ledger(name).install(note)
    bundles: list[Path] = []
    codes: list[ExitCode] = []
    for workload in WORKLOADS:
        flags = Flags(ledgers=LEDGERS, workload=workload, rate=rate, duration=duration, trials=trials)
        outcome = execute(chosen_scenario(None, flags, [f"name=demo-{workload}"]), out)
        for problem in outcome.problems:
            note(f"error: {problem}")
        bundles += outcome.bundles
        codes.append(outcome.exit_code)
        if outcome.exit_code in _NOTHING_TO_COMPARE:
            note(f"no comparison; what was measured is in {', '.join(map(str, bundles))}")
            raise typer.Exit(worst(codes))
    _conclude(bundles, trials, show_page, as_json)
    raise typer.Exit(worst(codes))


def has_desktop(environment: Callable[[str], str | None] = os.environ.get) -> bool:
    """True where a browser window could appear."""
    return sys.platform == "darwin" or bool(environment("DISPLAY") or environment("WAYLAND_DISPLAY"))


def _conclude(bundles: list[Path], trials: int, show_page: bool, as_json: bool) -> None:
    from bench.report.build import write_comparison

    comparison = write_comparison(bundles, beside(bundles[0]))
    if as_json:
        print_json({"bundles": [str(bundle) for bundle in bundles], "comparison": as_data(comparison)})
    else:
        for bundle in bundles:
            show(bundle, read_result(bundle))
        for verdict in comparison.verdicts:
            say(verdict.text)
        if trials < _DECIDING_TRIALS:
            say(f"{trials} trials show, but decide nothing; `make demo TRIALS=5` gives intervals")
        say(f"comparison: {comparison.html_path}")
    if show_page and has_desktop():
        webbrowser.open(comparison.html_path.as_uri())
