"""`bench.py plugins`: what is installed, and where it comes from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bench.cli.output import print_json, print_table

_EXAMPLE = "\b\nExample:\n  bench.py plugins --json"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plugins", epilog=_EXAMPLE)(plugins)


def plugins(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List plug-ins and the package of each."""
    from bench import registry

    found = registry.plugins()
    if as_json:
        print_json([asdict(plugin) for plugin in found])
        return
    print_table(
        ("KIND", "NAME", "PACKAGE", "VERSION", "REFERENCE"),
        [(p.group[:-1], p.name, p.distribution, p.version, p.reference) for p in found],
    )
