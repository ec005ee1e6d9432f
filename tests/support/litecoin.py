"""A real litecoin network per test, through the product's own managed ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench.api import Endpoint
from bench.ledgers.bitcoin_rpc import NodeRpc, read_pair
from bench.ledgers.litecoin import LitecoinLedger
from bench.model.ledger import Network


@contextmanager
def litecoin_network(directory: Path, **options: object) -> Iterator[Network]:
    """`options` are the ledger's; the nodes are stopped whatever happens."""
    ledger = LitecoinLedger()
    network = ledger.up(directory, options, lambda line: None)
    try:
        yield network
    finally:
        ledger.down(network)


def endpoint_of(network: Network) -> Endpoint:
    return Endpoint(network.endpoint, options=network.adapter_options)


def rpc_of(network: Network, index: int) -> NodeRpc:
    """A connection to one of the nodes, to make it do what no client would ask for."""
    url = urlsplit(f"http://{network.nodes[index].address}")
    assert url.hostname is not None
    assert url.port is not None
    return NodeRpc(url.hostname, url.port, read_pair(Path(str(network.adapter_options["cookie_file"]))))
