"""Real CometBFT networks for tests, through the product's own managed ledgers; blocks five times a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.adapters.protocol import Endpoint
from bench.ledgers.cometbft.ledger import CometBftLedger, KvStoreLedger
from bench.model.ledger import Network

FAST = {"timeout_commit_ms": 150}


@contextmanager
def cometbft_network(directory: Path, *, kvstore: bool = False, **options: object) -> Iterator[Network]:
    """Stopped whatever happens."""
    ledger = KvStoreLedger() if kvstore else CometBftLedger()
    network = ledger.up(directory / "network", {**FAST, **options}, lambda line: None)
    try:
        yield network
    finally:
        ledger.down(network)


def endpoint_of(network: Network) -> Endpoint:
    """As the harness opens a managed network."""
    return Endpoint(network.endpoint, options=network.adapter_options)
