"""`bench.py probe`: what a running node can do, and how it would be driven; no load and no transaction."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bench.cli.output import print_json, print_table
from bench.model.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from bench.scenario.schema import EndpointChoice

_EXAMPLE = """\b
Examples:
  bench.py probe --adapter evm --endpoint http://127.0.0.1:8545
  bench.py probe --adapter evm --endpoint http://127.0.0.1:8545 --set ws_url=ws://127.0.0.1:8546 --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("probe", epilog=_EXAMPLE)(probe)


def probe(
    adapter: Annotated[str, typer.Option("--adapter", metavar="NAME", help="Adapter that speaks to --endpoint.")],
    endpoint: Annotated[str, typer.Option("--endpoint", metavar="URL", help="A running node that is not ours.")],
    headers_file: Annotated[
        Path | None, typer.Option("--headers-file", metavar="FILE", help="Request headers, one `Name: value` per line.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the adapter.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a running node what it can do.

    Sends no transaction. The last rows say how the adapter would drive this node.
    """
    from bench import registry
    from bench.adapters.protocol import Probing
    from bench.run.external import external_endpoint

    choice = _checked(adapter, endpoint, headers_file, set_ or [])
    made = registry.adapter(adapter)
    if not isinstance(made, Probing):
        raise ConfigurationError(
            "this adapter cannot probe an endpoint", value=adapter, remedy="run a short load instead, at a low --rate"
        )
    made.open(external_endpoint(choice))
    try:
        found = made.probe()
    finally:
        made.close()
    if as_json:
        print_json([asdict(row) for row in found])
        return
    print_table(("WHAT", "FOUND", "REMARK"), [(row.what, row.value, row.remark) for row in found])


def _checked(adapter: str, endpoint: str, headers_file: Path | None, settings: list[str]) -> EndpointChoice:
    """The flags as a scenario's `endpoint`, so that they are checked alike."""
    from bench.cli.ledgers import parsed_options
    from bench.scenario.loader import scenario_from_mapping

    given: dict[str, JsonValue] = {"adapter": adapter, "url": endpoint, "options": cast(Any, parsed_options(settings))}
    if headers_file is not None:
        given["headers_file"] = str(headers_file)
    rest: dict[str, JsonValue] = {"arrival": {"process": "constant", "rate": 1}, "phases": {"duration": "1s"}}
    scenario = scenario_from_mapping(
        {"name": "probe", "endpoint": given, "workload": "transfer", **rest}, [], "the flags"
    )
    assert scenario.endpoint is not None
    return scenario.endpoint
