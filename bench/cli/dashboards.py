"""`bench.py dashboards push|check|annotate`: Grafana's dashboards for these benchmarks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import note, print_json, print_table, say
from bench.model.errors import ExitCode
from bench.telemetry.dashboards import DEFAULT_TITLE
from bench.telemetry.grafana import DEFAULT_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.telemetry.dashboards import Finding
    from bench.telemetry.grafana import Grafana

_PUSH = "\b\nExample:\n  bench.py dashboards push --url http://127.0.0.1:3000 --prometheus http://127.0.0.1:9090"
_CHECK = "\b\nExample:\n  bench.py dashboards check --url http://127.0.0.1:3000"
_ANNOTATE = "\b\nExample:\n  bench.py dashboards annotate results/20260314-091500-transfer-anvil-1a2b3c"

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[
    str, typer.Option("--url", metavar="URL", envvar="BENCH_GRAFANA_URL", help="Grafana's address.", show_envvar=True)
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Grafana dashboards. The token comes from BENCH_GRAFANA_TOKEN, or from the keyring where there is one.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("push", epilog=_PUSH)(push)
    group.command("check", epilog=_CHECK)(check)
    group.command("annotate", epilog=_ANNOTATE)(annotate)
    app.add_typer(group, name="dashboards")


def push(
    url: Url = DEFAULT_URL,
    folder: Annotated[
        str, typer.Option("--folder", metavar="NAME", help="Folder in Grafana, made when it is not there.")
    ] = DEFAULT_TITLE,
    prometheus: Annotated[
        str | None,
        typer.Option(
            "--prometheus",
            metavar="URL",
            help="Make or correct the data source, too: Prometheus' address as Grafana reaches it.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring the dashboards into a Grafana.

    Only what differs is written, so doing it again changes nothing.
    """
    from bench.telemetry.dashboards import committed
    from bench.telemetry.dashboards import push as bring

    with _connected(url) as grafana:
        _show(bring(grafana, folder, committed(), prometheus), as_json)


def check(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Say of each dashboard whether Grafana has it as it is here, and whether its data source works.

    Ends with code 4 when something differs, is missing or does not work, with 8 when the token may not look.
    """
    from bench.telemetry.dashboards import State, committed
    from bench.telemetry.dashboards import check as look

    with _connected(url) as grafana:
        found = look(grafana, committed())
    _show(found, as_json)
    states = {finding.state for finding in found}
    if states & {State.DIFFERS, State.MISSING, State.UNHEALTHY}:
        note("  remedy: bench.py dashboards push, with --prometheus for the data source")
        raise typer.Exit(ExitCode.GATE_FAILED)
    if State.UNKNOWN in states:
        raise typer.Exit(ExitCode.UNDECIDED)


def annotate(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Directories of runs.")],
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Mark the phases, faults and failures of runs on the dashboards' time axis.

    Marks that are there already are not added again.
    """
    from bench.bundle.reader import read_bundle
    from bench.telemetry.annotations import push_regions, regions

    wanted = [region for bundle in bundles for region in regions(read_bundle(bundle))]
    with _connected(url) as grafana:
        added = push_regions(grafana, wanted)
    if as_json:
        print_json({"regions": len(wanted), "added": added})
    else:
        say(f"{added} marks added, {len(wanted) - added} were there")


def _connected(url: str) -> Grafana:
    from bench.telemetry.grafana import Grafana, find_token, sends_openly

    if sends_openly(url):
        note(f"warning: {url} is not https: the token crosses the network readable by others")
    return Grafana(url, find_token(url))


def _show(found: Sequence[Finding], as_json: bool) -> None:
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        print_table(
            ("WHAT", "NAME", "STATE", "DETAIL"),
            [(finding.kind, finding.name, finding.state.value, finding.detail) for finding in found],
        )
