"""Starting and stopping our own ledger nodes: one Python process behind a Unix socket in its data directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.ledgers.process import NodeProcess, recorded, spawn, wait_ready
from bench.model.ledger import Network, Node
from bench.model.wire import Address, Connection, WireError

SOCKET = "node.sock"
READY_S = 20.0
STOP_S = 10.0
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def start(
    module: str, arguments: Sequence[str], directory: Path, name: str, secrets: Mapping[str, str] | None = None
) -> tuple[NodeProcess, str, Node]:
    """Start `python -m module --socket … arguments` in `directory`, with `secrets` in its environment; the process, its
    endpoint and its node, once it answers. Raises LedgerError, and leaves nothing behind, when it does not.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    address = Address(path=str(directory / SOCKET))
    command = (sys.executable, "-m", module, "--socket", address.path, *arguments)
    process = spawn(command, directory=directory, name=name, environment={**_environment(), **(secrets or {})})
    try:
        wait_ready(process, lambda: _answers(address), READY_S, name)
    except BaseException:
        process.stop(STOP_S)
        raise
    return process, str(address), Node(name, str(address), process.pid, directory, command)


def stop(network: Network) -> None:
    """End the network's processes, also those another process started; idempotent."""
    for node in network.nodes:
        process = None if node.data_directory is None else recorded(node.data_directory, node.name)
        if process is not None:
            process.stop(STOP_S)


def _answers(address: Address) -> bool:
    try:
        connection = Connection(address, READY_S)
    except WireError:
        return False
    try:
        return bool(connection.request(["hello"]))
    except (WireError, TimeoutError):
        return False
    finally:
        connection.close()


def _environment() -> Mapping[str, str]:
    """Ours, with the package importable from any directory and no gevent patching inherited."""
    path = os.pathsep.join([str(_PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}
