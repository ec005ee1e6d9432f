"""The null ledger of the adapters that speak to our own nodes over a Unix socket: `sqlite` and `simulated`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.ledgers.null_options import NULL_CLASS, NullOptions
from bench.ledgers.options import parse_options
from bench.ledgers.protocol import LedgerInfo, Progress
from bench.ledgers.socket_node import InThisPython, start
from bench.model.ledger import Finality, Network
from bench.model.version import __version__

BLOCK_INTERVAL_MS = 10.0
"""About the pace at which a database on a disk commits groups."""


class NullSocketLedger(InThisPython):
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

    def up(self, directory: Path, options: Mapping[str, object], progress: Progress) -> Network:
        """A fresh node."""
        name = self.info.name
        chosen = parse_options(name, NullOptions, {"block_interval_ms": BLOCK_INTERVAL_MS, **options})
        interval = f"{chosen.block_interval_ms:g}"
        arguments = ("--kind", self._kind, "--block-interval-ms", interval)
        progress(f"{name}: starting")
        node = start("bench.ledgers.null_socket_node", arguments, directory, name)
        progress(f"{name}: ready at {node.address}")
        return self.info.network(node.address, [node], (f"block_interval_ms={interval}",))
