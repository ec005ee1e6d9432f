"""The embedded baseline as a process: the adapter contract, idempotence, durability across a kill, a broken chain."""

import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.adapters.sqlite import SqliteAdapter
from bench.api import (
    ACCEPTED,
    Account,
    Adapter,
    ConfigurationError,
    Endpoint,
    LedgerError,
    Network,
    Operation,
    Setup,
    Workload,
)
from bench.ledgers import socket_node
from bench.ledgers.sqlite import SqliteLedger
from bench.model.transaction import Refusal, Unanswered
from bench.testing import AdapterContract, Stage
from tests.support.contracts import SmallBank, Transfers, running
from workloads.smallbank import WORKLOAD as SMALLBANK
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live
SILENT = lambda _: None  # noqa: E731


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with running(SqliteLedger(), tmp_path / "one") as network:
        yield network


@pytest.fixture
def stage(network: Network) -> Iterator[Stage]:
    setup = Setup(SMALLBANK, {**SMALLBANK.defaults, "customers": 10}, 2, 100, 1)
    stage = Stage(SqliteAdapter, Endpoint(network.endpoint), setup, 10.0)
    try:
        yield stage
    finally:
        stage.close()


@pytest.fixture(scope="class")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running(SqliteLedger(), tmp_path_factory.mktemp("shared")) as network:
        yield network


class SqliteContract(AdapterContract):
    audit_read = ("transactions_since_start", {})

    @pytest.fixture
    def endpoint(self, shared: Network) -> Endpoint:
        return Endpoint(shared.endpoint)

    @pytest.fixture
    def dead_endpoint(self, tmp_path: Path) -> Endpoint:
        return Endpoint(f"unix:{tmp_path}/nobody.sock")

    @pytest.fixture
    def other_endpoint(self, tmp_path: Path) -> Iterator[Endpoint]:
        with running(SqliteLedger(), tmp_path / "two") as network:
            yield Endpoint(network.endpoint)

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        return SqliteAdapter


class TestTransferOnSqlite(Transfers, SqliteContract):
    refused = Operation("transfer", {"to": Account(1), "amount": 2**62})


class TestSmallBankOnSqlite(SmallBank, SqliteContract):
    pass


def deposit(customer: int = 0) -> Operation:
    return Operation("deposit_checking", {"customer": customer, "amount": 130})


def test_acknowledged_transactions_survive_sigkill(tmp_path: Path) -> None:
    ledger = SqliteLedger()
    network = ledger.up(tmp_path, {}, SILENT)
    setup = Setup(SMALLBANK, SMALLBANK.defaults, 2, 100, 1)
    try:
        adapter = SqliteAdapter()
        adapter.open(Endpoint(network.endpoint))
        fixture = adapter.prepare(setup)
        transactions = [adapter.encode(deposit(), 0, 0) for _ in range(50)]
        assert adapter.submit(transactions) == [ACCEPTED] * 50
        assert network.nodes[0].pid is not None
        os.kill(network.nodes[0].pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while isinstance(reply := adapter.submit(transactions[:1])[0], Unanswered) and time.monotonic() < deadline:
            pass
        assert isinstance(reply, Refusal), "a dead node is unreachable"
        ledger.down(network)

        (tmp_path / socket_node.SOCKET).unlink(missing_ok=True)
        network = ledger.up(tmp_path, {}, SILENT)
        again = SqliteAdapter()
        again.open(Endpoint(network.endpoint), fixture)
        assert again.state().read("transactions_since_start", {}) == 50
        assert again.submit(transactions) == [ACCEPTED] * 50, "resent after the restart: known, not executed again"
        assert again.state().read("transactions_since_start", {}) == 50
        assert again.state().read("balance", {"customer": 0}) == 20_000 + 50 * 130
        adapter.close()
        again.close()
    finally:
        ledger.down(network)


def test_a_tampered_chain_is_refused_at_start(tmp_path: Path, network: Network, stage: Stage) -> None:
    assert stage.adapter.submit(stage.encode([deposit()])) == [ACCEPTED]
    SqliteLedger().down(network)
    database = tmp_path / "one" / "ledger.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE ledger_transactions SET error_class = 33")
    connection.close()
    with pytest.raises(LedgerError, match="the chain is broken"):
        SqliteLedger().up(tmp_path / "one", {}, SILENT)


def test_a_ledger_prepared_for_one_workload_refuses_another(stage: Stage) -> None:
    with pytest.raises(LedgerError, match="start a fresh one"):
        stage.adapter.prepare(Setup(TRANSFER, TRANSFER.defaults, 2, 100, 1))


def test_a_workload_without_procedures_is_refused(stage: Stage, tmp_path: Path) -> None:
    nothing = Workload("nothing", "", "x:Y", tmp_path, (), frozenset({"sql"}))
    with pytest.raises(ConfigurationError, match="no SQL procedures"):
        stage.adapter.prepare(Setup(nothing, {}, 2, 100, 1))


def test_garbage_on_the_socket_ends_only_its_own_connection(network: Network, stage: Stage) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(5)
        stranger.connect(network.endpoint.removeprefix("unix:"))
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.recv(100) == b""
    assert stage.adapter.submit(stage.encode([deposit()])) == [ACCEPTED]


def test_down_ends_the_process_and_removes_the_socket(tmp_path: Path) -> None:
    ledger = SqliteLedger()
    directory = tmp_path / ("deep" * 30)
    network = ledger.up(directory, {}, SILENT)
    pid = network.nodes[0].pid
    assert pid is not None
    ledger.down(network)
    assert not psutil.pid_exists(pid)
    assert not (directory / socket_node.SOCKET).exists()


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean max_group"):
        SqliteLedger().up(tmp_path, {"max_grop": 5}, SILENT)
    with pytest.raises(ConfigurationError, match="max_group"):
        SqliteLedger().up(tmp_path, {"max_group": 0}, SILENT)


def test_an_idle_node_uses_no_cpu(network: Network) -> None:
    node = psutil.Process(network.nodes[0].pid)
    before = node.cpu_times()
    time.sleep(1)
    after = node.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.05
