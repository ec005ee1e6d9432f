"""The null ledger of the adapters that speak to our own nodes over a Unix socket: `sqlite` and `simulated`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from bench.ledgers import socket_node
from bench.ledgers.null_options import NULL_CLASS, NullOptions
from bench.ledgers.options import parse_options
from bench.ledgers.process import NodeProcess
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.model.ledger import Finality, Network
from bench.model.version import __version__

BLOCK_INTERVAL_MS = 10.0
"""About the pace at which a database on a disk commits groups."""


class NullSocketLedger:
    """See `bench.ledgers.protocol.Ledger`. Option: `block_interval_ms`. `kind` is the adapter it answers to."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.info = LedgerInfo(
            name=f"null-{kind}",
            family="sql" if kind == "sqlite" else kind,
            adapter=kind,
            version=__version__,
            nodes=1,
            finality=Finality("commit"),
            ledger_class=NULL_CLASS,
            summary="takes everything and does nothing: to calibrate the harness, never a candidate",
            download="nothing",
        )
        self._processes: dict[str, NodeProcess] = {}

    def installed(self) -> Path | None:
        """The Python that runs everything."""
        return Path(sys.executable)

    def install(self, progress: Progress) -> Path:
        """Nothing to fetch."""
        progress(f"{self.info.name}: nothing to fetch")
        return Path(sys.executable)

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """A fresh node."""
        name = self.info.name
        chosen = parse_options(name, NullOptions, {"block_interval_ms": BLOCK_INTERVAL_MS, **options})
        interval = f"{chosen.block_interval_ms:g}"
        arguments = ("--kind", self._kind, "--block-interval-ms", interval)
        progress(f"{name}: starting")
        process, endpoint, node = socket_node.start("bench.ledgers.null_socket_node", arguments, directory, name)
        self._processes[endpoint] = process
        progress(f"{name}: ready at {endpoint}")
        return Network(
            ledger=name,
            family=self.info.family,
            adapter=self._kind,
            version=__version__,
            endpoint=endpoint,
            nodes=(node,),
            finality=self.info.finality,
            ledger_class=self.info.ledger_class,
            flags=(f"block_interval_ms={interval}",),
        )

    def down(self, network: Network) -> None:
        """Stop the node, also one that another process started."""
        process = self._processes.pop(network.endpoint, None)
        if process is not None:
            process.stop(socket_node.STOP_S)
        else:
            socket_node.stop(network)
