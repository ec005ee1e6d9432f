"""Real validators: built, started, asked, stopped, never left behind; and the application's own tests."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.ledgers.cometbft.ledger import SOURCE, CometBftLedger
from bench.ledgers.install.golang import build
from bench.ledgers.process import ProcessId, outliving
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.ledger import CryptoSuite, Network
from tests.support.cometbft import FAST, cometbft_network
from tests.support.live import missing

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with cometbft_network(tmp_path_factory.mktemp("network"), config={"mempool.max_tx_bytes": 4321}) as network:
        yield network


def get(address: str, path: str) -> bytes:
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def ask(address: str, method: str) -> Any:
    return json.loads(get(address, f"/{method}"))["result"]


def test_it_is_the_network_it_declares(network: Network) -> None:
    assert [node.name for node in network.nodes] == [f"validator{number}" for number in range(4)]
    assert [node.address.split(":")[0] for node in network.nodes] == [f"127.0.0.{number}" for number in range(2, 6)]
    assert len(network.links) == 6
    assert (network.ledger_class.tolerated_faults, network.ledger_class.crypto) == (1, CryptoSuite.ED25519)
    for node in network.nodes:
        status = ask(node.address, "status")
        assert status["node_info"]["version"] == network.version == "0.38.25"
        assert status["node_info"]["moniker"] == node.name
        assert int(status["sync_info"]["latest_block_height"]) >= 1
        assert int(ask(node.address, "net_info")["n_peers"]) == 3
    assert len(ask(network.nodes[0].address, "validators")["validators"]) == 4
    assert ask(network.nodes[3].address, "abci_info")["response"]["data"] == "ledger-bench"


def test_its_flags_reach_the_node(network: Network) -> None:
    assert "mempool.max_tx_bytes=4321" in network.flags
    assert 'consensus.timeout_commit="150ms"' in network.flags
    directory = network.nodes[0].data_directory
    assert directory is not None
    assert "max_tx_bytes = 4321" in (directory / "config" / "config.toml").read_text()
    too_large = ask_error(network.nodes[0].address, "/broadcast_tx_sync?tx=0x" + "00" * 5000)
    assert "Tx too large. Max size is 4321" in too_large


def test_every_validator_tells_prometheus_about_itself(network: Network) -> None:
    for node in network.nodes:
        assert node.metrics_url is not None
        page = get(node.metrics_url.removeprefix("http://").removesuffix("/metrics"), "/metrics").decode()
        assert "\ncometbft_consensus_height{" in page


def test_private_keys_are_for_their_owner_only_and_the_treasury_is_in_no_file(network: Network) -> None:
    for node in network.nodes:
        assert node.data_directory is not None
        for name in ("node_key.json", "priv_validator_key.json"):
            assert stat.S_IMODE((node.data_directory / "config" / name).stat().st_mode) == 0o600
        seed = network.secrets["funding_key"].encode()
        files = [path for path in node.data_directory.rglob("*") if path.is_file()]
        assert [path for path in files if seed in path.read_bytes()] == []
    assert network.secrets["funding_key"] not in repr(network)


def test_another_process_can_stop_what_was_left_running(tmp_path: Path) -> None:
    with outliving():
        network = CometBftLedger().up(tmp_path / "network", {**FAST, "validators": 2}, lambda line: None)
    identities = [ProcessId.of(node.pid) for node in network.nodes if node.pid is not None]
    assert [identity.running() for identity in identities if identity is not None] == [True, True]
    CometBftLedger().down(network)
    CometBftLedger().down(network)
    assert [identity.running() for identity in identities if identity is not None] == [False, False]


def test_a_setting_the_node_does_not_know_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        CometBftLedger().up(tmp_path / "network", {"config": {"consensus.timeout_comit": "1s"}}, lambda line: None)
    assert "cometbft, node validator" in caught.value.what
    assert "timeout_comit" in caught.value.remedy


def test_options_are_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean timeout_commit_ms"):
        CometBftLedger().up(tmp_path / "never", {"timeout_commit": 1}, lambda line: None)
    assert not (tmp_path / "never").exists()


def test_the_application_passes_its_own_tests() -> None:
    go = shutil.which("go")
    if go is None:
        missing("go on PATH, to run the tests of bench/ledgers/cometbft/application")
    build(SOURCE, lambda line: None)  # with these flags, so that next to nothing is left to compile
    command = [go, "test", "-trimpath", "-buildvcs=false", "-vet=off", "./ledger"]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        command,
        cwd=SOURCE.directory,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def ask_error(address: str, path: str) -> str:
    return str(json.loads(get(address, path))["error"]["data"])
