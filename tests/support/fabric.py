"""A Fabric network of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.ledgers.fabric.ledger import FabricLedger
from bench.model.ledger import Network


@contextmanager
def fabric_network(directory: Path, **options: object) -> Iterator[Network]:
    """Up inside, gone afterwards. Programs are built when they were not yet."""
    ledger = FabricLedger()
    network = ledger.up(directory, options, lambda _: None)
    try:
        yield network
    finally:
        ledger.down(network)
