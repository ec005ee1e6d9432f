"""A real Fabric network: conflicts, refusals, audits, an orderer's death, a network by its profile, and a clean end."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import yaml

from bench.adapters.fabric.adapter import FabricAdapter
from bench.api import (
    ACCEPTED,
    Account,
    Endpoint,
    ErrorClass,
    Kind,
    LedgerError,
    Network,
    Operation,
    Refusal,
    Setup,
    Workload,
)
from bench.ledgers.fabric import channel
from bench.ledgers.fabric.ledger import FabricLedger
from bench.testing import Stage
from tests.support.cli import ROOT
from tests.support.fabric import fabric_network
from workloads.notary import WORKLOAD as NOTARY
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live
VALID, CONFLICT = [int(ErrorClass.NONE)], [int(ErrorClass.CONFLICT)]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with fabric_network(tmp_path_factory.mktemp("fabric"), chaincodes=["transfer", "notary"]) as network:
        yield network


@contextlib.contextmanager
def staged(network: Network, workload: Workload) -> Iterator[Stage]:
    endpoint = Endpoint(network.endpoint, options=network.adapter_options)
    stage = Stage(FabricAdapter, endpoint, Setup(workload, workload.defaults, 6, 100, 1), 30.0)
    try:
        yield stage
    finally:
        stage.close()


def pay(to: int, amount: int) -> Operation:
    return Operation("transfer", {"to": Account(to), "amount": amount})


def test_every_node_is_declared_and_tells_of_itself(network: Network) -> None:
    roles = [node.role for node in network.nodes]
    assert roles == ["orderer"] * 3 + ["peer"] * 2 + ["chaincode"] * 4
    assert all(psutil.pid_exists(node.pid) for node in network.nodes if node.pid is not None)
    for node in network.nodes[:5]:
        assert node.metrics_url is not None
        url = urlsplit(node.metrics_url)
        connection = http.client.HTTPConnection(url.netloc, timeout=5)
        connection.request("GET", url.path)
        page = connection.getresponse().read().decode()
        connection.close()
        expected = "consensus_etcdraft_is_leader" if node.role == "orderer" else "ledger_blockchain_height"
        assert f'{expected}{{channel="bench"}}' in page


def test_two_payments_of_one_account_in_one_block_conflict_and_money_stays(network: Network) -> None:
    with staged(network, TRANSFER) as stage:
        follower = stage.follow()
        first, second, paid_too = stage.encode([pay(1, 5), pay(2, 5)]) + stage.encode([pay(1, 7)], 3)
        assert stage.adapter.submit([first, second, paid_too]) == [ACCEPTED] * 3
        included = follower.wait_for([one.tx_id for one in (first, second, paid_too)])
        assert sorted([included[first.tx_id], included[second.tx_id]]) == [VALID, CONFLICT]
        assert included[paid_too.tx_id] == VALID  # being paid conflicts with nothing
        state = stage.open().state()  # type: ignore[attr-defined]
        assert state.read("transactions_since_start", {}) == 3
        assert state.read("money_created_since_start", {}) == 0


def test_what_was_given_can_be_spent_and_no_more(network: Network) -> None:
    with staged(network, TRANSFER) as stage:
        follower = stage.follow()
        state = stage.adapter.state()  # type: ignore[attr-defined]
        held = state.read("balance", {"of": Account(4)}) + state.read("balance", {"of": Account(5)})
        everything = state.read("balance", {"of": Account(4)})
        (given,) = stage.encode([pay(5, everything)], 4)
        assert stage.adapter.submit([given]) == [ACCEPTED]
        assert follower.wait_for([given.tx_id])[given.tx_id] == VALID
        (reply,) = stage.adapter.submit(stage.encode([pay(1, 1)], 4))
        assert reply == Refusal(ErrorClass.BUSINESS_REFUSAL, "insufficient_funds")
        (back,) = stage.encode([pay(4, held)], 5)
        assert stage.adapter.submit([back]) == [ACCEPTED]
        assert follower.wait_for([back.tx_id])[back.tx_id] == VALID
        assert state.read("balance", {"of": Account(4)}) == held
        assert state.read("balance", {"of": Account(5)}) == 0
        assert state.read("money_created_since_start", {}) == 0


def test_a_document_is_anchored_once(network: Network) -> None:
    document, unknown = bytes(range(32)), bytes(32)
    with staged(network, NOTARY) as stage:
        follower = stage.follow()
        (anchored,) = stage.encode([Operation("anchor", {"document": document})])
        assert stage.adapter.submit([anchored]) == [ACCEPTED]
        assert follower.wait_for([anchored.tx_id])[anchored.tx_id] == VALID
        (again,) = stage.adapter.submit(stage.encode([Operation("anchor", {"document": document})]))
        assert again == Refusal(ErrorClass.BUSINESS_REFUSAL, "already_anchored")
        state = stage.adapter.state()  # type: ignore[attr-defined]
        assert abs(state.read("verify", {"document": document}) - time.time()) < 120
        assert state.read("verify", {"document": unknown}) == 0
        assert state.read("missing", {"documents": document + unknown, "tx_ids": bytes(64)}) == 1
        (refused,) = stage.adapter.submit(stage.encode([Operation("verify", {"document": b"", "more": 1}, Kind.READ)]))
        assert isinstance(refused, Refusal)
        assert refused.error_class is ErrorClass.READ_REFUSED


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A place for temporary files with a short name: sockets are among them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        yield Path(directory)


def test_a_key_given_as_text_goes_with_a_process_that_is_killed(
    network: Network, tmp_path: Path, temporary: Path
) -> None:
    options = dict(network.adapter_options)
    pem = Path(str(options.pop("key"))).read_text()
    script = tmp_path / "prepare.py"
    script.write_text(
        "import sys, json, time\n"
        "from bench.adapters.fabric.adapter import FabricAdapter\n"
        "from bench.api import Endpoint, Setup\n"
        "from workloads.notary import WORKLOAD\n"
        "url, options, pem = json.loads(sys.stdin.readline())\n"
        "adapter = FabricAdapter()\n"
        "adapter.open(Endpoint(url, options=options))\n"
        "fixture = adapter.prepare(Setup(WORKLOAD, {}, 2, 100, 1, {'funding_key': pem}))\n"
        "print(fixture.data['key'], flush=True)\n"
        "time.sleep(600)\n"
    )
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps([network.endpoint, options, pem]) + "\n")
        process.stdin.flush()
        key = Path(process.stdout.readline().strip())
        assert key.read_text().strip() == pem.strip()
        assert (key.stat().st_mode & 0o777, temporary in key.parents) == (0o600, True)
    finally:
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 10
    while list(temporary.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(temporary.iterdir())


def test_a_network_is_driven_by_its_profile_and_a_key_file(network: Network, tmp_path: Path, temporary: Path) -> None:
    options = network.adapter_options
    profile = tmp_path / "connection.yaml"
    profile.write_text(yaml.safe_dump(json.loads(Path(str(options["profile"])).read_text())))
    command = [
        *(sys.executable, str(ROOT / "bench.py")),
        *("run", "--adapter", "fabric", "--endpoint", network.endpoint, "--workload", "notary", "--rate", "20"),
        *("--duration", "5s", "--set", f"endpoint.options.profile={profile}"),
        *("--set", f"endpoint.options.cert={options['cert']}", "--set", "endpoint.options.submit_path=gateway"),
        *("--key-file", str(options["key"]), "--out", str(tmp_path / "out")),
    ]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode in (0, 3), done.stderr  # 3: this machine was too busy for a valid measurement
    (found,) = (tmp_path / "out").glob("*/result.json")
    result = json.loads(found.read_text())
    counts = result["trials"][0]["counts"]
    assert counts["finalized"] == counts["submitted"] > 30
    assert [one["status"] for one in result["audit"]["invariants"]] == ["held"]
    ours = {one["process"]: one["cpu_s"] for one in result["trials"][0]["resources"] if one["role"] == "harness"}
    assert {"fabric-client (worker-0)", "fabric-client (observer)"} <= ours.keys(), "they send and follow the load"
    assert ours["fabric-client (worker-0)"] > 0
    deadline = time.monotonic() + 10  # a client program ends a moment after its worker
    while list(temporary.glob("bench-fabric-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not list(temporary.glob("bench-fabric-*")), "a key or a client program's files were left behind"
    key = Path(str(options["key"])).read_text().splitlines()[1]
    for path in found.parent.iterdir():
        assert key.encode() not in path.read_bytes()


def test_the_client_program_ends_with_a_killed_worker(network: Network) -> None:
    program = (
        "import json, sys, time;from bench.api import Endpoint;from bench.adapters.fabric.adapter import FabricAdapter;"
        "adapter = FabricAdapter(); adapter.open(Endpoint(sys.argv[1], options=json.loads(sys.argv[2])));"
        "print('open', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, network.endpoint, json.dumps(network.adapter_options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"open\n"
        (client,) = psutil.Process(worker.pid).children()
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
    client.wait(10)
    assert not client.is_running()


def test_load_goes_on_when_the_leading_orderer_dies(network: Network) -> None:
    leading = next(node for node in network.nodes if node.role == "orderer" and _leads(node.metrics_url or ""))
    assert leading.pid is not None
    with staged(network, TRANSFER) as stage:
        follower = stage.follow()
        os.kill(leading.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while True:
            (transaction,) = stage.encode([pay(1, 1)], 2)
            if stage.adapter.submit([transaction]) == [ACCEPTED]:
                break
            assert time.monotonic() < deadline, "no orderer took a transaction within 30 s"
            time.sleep(0.2)
        assert follower.wait_for([transaction.tx_id])[transaction.tx_id] == VALID


def test_down_leaves_nothing(network: Network) -> None:
    ledger = FabricLedger()
    ledger.down(network)
    ledger.down(network)
    assert not any(psutil.pid_exists(node.pid) for node in network.nodes if node.pid is not None)


def test_a_failing_step_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    monkeypatch.setattr(channel, "package", lambda *_: "transfer:" + "0" * 64)  # nothing to install
    with pytest.raises(LedgerError, match="peer lifecycle chaincode install failed"):
        FabricLedger().up(tmp_path, {"chaincodes": ["transfer"], "orderers": 1}, lambda _: None)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def _leads(metrics_url: str) -> bool:
    url = urlsplit(metrics_url)
    connection = http.client.HTTPConnection(url.netloc, timeout=5)
    try:
        connection.request("GET", url.path)
        return 'consensus_etcdraft_is_leader{channel="bench"} 1' in connection.getresponse().read().decode()
    finally:
        connection.close()
