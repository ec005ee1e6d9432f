"""Four Kaia validators: what they promise, the adapter contract on them, and a node that may fail."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bench.adapters.evm.adapter import EvmAdapter
from bench.api import Endpoint
from bench.ledgers.geth_node import ask, ask_number
from bench.ledgers.kaia import CHAIN_ID, KaiaLedger
from bench.ledgers.process import ProcessId
from bench.model.ledger import Network
from tests.support.contracts import EvmSmallBank, running

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running(KaiaLedger(), tmp_path_factory.mktemp("kaia")) as started:
        found = [ProcessId.of(node.pid) for node in started.nodes if node.pid is not None]
        yield started
    assert [identity for identity in found if identity is not None and identity.running()] == []


class TestSmallBankOnKaia(EvmSmallBank):
    ledger = KaiaLedger


def test_four_validators_agree_on_one_chain(network: Network) -> None:
    assert (network.finality.name, network.finality.confirmations) == ("instant (Istanbul BFT)", 0)
    addresses = [node.address for node in network.nodes]
    assert [address.partition(":")[0] for address in addresses] == [f"127.0.0.{n}" for n in (2, 3, 4, 5)]
    assert {ask(address, "eth_chainId") for address in addresses} == {hex(CHAIN_ID)}
    start = ask_number(addresses[0], "eth_blockNumber")
    deadline = time.monotonic() + 60
    while min(ask_number(address, "eth_blockNumber") for address in addresses) < start + 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    chains = [[block_id(address, start + step) for step in (1, 2, 3)] for address in addresses]
    assert chains == [chains[0]] * 4
    assert "" not in chains[0]


def test_what_the_probe_finds_is_a_path_that_works(network: Network) -> None:
    adapter = EvmAdapter()
    adapter.open(Endpoint(network.endpoint, options=network.adapter_options))
    found = {row.what: row.value for row in adapter.probe() if row.what != "path"}
    adapter.close()
    assert "v1.0.3" in found["client"]
    assert found["eth_subscribe"] == "yes"
    assert found["base fee"] == "25000000000 wei"


def block_id(address: str, height: int) -> str:
    block = ask(address, "eth_getBlockByNumber", hex(height), False)
    return str(block["hash"]) if isinstance(block, dict) else ""
