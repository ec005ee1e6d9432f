"""A real anvil per test, through the product's own managed ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ledgers.anvil import FUNDING_KEY, AnvilLedger


@dataclass(frozen=True)
class AnvilNetwork:
    endpoint: str
    funding_key: str

    @property
    def ws_endpoint(self) -> str:
        return self.endpoint.replace("http://", "ws://")


@contextmanager
def anvil_network(tmp_path: Path, **options: object) -> Iterator[AnvilNetwork]:
    """`options` are the ledger's; the node is stopped whatever happens."""
    ledger = AnvilLedger()
    network = ledger.up(tmp_path / "anvil", options, lambda line: None)
    try:
        yield AnvilNetwork(network.endpoint, network.secrets[FUNDING_KEY])
    finally:
        ledger.down(network)
