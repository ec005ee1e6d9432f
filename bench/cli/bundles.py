"""`bench.py verify|report|compare`: everything that starts from bundles on disk and needs no ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import note, print_json, say
from bench.cli.preset import Preset, only_bundle, report_preset
from bench.model.errors import ExitCode

if TYPE_CHECKING:
    from bench.report.build import Comparison

_VERIFY = "\b\nExample:\n  bench.py verify results/20260314-091500-transfer-anvil-1a2b3c"
_REPORT = """\b
Examples:
  bench.py report results/20260314-091500-transfer-anvil-1a2b3c
  bench.py report results/20260314-091500-transfer-anvil-1a2b3c --preset pswg
"""
_COMPARE = "\b\nExample:\n  bench.py compare results/*-smallbank-* --out results/comparison"

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Directory of one run.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("report", epilog=_REPORT)(report)
    app.command("compare", epilog=_COMPARE)(compare)
    app.command("verify", epilog=_VERIFY)(verify)


def verify(bundle: Bundle, as_json: Json = False) -> None:
    """Check a bundle against its manifest and its rows.

    Ends with code 6 when a file changed since the bundle was closed, or a figure does not follow from the rows.
    """
    from bench.bundle.verify import verify as find_problems

    problems = find_problems(bundle)
    if as_json:
        found = [{"file": problem.file, "what": problem.what} for problem in problems]
        print_json({"bundle": str(bundle), "whole": not problems, "problems": found})
    elif not problems:
        say(f"{bundle}: whole; every file is as it was when the bundle was closed")
    for problem in problems:
        note(f"error: {problem}")
    if problems:
        note("  remedy: do not use this bundle; take it again from where it came from, or repeat the run")
        raise typer.Exit(ExitCode.INTEGRITY)


def report(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Directory of one run.")],
    preset: Annotated[
        Preset | None,
        typer.Option(
            "--preset", help="Write the page of this source's metrics instead; of several runs if it asks so."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.html|DIR", help="Where that page goes. Default: beside the first bundle."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a bundle's report again, from its files; or the page of a published source's metrics.

    With --preset it ends with code 4 when a threshold of the source is missed, with 8 when one is undecided.
    """
    if preset is not None:
        raise typer.Exit(report_preset(preset, bundles, out, as_json))
    from bench.report.build import write_report

    bundle = only_bundle(bundles, out)
    page = write_report(bundle)
    if as_json:
        print_json({"html": str(page), "markdown": str(page.with_suffix(".md"))})
    else:
        say(str(page))


def compare(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Directories of two or more runs.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the page goes. Default: beside the first bundle."),
    ] = None,
    across_classes: Annotated[
        bool, typer.Option("--across-classes", help="Name a winner although the ledgers promise different things.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put runs side by side, with intervals.

    Ends with code 7 when the runs are not comparable, with 8 when no difference is decided.
    """
    from bench.report.build import write_comparison

    comparison = write_comparison(bundles, out or beside(bundles[0]), across_classes=across_classes)
    if as_json:
        print_json(as_data(comparison))
    else:
        for verdict in comparison.verdicts:
            say(verdict.text)
        say(str(comparison.html_path))
    if not comparison.decided:
        raise typer.Exit(ExitCode.UNDECIDED)


def beside(bundle: Path) -> Path:
    """A new directory for a comparison, next to a bundle."""
    from bench.model.clock import utc_now

    return bundle.resolve().parent / f"{utc_now():%Y%m%d-%H%M%S}-comparison"


def as_data(comparison: Comparison) -> dict[str, object]:
    """What `--json` prints of a comparison."""
    return {
        "html": str(comparison.html_path),
        "markdown": str(comparison.markdown_path),
        "decided": comparison.decided,
        "classes": [
            {
                "name": one.name,
                "members": list(one.members),
                "promises": {promise.name: promise.words for promise in one.promises},
                "note": one.note,
            }
            for one in comparison.classes
        ],
        "not_comparable": [
            {
                "first": list(barrier.first.members),
                "second": list(barrier.second.members),
                "reasons": list(barrier.reasons),
            }
            for barrier in comparison.barriers
        ],
        "verdicts": [
            {
                "workload": verdict.workload,
                "metric": verdict.metric.name,
                "first": verdict.first,
                "second": verdict.second,
                "decided": verdict.decided,
                "finding": verdict.finding,
                "difference": verdict.difference,
                "ci_low": verdict.ci_low,
                "ci_high": verdict.ci_high,
            }
            for verdict in comparison.verdicts
        ],
    }
