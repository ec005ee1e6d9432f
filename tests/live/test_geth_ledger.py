"""geth in developer mode: started, asked, measured, stopped; and the adapter contract on it."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.adapters.evm.adapter import EvmAdapter
from bench.api import Endpoint
from bench.ledgers.geth import CHAIN_ID, GethLedger
from bench.ledgers.geth_node import ask, ask_number
from bench.ledgers.process import ProcessId
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import Network
from tests.support.contracts import EvmContract, EvmSmallBank, Transfers, running

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running(GethLedger(), tmp_path_factory.mktemp("geth")) as started:
        yield started


class TestTransferOnGeth(Transfers, EvmContract):
    ledger = GethLedger


class TestSmallBankOnGeth(EvmSmallBank):
    ledger = GethLedger
    customers = 200  # more than one setup call, each at its full size


def test_the_node_is_the_limit_and_not_a_parameter(network: Network) -> None:
    (node,) = network.nodes
    assert ask(node.address, "eth_chainId") == hex(CHAIN_ID)
    assert str(ask(node.address, "web3_clientVersion")).startswith("Geth/v1.17.5-")
    block = ask(node.address, "eth_getBlockByNumber", "latest", False)
    assert isinstance(block, dict)
    assert int(str(block["gasLimit"]), 16) == 10**12
    assert "parentBeaconBlockRoot" in block, "Cancun"
    assert "requestsHash" not in block, "not Prague"
    assert ("--txpool.accountslots", "65536") in zip(network.flags, network.flags[1:], strict=False)


def test_its_blocks_are_on_disk_and_the_key_in_no_file(network: Network) -> None:
    (node,) = network.nodes
    assert node.data_directory is not None
    assert list((node.data_directory / "data" / "geth" / "chaindata").glob("*.log"))
    secret = network.secrets["funding_key"].removeprefix("0x").encode()
    files = [path for path in node.data_directory.rglob("*") if path.is_file()]
    assert [path for path in files if secret in path.read_bytes()] == []
    assert secret.decode() not in " ".join(node.command)


def test_it_is_found_to_answer_large_batches_receipts_by_block_and_subscriptions(network: Network) -> None:
    adapter = EvmAdapter()
    adapter.open(Endpoint(network.endpoint))
    found = {row.what: row.value for row in adapter.probe() if row.what != "path"}
    adapter.close()
    assert found["batches"] == "up to 1000"
    assert (found["eth_getBlockReceipts"], found["trace_block"], found["eth_subscribe"]) == ("yes", "no", "yes")


def test_it_tells_prometheus_about_itself(network: Network) -> None:
    url = network.nodes[0].metrics_url
    assert url is not None
    with urllib.request.urlopen(url, timeout=10) as answer:
        page = answer.read().decode()
    heights = [line.split()[1] for line in page.splitlines() if line.startswith("chain_head_block ")]
    assert len(heights) == 1
    assert int(heights[0]) <= ask_number(network.nodes[0].address, "eth_blockNumber")


def test_down_leaves_nothing(tmp_path: Path) -> None:
    ledger = GethLedger()
    lines: list[str] = []
    network = ledger.up(tmp_path, {"block_time_s": 2}, lines.append)
    pid = network.nodes[0].pid
    assert pid is not None
    identity = ProcessId.of(pid)
    assert identity is not None
    assert lines[-1] == "geth: ready, chain 1337, a block every 2 s"
    ledger.down(network)
    assert not identity.running()
    ledger.down(network)


def test_a_flag_it_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        GethLedger().up(tmp_path, {"extra": ["--no-such-flag"]}, lambda line: None)
    assert "ended while starting" in caught.value.what
    assert "flag provided but not defined: -no-such-flag" in caught.value.remedy


def test_options_are_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean block_time_s"):
        GethLedger().up(tmp_path / "never", {"block_tim": 1}, lambda line: None)
    assert not (tmp_path / "never").exists()
