"""The real node: fetched, started, asked, stopped, and never left behind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.ledgers import anvil as anvil_module
from bench.ledgers.anvil import AnvilLedger
from bench.ledgers.process import ProcessId, outliving
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import Network

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
HARNESS = """
import sys, time
from pathlib import Path
from bench.ledgers.anvil import AnvilLedger
network = AnvilLedger().up(Path(sys.argv[1]), {}, lambda line: None)
print(network.nodes[0].pid, network.endpoint.rpartition(":")[2], flush=True)
time.sleep(600)
"""


def call(network: Network, method: str, *parameters: object) -> Any:
    host, port = network.nodes[0].address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
    try:
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    assert "error" not in answer, answer
    return answer["result"]


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def up(ledger: AnvilLedger, directory: Path, options: Mapping[str, object]) -> tuple[Network, list[str]]:
    lines: list[str] = []
    return ledger.up(directory, options, lines.append), lines


@pytest.fixture(scope="module")
def anvil() -> AnvilLedger:
    ledger = AnvilLedger()
    program = ledger.install(lambda line: None)
    assert ledger.installed() == program
    return ledger


@pytest.fixture
def network(anvil: AnvilLedger, tmp_path: Path) -> Iterator[Network]:
    started, _ = up(anvil, tmp_path, {"block_time_s": 0.2, "chain_id": 777})
    yield started
    anvil.down(started)


def test_it_is_what_was_asked_for(network: Network) -> None:
    assert call(network, "eth_chainId") == hex(777)
    assert call(network, "web3_clientVersion").startswith("anvil/v1.7.1")
    assert int(call(network, "eth_getBlockByNumber", "latest", False)["gasLimit"], 16) == 10**12
    assert network.version == "1.7.1"
    assert network.flags == (
        *("--block-time", "0.2", "--gas-limit", "1000000000000", "--chain-id", "777"),
        "--prune-history",
    )
    assert (network.ledger, network.adapter, network.finality.name) == ("anvil", "evm", "inclusion")


def test_it_makes_blocks_on_its_own(network: Network) -> None:
    before = int(call(network, "eth_blockNumber"), 16)
    deadline = time.monotonic() + 10
    while int(call(network, "eth_blockNumber"), 16) < before + 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_funding_key_holds_the_funds_and_is_in_no_file(network: Network) -> None:
    from eth_account import Account

    address = Account.from_key(network.secrets["funding_key"]).address
    assert int(call(network, "eth_getBalance", address, "latest"), 16) == 10**12 * 10**18
    directory = network.nodes[0].data_directory
    assert directory is not None
    key = network.secrets["funding_key"].removeprefix("0x")
    assert [path for path in directory.rglob("*") if path.is_file() and key in path.read_text(errors="replace")] == []
    assert network.secrets["funding_key"] not in repr(network)


def test_receipts_stay_readable_although_states_do_not(network: Network) -> None:
    (sender,) = call(network, "eth_accounts")
    sent = call(network, "eth_sendTransaction", {"from": sender, "to": "0x" + "11" * 20, "value": "0x1"})
    deadline = time.monotonic() + 10
    while (receipt := call(network, "eth_getTransactionReceipt", sent)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    mined = int(receipt["blockNumber"], 16)
    while int(call(network, "eth_blockNumber"), 16) < mined + 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert call(network, "eth_getTransactionReceipt", sent)["status"] == "0x1"
    assert [r["transactionHash"] for r in call(network, "eth_getBlockReceipts", hex(mined))] == [sent]


def test_down_leaves_no_process_and_no_port_and_may_be_repeated(anvil: AnvilLedger, tmp_path: Path) -> None:
    network, lines = up(anvil, tmp_path, {})
    port = int(network.endpoint.rpartition(":")[2])
    pid = network.nodes[0].pid
    assert pid is not None
    identity = ProcessId.of(pid)
    assert identity is not None
    assert answers(port)
    assert lines[-1] == "anvil: ready, chain 31337, a block every 1 s"
    anvil.down(network)
    assert not identity.running()
    assert not answers(port)
    anvil.down(network)


def test_two_networks_at_once_do_not_meet(anvil: AnvilLedger, tmp_path: Path) -> None:
    one, _ = up(anvil, tmp_path / "one", {"chain_id": 1001})
    try:
        two, _ = up(anvil, tmp_path / "two", {"chain_id": 1002})
        try:
            assert (call(one, "eth_chainId"), call(two, "eth_chainId")) == (hex(1001), hex(1002))
            assert one.secrets == two.secrets, "contract addresses repeat"
        finally:
            anvil.down(two)
        assert call(one, "eth_chainId") == hex(1001)
    finally:
        anvil.down(one)


def test_a_flag_the_node_refuses_is_told_in_its_own_words(anvil: AnvilLedger, tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        anvil.up(tmp_path, {"extra": ["--no-such-flag"]}, lambda line: None)
    assert "anvil ended while starting" in caught.value.what
    assert "unexpected argument '--no-such-flag'" in caught.value.remedy


def test_options_are_checked_before_anything_starts(anvil: AnvilLedger, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean block_time_s"):
        anvil.up(tmp_path / "never", {"block_tim": 1}, lambda line: None)
    assert not (tmp_path / "never").exists()


def test_a_killed_harness_leaves_no_node(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as harness:
        assert harness.stdout is not None
        pid, port = map(int, harness.stdout.readline().split())
        identity = ProcessId.of(pid)
        assert identity is not None
        assert answers(port)
        harness.send_signal(signal.SIGKILL)
        harness.wait(10)
    deadline = time.monotonic() + 10
    while (identity.running() or answers(port)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not identity.running()
    assert not answers(port)


def test_another_process_can_stop_what_was_left_running(anvil: AnvilLedger, tmp_path: Path) -> None:
    with outliving():
        network, _ = up(anvil, tmp_path, {})
    pid = network.nodes[0].pid
    assert pid is not None
    identity = ProcessId.of(pid)
    assert identity is not None
    try:
        assert identity.running()
    finally:
        AnvilLedger().down(network)
    assert not identity.running()


def test_the_right_program_on_path_is_preferred_and_the_wrong_one_ignored(
    anvil: AnvilLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = anvil.installed()
    assert cached is not None
    wrapper = tmp_path / "wrapper" / "anvil"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {cached} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    assert anvil.installed() == cached, "a wrapper would hide the node's process id"
    linked = tmp_path / "linked" / "anvil"
    linked.parent.mkdir()
    linked.symlink_to(cached)
    monkeypatch.setenv("PATH", f"{linked.parent}{os.pathsep}{os.environ['PATH']}")
    assert anvil.installed() == cached.resolve()
    monkeypatch.setattr(anvil_module, "VERSION", "1.7.2")
    monkeypatch.setattr(anvil_module, "_PROGRAMS", {})
    assert anvil.installed() is None
