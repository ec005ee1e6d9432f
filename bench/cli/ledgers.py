"""`bench.py ledgers …`: real nodes on this machine, apart from any run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import note, print_json, print_table, say
from bench.model.errors import BenchError, ConfigurationError, worst
from bench.model.ledger import SERVANT_ROLES, Network

if TYPE_CHECKING:
    from bench.ledgers.state import RunningLedger

_LIST = "\b\nExample:\n  bench.py ledgers list --json"
_INSTALL = "\b\nExample:\n  bench.py ledgers install anvil postgres"
_UP = "\b\nExample:\n  bench.py ledgers up anvil --option block_time_s=2"
_DOWN = "\b\nExample:\n  bench.py ledgers down anvil"
_STATUS = "\b\nExample:\n  bench.py ledgers status --json"

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A ledger that `ledgers list` shows.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Real nodes on this machine.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list", epilog=_LIST)(list_)
    group.command("install", epilog=_INSTALL)(install)
    group.command("up", epilog=_UP)(up)
    group.command("down", epilog=_DOWN)(down)
    group.command("status", epilog=_STATUS)(status)
    app.add_typer(group, name="ledgers")


def list_(as_json: Json = False) -> None:
    """List ledgers, and whether each is installed."""
    from bench import registry

    found = [registry.ledger(name) for name in registry.names("ledgers")]
    if as_json:
        print_json([asdict(ledger.info) | {"installed": _path(ledger.installed())} for ledger in found])
        return
    rows = []
    for ledger in found:
        info = ledger.info
        state = "yes" if ledger.installed() else f"no: {info.download}"
        rows.append((info.name, info.family, info.version, str(info.nodes), info.finality.name, state, info.summary))
    print_table(("NAME", "FAMILY", "VERSION", "NODES", "FINALITY", "INSTALLED", "SUMMARY"), rows)


def install(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Ledgers that `ledgers list` shows.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch or build the programs of ledgers, check them, keep them.

    They come by package client in pinned versions; once kept, no network is needed. What fails does not stop the
    others; what was cut short goes on where it was when the command is repeated.
    """
    from bench import registry

    if every == bool(names):
        raise ConfigurationError(
            "which ledgers?", remedy="name some that `bench.py ledgers list` shows, or give --all and no name"
        )
    chosen = {name: registry.ledger(name) for name in (names or registry.names("ledgers"))}
    missing = {name: ledger for name, ledger in chosen.items() if ledger.installed() is None}
    for name, ledger in missing.items():
        note(f"{name} is to be installed: {ledger.info.download}")
    failures: dict[str, BenchError] = {}
    programs: dict[str, str | None] = {}
    for name, ledger in chosen.items():
        try:
            programs[name] = str(ledger.install(note))
        except BenchError as error:
            programs[name], failures[name] = None, error
            note(f"{name} could not be installed: {error}")
    if as_json:
        print_json(programs)
    else:
        for name, program in programs.items():
            say(f"{name}: {program or 'not installed'}")
    if failures:
        raise typer.Exit(worst([error.exit_code for error in failures.values()]))


def up(
    name: Name,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="An option of the ledger, as in `ledger.options`."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start a fresh ledger that stays until `down`."""
    from bench import registry
    from bench.ledgers import state

    left = state.leave_running(registry.ledger(name), parsed_options(option or []), note)
    if as_json:
        print_json(_shown(left))
        return
    say(f"{name} is up at {left.network.endpoint}")
    say(f"  use it: {_use(left, registry.workload('transfer').families)}")
    say(f"  end it: bench.py ledgers down {name}")


def _use(left: RunningLedger, transfer_on: Collection[str]) -> str:
    """A command that measures this very network: what its adapter must know of it comes along."""
    network = left.network
    parts = ["bench.py", "run", "--adapter", network.adapter, "--endpoint", network.endpoint]
    parts += [] if left.key_file is None else ["--key-file", str(left.key_file)]
    for key, value in network.adapter_options.items():
        parts += ["--set", f"endpoint.options.{key}={value if isinstance(value, str) else json.dumps(value)}"]
    parts += [word for key, value in _class_of(network).items() for word in ("--set", f"endpoint.ledger.{key}={value}")]
    workload = "transfer" if network.family in transfer_on else "notary"
    return shlex.join([*parts, "--workload", workload, "--rate", "100", "--duration", "20s"])


def _class_of(network: Network) -> dict[str, object]:
    """What a run on it as an endpoint must declare, so that its pages name and class it as those of a managed run."""
    declared = network.ledger_class
    given = {
        "name": network.ledger,
        "nodes": sum(node.role not in SERVANT_ROLES for node in network.nodes),
        "fault_model": declared.fault_model.value,
        "tolerated_faults": declared.tolerated_faults,
        "durability": declared.durability.value,
        "crypto": declared.crypto.value,
        "operators": declared.operators,
        "remarks": declared.remarks,
        "finality": network.finality.name,
    }
    return {key: json.dumps(value) for key, value in given.items() if value != ""}


def down(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Ledgers to stop; none given: all of them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Stop ledgers that `up` left running.

    Nothing to stop is no error.
    """
    from bench import registry
    from bench.ledgers import state

    wanted = names or [*(left.network.ledger for left in state.left_running()), *state.unreadable()]
    ended = {name: state.end(registry.ledger(name)) for name in wanted}
    if as_json:
        print_json(ended)
        return
    for name, was_up in ended.items():
        say(f"{name}: {'stopped' if was_up else 'was not up'}")
    if not ended:
        say("no ledger is up")


def status(as_json: Json = False) -> None:
    """Show ledgers that `up` left running."""
    from bench.ledgers import state

    found = state.left_running()
    for name in state.unreadable():
        note(f"warning: {name}: its record cannot be read; `bench.py ledgers down {name}` ends what runs of it")
    if as_json:
        print_json([_shown(left) for left in found])
        return
    if not found:
        say("no ledger is up")
        return
    print_table(
        ("LEDGER", "STATE", "NODE", "ROLE", "ADDRESS", "PID", "SINCE"),
        [
            (
                left.network.ledger,
                "running" if process is None or process.running() else "ended",
                node.name,
                node.role,
                node.address,
                "" if process is None else str(process.pid),
                left.started_at,
            )
            for left in found
            for node, process in left.by_node()
        ],
    )
    for left in found:
        say(f"{left.network.ledger}: endpoint {left.network.endpoint}")


def parsed_options(given: list[str]) -> dict[str, object]:
    """KEY=VALUE pairs as a scenario's `ledger.options` would hold them. Raises ConfigurationError."""
    from bench.scenario.document import parse_value

    options: dict[str, object] = {}
    for pair in given:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise ConfigurationError("--option is not KEY=VALUE", value=pair, remedy="for example block_time_s=2")
        options[key] = parse_value(text)
    return options


def _path(path: object) -> str | None:
    return None if path is None else str(path)


def _shown(left: RunningLedger) -> dict[str, object]:
    """What may be printed: everything but secrets."""
    return {
        "name": left.network.ledger,
        "running": left.running(),
        "endpoint": left.network.endpoint,
        "adapter": left.network.adapter,
        "version": left.network.version,
        "started_at": left.started_at,
        "pids": [process.pid for process in left.processes],
        "nodes": [
            {
                "name": node.name,
                "role": node.role,
                "address": node.address,
                "pid": node.pid,
                "metrics": node.metrics_url,
            }
            for node in left.network.nodes
        ],
        "flags": list(left.network.flags),
        "key_file": _path(left.key_file),
    }
