"""`bench.py environment`: the machine as a bundle describes it, or in what two descriptions differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.output import print_json, print_table, say
from bench.model.errors import ConfigurationError

if TYPE_CHECKING:
    from bench.bundle.environment_difference import Difference

WATCH_S = 0.5
_EXAMPLE = """\b
Examples:
  bench.py environment                     this machine
  bench.py environment results/run-a       what a run ran on
  bench.py environment results/run-a results/run-b
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("environment", epilog=_EXAMPLE)(environment)


def environment(
    bundles: Annotated[
        list[Path] | None, typer.Argument(metavar="[BUNDLE [BUNDLE]]", help="One to show, or two to compare.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a run ran on, or in what two runs' machines differ. Without a bundle: this machine."""
    from bench.bundle.environment_difference import difference

    paths = bundles or []
    if len(paths) > 2:
        raise ConfigurationError("more than two bundles", value=len(paths), remedy="give one or two")
    described = [_environment_of(path) for path in paths] or [_here()]
    if len(described) == 1:
        _show(described[0], as_json)
        return
    found = difference(described[0], described[1])
    if as_json:
        print_json([one._asdict() for one in found])
    else:
        say_differences(found, paths[0].name, paths[1].name, say)


def say_differences(found: Sequence[Difference], left: str, right: str, write: Callable[[str], None]) -> None:
    """A line per difference, or that there is none."""
    if not found:
        write(f"environment: no difference between {left} and {right}")
    for one in found:
        write(f"{'!' if one.matters else ' '} {one.key}: {one.left} ({left}), {one.right} ({right})")
    if any(one.matters for one in found):
        write("  ! may show in the figures")


def _environment_of(bundle: Path) -> dict[str, Any]:
    from bench.bundle.reader import read_bundle

    return read_bundle(bundle).environment


def _here() -> dict[str, Any]:
    from bench.bundle.environment import collect_environment

    return collect_environment(Path(), watch_s=WATCH_S).to_json()


def _show(described: dict[str, Any], as_json: bool) -> None:
    from bench.bundle.environment_difference import flat, shown

    if as_json:
        print_json(described)
    else:
        print_table(("KEY", "VALUE"), [(key, shown(key, value)) for key, value in flat(described).items()])
