"""Starting and stopping our own ledger nodes: one Python process behind a Unix socket in its data directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.ledgers.nodes import stop_nodes
from bench.ledgers.process import spawn, wait_ready
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.ledger import Network, Node
from bench.model.wire import Address, Connection, WireError

SOCKET = "node.sock"
READY_S = 20.0
STOP_S = 10.0
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def start(
    module: str, arguments: Sequence[str], directory: Path, name: str, secrets: Mapping[str, str] | None = None
) -> Node:
    """Start `python -m module --socket … arguments` in `directory`, with `secrets` in its environment; its node, whose
    address is its endpoint, once it answers. Raises LedgerError, and leaves nothing behind, when it does not.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    address = Address(path=str(directory / SOCKET))
    command = (sys.executable, "-m", module, "--socket", address.path, *arguments)
    process = spawn(command, directory=directory, name=name, environment={**environment(), **(secrets or {})})
    try:
        wait_ready(process, lambda: _answers(address), READY_S, name)
    except BaseException:
        process.stop(STOP_S)
        raise
    return Node(name, str(address), process.pid, directory, command)


def stop(network: Network) -> None:
    """End the network's processes, also those another process started; idempotent."""
    stop_nodes(network, STOP_S)


class InThisPython:
    """`installed` and `install` of a ledger whose node is our own program, and `down` of one that has a single node."""

    info: LedgerInfo

    def installed(self) -> Path | None:
        """The Python that runs everything."""
        return Path(sys.executable)

    def install(self, progress: Progress) -> Path:
        """Nothing to fetch."""
        progress(f"{self.info.name}: comes with Python, nothing to fetch")
        return Path(sys.executable)

    def down(self, network: Network) -> None:
        """Stop the node after its last commit, also one that another process started."""
        stop(network)


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


def environment() -> Mapping[str, str]:
    """Ours, with the package importable from any directory and no gevent patching inherited."""
    path = os.pathsep.join([str(_PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}
