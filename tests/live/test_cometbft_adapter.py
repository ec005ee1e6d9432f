"""What the contract leaves open, on real validators: money, documents, the same bytes twice, nodes that die, a halt."""

from __future__ import annotations

import contextlib
import http.server
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil
import pytest

from bench.adapters.cometbft.adapter import CometBftAdapter
from bench.api import (
    ACCEPTED,
    Account,
    ConfigurationError,
    Endpoint,
    ErrorClass,
    Kind,
    LedgerError,
    Network,
    Node,
    Operation,
    Setup,
    Workload,
)
from bench.ledgers.cometbft.ledger import CometBftLedger
from bench.ledgers.process import NodeProcess, spawn
from bench.model.errors import ExitCode
from bench.testing import Stage
from tests.support.cli import Cli
from tests.support.cometbft import cometbft_network, endpoint_of
from workloads.notary import WORKLOAD as NOTARY
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with cometbft_network(tmp_path_factory.mktemp("network")) as network:
        yield network


def prepared(network: Network, workload: Workload) -> Stage:
    setup = Setup(workload, workload.defaults, 4, writes=100, seed=3, secrets=network.secrets)
    return Stage(CometBftAdapter, endpoint_of(network), setup, 30.0)


@pytest.fixture
def transfers(network: Network) -> Iterator[Stage]:
    stage = prepared(network, TRANSFER)
    yield stage
    stage.close()


@pytest.fixture
def documents(network: Network) -> Iterator[Stage]:
    stage = prepared(network, NOTARY)
    yield stage
    stage.close()


def anchor(document: bytes) -> Operation:
    return Operation("anchor", {"document": document})


def test_money_is_conserved_and_refusals_are_counted_as_executed(transfers: Stage) -> None:
    follower, state = transfers.follow(), transfers.adapter.state()
    before = state.read("balance", {"of": Account(1)})
    good = transfers.encode([Operation("transfer", {"to": Account(1), "amount": 7})], 0)
    broke = transfers.encode([Operation("transfer", {"to": Account(1), "amount": 10**15})], 0)
    assert transfers.adapter.submit([*good, *broke]) == [ACCEPTED, ACCEPTED]
    included = follower.wait_for([good[0].tx_id, broke[0].tx_id])
    assert included[good[0].tx_id] == [ErrorClass.NONE]
    assert included[broke[0].tx_id] == [ErrorClass.BUSINESS_REFUSAL]
    assert state.read("balance", {"of": Account(1)}) == before + 7  # type: ignore[operator]
    assert state.read("transactions_since_start", {}) == 2
    assert state.read("money_created_since_start", {}) == 0


def test_an_account_that_has_enough_is_not_funded_again(transfers: Stage) -> None:
    again = transfers.open()
    disclosed = again.prepare(transfers.setup).disclosed
    assert disclosed["accounts_funded"] == 0
    blocks, statuses, sending = disclosed["paths"]
    assert blocks.startswith("blocks: NewBlockHeader over WebSocket")
    assert statuses == "statuses: block and block_results, one exchange per block"
    assert sending.startswith("sending: broadcast_tx_sync to 4 nodes in turn, requests joined by up to ")


def test_a_document_belongs_to_who_was_first(documents: Stage) -> None:
    follower, state = documents.follow(), documents.adapter.state()
    first, unknown = os.urandom(32), os.urandom(32)
    one, two = documents.encode([anchor(first)], 0), documents.encode([anchor(first)], 1)
    assert documents.adapter.submit(one) == [ACCEPTED]
    assert follower.wait_for([one[0].tx_id])[one[0].tx_id] == [ErrorClass.NONE]
    assert documents.adapter.submit(two) == [ACCEPTED]
    assert follower.wait_for([two[0].tx_id])[two[0].tx_id] == [ErrorClass.BUSINESS_REFUSAL]
    height = next(block.height for block in follower.blocks if one[0].tx_id in map(bytes, block.tx_ids))
    assert state.read("verify", {"document": first}) == height
    assert state.read("verify", {"document": unknown}) == 0
    assert state.read("missing", {"documents": first + unknown, "tx_ids": b""}) == 1


def test_reads_of_the_load_are_answered_by_any_node(documents: Stage) -> None:
    read = documents.adapter.encode(Operation("verify", {"document": bytes(32)}, Kind.READ), 0, 0)
    assert [documents.adapter.submit([read]) for _ in range(4)] == [[ACCEPTED]] * 4
    assert documents.adapter.submit([read] * 3) == [ACCEPTED] * 3


def test_what_a_mempool_forgot_is_still_executed_once(tmp_path: Path) -> None:
    """A cache of one: the second copy is CheckTx's business."""
    with cometbft_network(tmp_path, config={"mempool.cache_size": 1}) as network:
        stage = prepared(network, TRANSFER)
        try:
            follower = stage.follow()
            pay = Operation("transfer", {"to": Account(1), "amount": 1})
            repeated, others = stage.encode([pay])[0], stage.encode([pay] * 10, 1)
            assert stage.adapter.submit([repeated, *others]) == [ACCEPTED] * 11
            follower.wait_for([each.tx_id for each in (repeated, *others)])
            assert [stage.adapter.submit([repeated]) for _ in range(4)] == [[ACCEPTED]] * 4
            marker = stage.encode([pay], 2)
            assert stage.adapter.submit(marker) == [ACCEPTED]
            assert follower.wait_for([marker[0].tx_id])[repeated.tx_id] == [ErrorClass.NONE]
            assert stage.adapter.state().read("transactions_since_start", {}) == 12
        finally:
            stage.close()


def test_one_validator_may_die_and_two_halt_the_chain_until_one_is_back(tmp_path: Path) -> None:
    """The first to die is the one the observer follows. The one that comes back executes all blocks anew."""
    with cometbft_network(tmp_path, config={"consensus.timeout_propose": "300ms"}) as network:
        stage = prepared(network, TRANSFER)
        back: NodeProcess | None = None
        try:
            follower = stage.follow()
            pay = Operation("transfer", {"to": Account(1), "amount": 1})
            kill(network.nodes[0])
            one_gone = stage.encode([pay] * 8)
            assert [stage.adapter.submit([each]) for each in one_gone] == [[ACCEPTED]] * 8
            follower.wait_for([each.tx_id for each in one_gone])
            kill(network.nodes[1])
            two_gone = stage.encode([pay])[0]
            assert stage.adapter.submit([two_gone]) == [ACCEPTED]
            time.sleep(3)
            assert two_gone.tx_id not in follower.included()
            height = follower.blocks[-1].height
            follower.wait_for_yields(4)  # a halted chain is no failure of the adapter
            assert follower.blocks[-1].height == height
            back = start_again(network.nodes[1])
            assert follower.wait_for([two_gone.tx_id])[two_gone.tx_id] == [ErrorClass.NONE]
            assert stage.adapter.state().read("transactions_since_start", {}) == 9
            assert stage.adapter.state().read("money_created_since_start", {}) == 0
        finally:
            if back is not None:
                back.stop()
            stage.close()


def test_a_run_on_a_halted_chain_says_so(tmp_path: Path) -> None:
    """Accepted into mempools, in no block: unresolved, and no goodput."""
    with cometbft_network(tmp_path / "ledger") as network:
        for node in network.nodes[2:]:
            kill(node)
        cli = Cli(tmp_path)
        try:
            done = cli.run(*run_arguments(network, "notary", cli.out), "--set", "phases.drain=2s")
            (trial,) = cli.only_bundle().result.trials
        finally:
            cli.end()
    assert trial.counts.accepted == trial.counts.unresolved > 0, done.stderr
    assert trial.counts.committed == 0
    assert trial.errors["not_included"].count == trial.counts.unresolved
    assert "goodput 0/s" in done.stderr


@pytest.mark.parametrize("kvstore", [False, True])
def test_a_chain_that_is_not_ours_is_run_by_its_address_alone(tmp_path: Path, kvstore: bool) -> None:
    """One node is known, batches as CometBFT itself limits them."""
    limits = {"rpc.max_request_batch_size": 10}
    with cometbft_network(tmp_path / "ledger", kvstore=kvstore, config=limits) as network:
        cli = Cli(tmp_path)
        key = tmp_path / "key"
        key.write_text(network.secrets.get("funding_key", ""))
        try:
            workload = "notary" if kvstore else "transfer"
            arguments = [*run_arguments(network, workload, cli.out), "--batch", "20"]
            done = cli.run(*arguments, *([] if kvstore else ["--key-file", str(key)]))
            (trial,) = cli.only_bundle().result.trials
            audit = cli.only_bundle().result.audit
        finally:
            cli.end()
    assert done.returncode in (ExitCode.DONE, ExitCode.INVALID), done.stderr
    assert trial.counts.finalized == trial.counts.submitted > 0
    assert {one.status for one in audit.invariants} == {"held"}


def test_another_application_is_refused_by_name(tmp_path: Path) -> None:
    with scripted_node(b'{"data":"GaiaApp","version":"v9"}') as url, pytest.raises(LedgerError) as caught:
        CometBftAdapter().open(Endpoint(url))
    assert caught.value.value == "GaiaApp"
    assert "write an adapter" in caught.value.remedy


def test_what_the_kvstore_cannot_express_is_refused_before_anything_starts(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    load = ("--rate", "5", "--duration", "2s")
    try:
        done = cli.run("run", "--ledger", "cometbft-kvstore", "--workload", "transfer", *load, "--out", str(cli.out))
    finally:
        cli.end()
    assert done.returncode == ExitCode.USAGE
    assert "workload transfer cannot be expressed on cometbft-kvstore" in done.stderr
    assert cli.bundles() == []
    with cometbft_network(tmp_path, kvstore=True, validators=1) as network:
        adapter = CometBftAdapter()
        adapter.open(endpoint_of(network))
        with pytest.raises(ConfigurationError, match="application kvstore cannot express"):
            adapter.prepare(Setup(TRANSFER, TRANSFER.defaults, 2, 10, 1))
        adapter.close()


def test_without_the_treasury_nobody_is_paid(network: Network) -> None:
    adapter = CometBftAdapter()
    adapter.open(endpoint_of(network))
    with pytest.raises(LedgerError, match="no funding key"):
        adapter.prepare(Setup(TRANSFER, TRANSFER.defaults, 2, 10, 99))
    adapter.close()


def kill(node: Node) -> None:
    assert node.pid is not None
    process = psutil.Process(node.pid)
    process.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        process.wait(10)


def start_again(node: Node) -> NodeProcess:
    program = CometBftLedger().installed()
    assert program is not None
    assert node.data_directory is not None
    return spawn([str(program), *node.command[1:]], directory=node.data_directory, name="again")


def run_arguments(network: Network, workload: str, out: Path) -> list[str]:
    return [
        *("run", "--adapter", "cometbft", "--endpoint", network.endpoint, "--workload", workload),
        *("--rate", "50", "--duration", "4s", "--trials", "1", "--out", str(out)),
    ]


@contextlib.contextmanager
def scripted_node(info: bytes) -> Iterator[str]:
    """Answers `status` and `abci_info` as a chain of somebody else does."""
    answers = {
        b"status": b'{"node_info":{"network":"theirs","version":"0.38.17"}}',
        b"abci_info": b'{"response":%b}' % info,
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            result = answers[request["method"].encode()]
            body = b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (request["id"], result)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
