"""What nodes are found to do: a real anvil as it is, and behind gateways that hide what it has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.adapters.evm.adapter import EvmAdapter
from bench.adapters.evm.probing import Capabilities, probe
from bench.adapters.evm.rpc import Rpc, open_channel
from bench.adapters.protocol import Endpoint, Probing
from bench.ledgers.geth_node import ask_number
from tests.support.anvil import AnvilNetwork, anvil_network
from tests.support.cli import Cli
from tests.support.evm_limited import limited_node

pytestmark = pytest.mark.live

BY_BLOCK = "eth_getBlockReceipts"


@pytest.fixture(scope="module")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnvilNetwork]:
    with anvil_network(tmp_path_factory.mktemp("anvil"), block_time_s=0.5) as network:
        yield network


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.end()


def probed(url: str) -> Capabilities:
    target, channel = open_channel(Endpoint(url))
    try:
        return probe(Rpc(channel, target.shown), 31337, None)
    finally:
        channel.close()


def table(url: str) -> dict[str, str]:
    adapter = EvmAdapter()
    assert isinstance(adapter, Probing)
    adapter.open(Endpoint(url))
    try:
        rows = adapter.probe()
    finally:
        adapter.close()
    return {row.remark.partition(":")[0] if row.what == "path" else row.what: row.value for row in rows}


def test_anvil_has_it_all(anvil: AnvilNetwork, cli: Cli) -> None:
    done = cli.run("probe", "--adapter", "evm", "--endpoint", anvil.endpoint, "--json")
    assert done.returncode == 0, done.stderr
    rows = [(row["what"], row["value"], row["remark"]) for row in json.loads(done.stdout)]
    found = {what: value for what, value, _ in rows if what != "path"}
    assert found["client"].startswith("anvil/")
    assert found["chain id"] == "31337"
    assert [found[name] for name in ("eth_sendRawTransaction", BY_BLOCK, "trace_block", "eth_subscribe")] == ["yes"] * 4
    assert found["batches"] == "up to 1000"
    assert {value: remark for what, value, remark in rows if what == "path"} == {
        "blocks": "eth_subscribe at " + anvil.ws_endpoint,
        "statuses": "traces, one receipt per block",
        "setup calls": "in batches of 100",
        "sending": "batches of up to 1000 are answered",
    }


def test_probing_sends_no_transaction(anvil: AnvilNetwork) -> None:
    address = anvil.endpoint.removeprefix("http://")
    before = ask_number(address, "txpool_status")
    probed(anvil.endpoint)
    assert ask_number(address, "txpool_status") == before


@pytest.mark.parametrize(
    ("most", "by_status", "found", "setup"),
    [(10_000, False, 1000, 100), (100, False, 100, 100), (12, False, 10, 10), (0, False, 0, 1), (0, True, 0, 1)],
)
def test_the_largest_batch_that_is_answered_is_found(
    anvil: AnvilNetwork, most: int, by_status: bool, found: int, setup: int
) -> None:
    with limited_node(anvil.endpoint, most=most, by_status=by_status) as url:
        capabilities = probed(url)
    assert (capabilities.batch_calls, capabilities.setup_batch) == (found, setup)
    assert (
        capabilities.batch_refusal == ""
        if found == 1000
        else capabilities.batch_refusal.startswith(f"{max(1, 10 * found)}")
    )


def test_what_is_hidden_is_missed_and_the_path_says_so(anvil: AnvilNetwork) -> None:
    with limited_node(anvil.endpoint, hidden=frozenset({BY_BLOCK, "web3_clientVersion"}), most=0) as url:
        capabilities = probed(url)
        paths = capabilities.paths("receipts", 0.1)
        adapter = EvmAdapter()
        adapter.open(Endpoint(url))
        heads = next(row for row in adapter.probe() if row.what == "eth_subscribe")
        adapter.close()
    assert capabilities.methods[BY_BLOCK] is False
    assert capabilities.methods["eth_feeHistory"] is True
    assert paths[1:3] == [
        "statuses: eth_getTransactionReceipt, one by one, as batches are refused (no eth_getBlockReceipts)",
        "setup calls: one by one, as batches are refused",
    ]
    assert paths[3].startswith("sending: one by one, whatever load.batch says (1 in a batch: ")
    assert heads.value == "no"


def test_a_node_without_batches_subscriptions_and_block_receipts_is_measured_all_the_same(
    anvil: AnvilNetwork, cli: Cli
) -> None:
    """The load asks for batches of 20, which this node refuses; every transaction is committed and accounted for."""
    with limited_node(anvil.endpoint, hidden=frozenset({BY_BLOCK, "web3_clientVersion"}), most=0) as url:
        done = cli.run(
            *("run", "--adapter", "evm", "--endpoint", url, "--workload", "transfer", "--rate", "40", "--batch", "20"),
            *("--duration", "4s", "--set", "load.accounts=10", "--out", str(cli.out)),
            BENCH_FUNDING_KEY=anvil.funding_key,
        )
    assert cli.bundles(), done.stderr
    bundle = cli.only_bundle()
    (trial,) = bundle.result.trials
    assert trial.counts.committed == 160, done.stderr
    assert next((found.name, found.status) for found in bundle.result.audit.invariants) == (
        "every_transfer_executed_once",
        "held",
    )
    assert "evm: statuses: eth_getTransactionReceipt, one by one, as batches are refused" in done.stderr
    disclosed = [event.data for event in bundle.events if "paths" in event.data]
    assert json.loads(str(disclosed[0]["methods_missing"])) == [BY_BLOCK]
