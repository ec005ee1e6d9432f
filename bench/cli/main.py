"""The command line's table of contents. Each command's own module does the work, and imports what it needs for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import (
    bundles,
    calibrate,
    capacity,
    dashboards,
    demo,
    doctor,
    environment,
    ledgers,
    plugins,
    probe,
    reproduce,
    run,
    sweep,
    watch,
    worker,
)
from bench.cli.fault import run_to_exit_code
from bench.cli.output import say
from bench.model.version import __version__

EXAMPLES = """
\b
First steps:
  bench.py demo                        two real candidates under the same load, compared
  bench.py doctor                      is this machine ready?
  bench.py run examples/transfer.yaml  one scenario

Exit codes: 0 done, 1 internal fault, 2 usage, 3 run invalid, 4 gate failed, 5 ledger failed, 6 integrity,
7 not comparable, 8 undecided, 130 interrupted. See docs/cli.md.
"""

app = typer.Typer(
    help="Blockchain performance benchmarking: realistic load, honest numbers, comparisons somebody can sign.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"ledger-bench {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    del version


for module in (
    demo,
    run,
    watch,
    capacity,
    calibrate,
    sweep,
    bundles,
    reproduce,
    environment,
    ledgers,
    probe,
    dashboards,
    plugins,
    doctor,
    worker,
):
    module.register(app)


def main() -> None:
    """Run the command that `sys.argv` names and exit with its code."""
    name = "bench.py" if Path(sys.argv[0]).name == "bench.py" else "bench"
    sys.exit(run_to_exit_code(lambda: app(prog_name=name)))
