"""Ledgers that outlive the command that started them: what `ledgers up` leaves behind for `status` and `down`.

One directory per ledger name in the user's state directory holds the node's data and `running.json`. A process is the
one we started only if its start time says so as well.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.ledgers.lock import locked
from bench.ledgers.process import ProcessId, end_all_below, outliving, recorded
from bench.ledgers.protocol import Ledger, Progress
from bench.model.clock import utc_now
from bench.model.earlier_words import durability_of, fault_model_of
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import CryptoSuite, Finality, LedgerClass, Link, Network, Node

_KEY = "funding_key"


@dataclass(frozen=True, slots=True)
class RunningLedger:
    """A ledger that was left running. `key_file` holds its funding key, if it has one, for `run --key-file`."""

    started_at: str
    network: Network
    processes: tuple[ProcessId, ...]
    key_file: Path | None = None

    def running(self) -> bool:
        """True while every node process that was started still runs."""
        return all(process.running() for process in self.processes)

    def by_node(self) -> list[tuple[Node, ProcessId | None]]:
        """Each node with its process; None where it has none of its own."""
        processes = {process.pid: process for process in self.processes}
        return [(node, None if node.pid is None else processes.get(node.pid)) for node in self.network.nodes]


def state_directory() -> Path:
    """`$BENCH_STATE`, else `ledger-bench` in `$XDG_STATE_HOME`, else in `~/.local/state`. Not created by asking."""
    if own := os.environ.get("BENCH_STATE"):
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_STATE_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "state") / "ledger-bench"


def left_running() -> list[RunningLedger]:
    """Every ledger that was left and not stopped, by name, also those whose nodes have ended by themselves; without
    those whose record cannot be read (`unreadable`).
    """
    return [found for name in _names() if (found := _readable(name)) is not None]


def unreadable() -> list[str]:
    """Names of ledgers that were left, and whose record says nothing any more; `end` ends them."""
    return [name for name in _names() if _readable(name) is None and _state_file(name).exists()]


def find(name: str) -> RunningLedger | None:
    """What was left under this ledger name."""
    try:
        return _parse(json.loads(_state_file(name).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, ConfigurationError) as error:
        raise LedgerError(
            f"the record of the running {name} cannot be read",
            value=str(_state_file(name)),
            remedy=f"`bench.py ledgers down {name}` ends its processes and removes the record",
        ) from error


def leave_running(ledger: Ledger, options: Mapping[str, object], progress: Progress) -> RunningLedger:
    """Start fresh nodes that stay when this process ends. Raises ConfigurationError when the ledger is up already, or
    when its nodes are no processes of their own.
    """
    name = ledger.info.name
    with locked(_directory(name).with_suffix(".lock")):
        present = find(name)
        if present is not None and present.running():
            raise ConfigurationError(
                f"{name} is up already", value=present.network.endpoint, remedy=f"`bench.py ledgers down {name}` first"
            )
        if present is not None:
            _end(ledger, present)
        directory = _nodes(name)
        end_all_below(directory)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, mode=0o700)
        try:
            with outliving():
                network = ledger.up(directory, options, progress)
        except BaseException:
            end_all_below(directory)
            raise
        try:
            left = _describe(network)
            _write(_state_file(name), json.dumps(asdict(left), indent=1, default=str).encode())
        except BaseException:
            ledger.down(network)
            raise
    return left


def end(ledger: Ledger) -> bool:
    """Stop what was left of this ledger, also by an `up` that was killed before it could say what it had started; False
    when nothing was.
    """
    name = ledger.info.name
    with locked(_directory(name).with_suffix(".lock")):
        present = _readable(name)
        recorded_badly = present is None and _state_file(name).exists()
        if present is not None:
            _end(ledger, present)
        left_over = end_all_below(_nodes(name))
        if recorded_badly:
            _key_file(name).unlink(missing_ok=True)
            _state_file(name).unlink(missing_ok=True)
    return present is not None or recorded_badly or left_over > 0


def _end(ledger: Ledger, present: RunningLedger) -> None:
    for node in present.network.nodes:
        if node.data_directory is not None and (process := recorded(node.data_directory, node.name)):
            process.stop()
    ledger.down(present.network)
    if present.key_file is not None:
        present.key_file.unlink(missing_ok=True)
    _state_file(ledger.info.name).unlink(missing_ok=True)


def _describe(network: Network) -> RunningLedger:
    found = [ProcessId.of(node.pid) if node.pid is not None else None for node in network.nodes]
    processes = tuple(process for process in found if process is not None)
    if len(processes) < len(found) or not processes or os.getpid() in {process.pid for process in processes}:
        raise ConfigurationError(
            f"{network.ledger} has no process of its own that could stay",
            remedy=f"use it inside a run: `bench.py run --ledger {network.ledger} …`",
        )
    key = network.secrets.get(_KEY)
    key_file = None if key is None else _key_file(network.ledger)
    if key is not None and key_file is not None:
        _write(key_file, f"{key}\n".encode())
    return RunningLedger(utc_now().isoformat(timespec="seconds"), network, processes, key_file)


def _parse(written: dict[str, Any]) -> RunningLedger:
    """What `asdict` and JSON made of a RunningLedger, made one again."""
    network = written["network"]
    nodes = [
        node
        | {
            "data_directory": None if node["data_directory"] is None else Path(node["data_directory"]),
            "command": tuple(node["command"]),
        }
        for node in network["nodes"]
    ]
    rebuilt = network | {
        "nodes": tuple(Node(**node) for node in nodes),
        "finality": Finality(**network["finality"]),
        "ledger_class": _class_of(network["ledger_class"]),
        "flags": tuple(network["flags"]),
        "links": tuple(Link(**link) for link in network["links"]),
    }
    return RunningLedger(
        started_at=written["started_at"],
        network=Network(**rebuilt),
        processes=tuple(ProcessId(**process) for process in written["processes"]),
        key_file=None if written["key_file"] is None else Path(written["key_file"]),
    )


def _class_of(written: dict[str, Any]) -> LedgerClass:
    """An earlier version wrote text where there are values now; what is unknown of it is kept as a remark."""
    faults, durability = fault_model_of(written["fault_model"]), durability_of(written["durability"])
    own = {
        written[key]
        for key, value in (("fault_model", faults), ("durability", durability))
        if value == "other" != written[key]
    }
    return LedgerClass(
        **written
        | {
            "fault_model": faults,
            "durability": durability,
            "crypto": CryptoSuite(written["crypto"]),
            "remarks": "; ".join(part for part in (written.get("remarks", ""), *sorted(own)) if part),
        }
    )


def _write(path: Path, content: bytes) -> None:
    """For the user's eyes only: it may hold a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _directory(name: str) -> Path:
    return state_directory() / "ledgers" / name


def _nodes(name: str) -> Path:
    return _directory(name) / "nodes"


def _key_file(name: str) -> Path:
    return _directory(name) / "funding.key"


def _names() -> list[str]:
    return sorted(path.parent.name for path in state_directory().glob("ledgers/*/running.json"))


def _readable(name: str) -> RunningLedger | None:
    try:
        return find(name)
    except LedgerError:
        return None


def _state_file(name: str) -> Path:
    return _directory(name) / "running.json"
