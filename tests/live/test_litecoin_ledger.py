"""The real network: started, linked, mining by itself, keeping its password, stopped, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.bundle.reader import read_bundle
from bench.ledgers.bitcoin_rpc import NodeRpc, RpcError, read_pair
from bench.ledgers.litecoin import MINED_BEFORE, LitecoinLedger
from bench.ledgers.process import ProcessId
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import CryptoSuite, Finality, Link, Network
from tests.support.cli import Cli
from tests.support.litecoin import litecoin_network, rpc_of

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
HARNESS = """
import sys, time
from pathlib import Path
from bench.ledgers.litecoin import LitecoinLedger
network = LitecoinLedger().up(Path(sys.argv[1]), {"nodes": 1}, lambda line: None)
print(*(node.pid for node in network.nodes), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with litecoin_network(tmp_path_factory.mktemp("litecoin"), block_time_s=0.5) as started:
        yield started


@pytest.fixture
def nodes(network: Network) -> Iterator[list[NodeRpc]]:
    connections = [rpc_of(network, index) for index in range(3)]
    yield connections
    for each in connections:
        each.close()


def identities(network: Network) -> list[ProcessId]:
    found = [ProcessId.of(node.pid) for node in network.nodes if node.pid is not None]
    assert None not in found
    return [each for each in found if each is not None]


def test_it_is_declared_as_it_is(network: Network, nodes: list[NodeRpc]) -> None:
    assert (network.ledger, network.family, network.adapter, network.version) == (
        "litecoin",
        "utxo",
        "utxo",
        "0.21.2.1",
    )
    assert network.finality == Finality("6 confirmations", 5)
    assert network.ledger_class.crypto is CryptoSuite.SECP256K1
    assert [(node.name, node.role) for node in network.nodes] == [
        ("node-1", "mining node"),
        ("node-2", "node"),
        ("node-3", "node"),
        ("miner", "miner"),
    ]
    assert [node.address.split(":")[0] for node in network.nodes[:3]] == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    assert network.links == (Link("node-1", "node-2"), Link("node-1", "node-3"), Link("node-2", "node-3"))
    assert "block every 0.5 s by a miner of the harness" in network.flags
    assert network.adapter_options["observe_url"] == f"http://{network.nodes[2].address}"
    assert {node.call("getconnectioncount") for node in nodes} <= {2, 3, 4}
    assert all("mweb" not in node.call("getblockchaininfo")["softforks"] for node in nodes)
    assert all(node.call("getindexinfo")["txindex"]["synced"] for node in nodes)


def test_blocks_keep_their_cadence_and_reach_every_node(nodes: list[NodeRpc]) -> None:
    began, height = time.monotonic(), nodes[0].call("getblockcount")
    assert height > MINED_BEFORE
    assert nodes[2].call("waitforblockheight", height + 8, 20_000)["height"] >= height + 8
    assert 2.5 < time.monotonic() - began < 8, "8 blocks of 0.5 s, and what a busy machine adds"


def test_the_password_is_in_one_file_of_ours_and_in_no_process(network: Network) -> None:
    cookie = Path(str(network.adapter_options["cookie_file"]))
    password = read_pair(cookie).partition(":")[2]
    assert len(password) == 48
    key = network.secrets["funding_key"]
    assert cookie.stat().st_mode & 0o777 == 0o600
    files = [path for path in cookie.parent.rglob("*") if path.is_file()]
    assert [path for path in files if password.encode() in path.read_bytes()] == [cookie]
    assert [path for path in files if key.encode() in path.read_bytes()] == []
    for node in network.nodes:
        assert (node.data_directory or Path()).exists()
        assert password not in " ".join(psutil.Process(node.pid).cmdline())
        conf = node.data_directory / "litecoin.conf" if node.data_directory else Path()
        assert node.role == "miner" or conf.stat().st_mode & 0o777 == 0o600
    assert password not in repr(network)
    assert key not in repr(network)


def test_a_stranger_is_not_let_in(network: Network) -> None:
    host, port = network.nodes[0].address.split(":")
    stranger = NodeRpc(host, int(port), "bench:guess")
    with pytest.raises(RpcError):
        stranger.call("getblockcount")
    stranger.close()


def test_down_leaves_no_process_and_may_be_repeated(tmp_path: Path) -> None:
    ledger, lines = LitecoinLedger(), list[str]()
    network = ledger.up(tmp_path, {"nodes": 2, "confirmations": 1}, lines.append)
    running = identities(network)
    assert len(running) == 3
    assert all(each.running() for each in running)
    assert lines[-1] == "litecoin: ready, 2 nodes, a block every 1 s"
    assert network.finality == Finality("1 confirmation", 0)
    LitecoinLedger().down(network)
    assert not any(each.running() for each in running)
    ledger.down(network)


def test_a_flag_the_node_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        LitecoinLedger().up(tmp_path, {"nodes": 1, "extra": ["-vbparams=nonsense"]}, lambda line: None)
    assert "node-1" in caught.value.what
    assert "Version bits parameters malformed" in caught.value.remedy


def test_options_are_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean block_time_s"):
        LitecoinLedger().up(tmp_path / "never", {"block_time": 1}, lambda line: None)
    assert not (tmp_path / "never").exists()


def test_a_killed_harness_leaves_no_node(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as harness:
        assert harness.stdout is not None
        found = [ProcessId.of(int(pid)) for pid in harness.stdout.readline().split()]
        assert len(found) == 2
        harness.send_signal(signal.SIGKILL)
        harness.wait(10)
    deadline = time.monotonic() + 15
    while any(each is not None and each.running() for each in found) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(each is not None and each.running() for each in found)


def test_every_acknowledged_document_of_a_run_is_found_again(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    try:
        done = cli.run(
            *("run", "--ledger", "litecoin", "--workload", "notary", "--rate", "60", "--duration", "6s"),
            *("--trials", "1", "--out", str(cli.out), "--set", "ledgers.0.options.confirmations=2"),
        )
        # 3: a busy machine sent too late; 8: two blocks of 1 s each come later than this short warm-up ends
        assert done.returncode in (0, 3, 8), done.stderr
        (path,) = cli.bundles()
        bundle = read_bundle(path)
    finally:
        cli.end()
    (invariant,) = bundle.result.audit.invariants
    assert invariant.status == "held", invariant
    counts = bundle.result.trials[0].counts
    assert counts.finalized == counts.accepted > 200
    assert bundle.result.ledger.finality.name == "2 confirmations"
