"""The central baseline on a real PostgreSQL: the adapter contract, refusals, durability across kills, a broken chain, a
server that is not ours.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from bench.adapters.postgres import PostgresAdapter
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
)
from bench.ledgers import postgres_server
from bench.ledgers.postgres import PostgresLedger
from bench.model.ledger import Durability
from bench.model.transaction import ErrorClass, Refusal, Unanswered
from bench.testing import AdapterContract, Stage
from tests.support.contracts import SmallBank, Transfers, running
from workloads.smallbank import WORKLOAD as SMALLBANK
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live
SILENT = lambda _: None  # noqa: E731
BANK = {**SMALLBANK.defaults, "customers": 10}


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with running(PostgresLedger(), tmp_path / "one") as network:
        yield network


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running(PostgresLedger(), tmp_path_factory.mktemp("shared")) as network:
        yield network


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running(PostgresLedger(), tmp_path_factory.mktemp("bank")) as network:
        yield network


@pytest.fixture
def stage(bank: Network) -> Iterator[Stage]:
    stage = Stage(PostgresAdapter, Endpoint(bank.endpoint), Setup(SMALLBANK, BANK, 2, 100, 1), 10.0)
    try:
        yield stage
    finally:
        stage.close()


def dsn_of(network: Network) -> str:
    """Where the managed ledger's own server listens: it stands in for one that is not ours."""
    (database,) = (node for node in network.nodes if node.role == "database")
    return f"postgresql://{postgres_server.USER}@{database.address}/postgres"


def connected(network: Network) -> psycopg.Connection:
    return psycopg.connect(dsn_of(network), password=network.secrets["password"], autocommit=True)


class PostgresContract(AdapterContract):
    audit_read = ("transactions_since_start", {})

    @pytest.fixture
    def dead_endpoint(self, tmp_path: Path) -> Endpoint:
        return Endpoint(f"unix:{tmp_path}/nobody.sock")

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        return PostgresAdapter


class TestTransferOnPostgres(Transfers, PostgresContract):
    refused = Operation("transfer", {"to": Account(1), "amount": 2**62})

    @pytest.fixture
    def endpoint(self, shared: Network) -> Endpoint:
        return Endpoint(shared.endpoint)

    @pytest.fixture
    def other_endpoint(self, bank: Network) -> Endpoint:
        return Endpoint(bank.endpoint)


class TestSmallBankOnPostgres(SmallBank, PostgresContract):
    customers = 10

    @pytest.fixture
    def endpoint(self, bank: Network) -> Endpoint:
        return Endpoint(bank.endpoint)


def deposit(customer: int = 0) -> Operation:
    return Operation("deposit_checking", {"customer": customer, "amount": 130})


def pay(amount: int) -> Operation:
    return Operation("send_payment", {"from": 1, "to": 2, "amount": amount})


def test_what_one_of_a_group_breaks_leaves_its_neighbours_untouched(stage: Stage) -> None:
    before = stage.adapter.state().read("total_of", {"first": 0, "count": 10})
    operations = [deposit()] * 20 + [pay(10**9), Operation("deposit_checking", {"customer": 3, "amount": -1})]
    operations += [
        Operation("nothing_of_ours", {}),
        Operation("deposit_checking", {"customer": 3, "amount": 2**63 - 1}),
    ]
    transactions = stage.encode([*operations, *[deposit()] * 20, pay(10**9)])
    follower = stage.follow()
    replies = stage.adapter.submit(transactions)
    assert replies[:21] == [ACCEPTED] * 21
    assert [reply.error_class for reply in replies[21:24] if isinstance(reply, Refusal)] == [
        ErrorClass.INVALID_TRANSACTION,
        ErrorClass.METHOD_MISSING,
        ErrorClass.INVALID_TRANSACTION,
    ]
    assert replies[24:] == [ACCEPTED] * 21
    included = follower.wait_for([tx.tx_id for tx in (*transactions[:21], *transactions[24:])])
    assert [included[tx.tx_id] for tx in (transactions[20], transactions[-1])] == [[33], [33]]
    assert [included[tx.tx_id] for tx in transactions[:20]] == [[0]] * 20
    assert stage.adapter.state().read("total_of", {"first": 0, "count": 10}) == before + 40 * 130


def test_acknowledged_transactions_survive_sigkill_of_everything(tmp_path: Path) -> None:
    ledger = PostgresLedger()
    network = ledger.up(tmp_path, {}, SILENT)
    try:
        adapter = PostgresAdapter()
        adapter.open(Endpoint(network.endpoint))
        adapter.prepare(Setup(SMALLBANK, BANK, 2, 100, 1))
        transactions = [adapter.encode(deposit(), 0, 0) for _ in range(50)]
        assert adapter.submit(transactions) == [ACCEPTED] * 50
        for node in reversed(network.nodes):
            assert node.pid is not None
            os.kill(node.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while isinstance(reply := adapter.submit(transactions[:1])[0], Unanswered) and time.monotonic() < deadline:
            pass
        assert isinstance(reply, Refusal), "a dead sequencer is unreachable"
        adapter.close()
        ledger.down(network)
        assert started_again(tmp_path, network) == (50, 50)
    finally:
        ledger.down(network)


def started_again(directory: Path, network: Network) -> tuple[int, int]:
    """Transactions in the chain after the server has recovered, and those with an id of their own."""
    (database,) = (node for node in network.nodes if node.role == "database")
    (directory / "postgres/data/postmaster.pid").unlink(missing_ok=True)
    with (directory / "again.log").open("wb") as log:
        server = subprocess.Popen(postgres_server.unprivileged(database.command), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                with connected(network) as connection:
                    row = connection.execute("SELECT count(*), count(DISTINCT tx_id) FROM bench.ledger_transactions")
                    return row.fetchone()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (directory / "again.log").read_text()
                time.sleep(0.1)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def test_a_tampered_chain_is_told(network: Network) -> None:
    with_bank = Stage(PostgresAdapter, Endpoint(network.endpoint), Setup(SMALLBANK, BANK, 2, 100, 1), 10.0)
    try:
        assert with_bank.adapter.submit(with_bank.encode([deposit(), deposit()])) == [ACCEPTED] * 2
        assert with_bank.adapter.state().read("verified_height", {}) == 2
        with connected(network) as connection:
            connection.execute("UPDATE bench.ledger_transactions SET error_class = 33 WHERE number = 1")
        with pytest.raises(LedgerError, match="the chain is broken"):
            with_bank.adapter.state().read("verified_height", {})
    finally:
        with_bank.close()


def test_the_server_is_told_to_be_durable_and_says_so(bank: Network, stage: Stage) -> None:
    assert bank.ledger_class.durability == Durability.FSYNC
    settings = stage.fixture.disclosed["settings"]
    assert {"fsync=on", "synchronous_commit=on", "full_page_writes=on"} <= set(settings)
    assert stage.fixture.disclosed["durability"] == Durability.FSYNC
    assert stage.fixture.disclosed["client"] == f"PostgreSQL {settings[0].split('=')[1]}"


def test_a_server_without_fsync_is_refused_by_the_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.ledgers.postgres.PostgresOptions.settings", lambda _: ("fsync=off",))
    with pytest.raises(LedgerError, match="does not make commits durable"):
        PostgresLedger().up(tmp_path, {}, SILENT)


def test_an_outside_database_is_measured_and_left_as_it_was(shared: Network) -> None:
    def schemas() -> list[tuple[str]]:
        with connected(shared) as connection:
            return connection.execute("SELECT nspname FROM pg_namespace ORDER BY 1").fetchall()

    before = schemas()
    secrets = {"funding_key": shared.secrets["password"]}
    stage = Stage(PostgresAdapter, Endpoint(dsn_of(shared)), Setup(TRANSFER, {}, 2, 100, 1, secrets), 10.0)
    try:
        assert len(schemas()) == len(before) + 1
        transactions = stage.encode([Operation("transfer", {"to": Account(1), "amount": 1})] * 30)
        follower = stage.follow()
        assert stage.open().submit(transactions) == [ACCEPTED] * 30
        follower.wait_for([transaction.tx_id for transaction in transactions])
        assert stage.open().state().read("transactions_since_start", {}) == 30
        assert stage.adapter.state().read("verified_height", {}) >= 2
        shown = repr((stage.fixture, stage.fixture.data, stage.fixture.disclosed))
        assert shared.secrets["password"] not in shown
    finally:
        stage.close()
    assert schemas() == before


def test_the_password_may_come_as_a_header(shared: Network) -> None:
    adapter = PostgresAdapter()
    adapter.open(Endpoint(dsn_of(shared), headers={"Password": shared.secrets["password"]}))
    assert adapter.prepare(Setup(TRANSFER, {}, 2, 100, 1)).disclosed["durability"] == Durability.FSYNC
    adapter.close()
    with pytest.raises(LedgerError, match="no PostgreSQL server answers"):
        adapter.open(Endpoint("postgresql://bench@127.0.0.1:9/postgres", timeout_s=2))


def test_a_wrong_password_is_the_ledgers_fault_and_is_not_shown(shared: Network) -> None:
    adapter = PostgresAdapter()
    adapter.open(Endpoint(dsn_of(shared)))
    with pytest.raises(LedgerError, match="password authentication failed") as caught:
        adapter.prepare(Setup(TRANSFER, {}, 2, 100, 1, {"funding_key": "not-the-secret-word"}))
    assert "not-the-secret-word" not in str(caught.value)
    adapter.close()


def test_another_protocol_is_no_postgres_server(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="carries a password"):
        PostgresAdapter().open(Endpoint("postgresql://me:secret@127.0.0.1/db"))
    with pytest.raises(ConfigurationError, match="carries a password"):
        PostgresAdapter().open(Endpoint("postgresql://me@127.0.0.1/db?password=secret"))
    with pytest.raises(ConfigurationError, match="no such option"):
        PostgresAdapter().open(Endpoint("postgresql://me@127.0.0.1/db", options={"max_grop": 1}))


def test_down_ends_every_process_and_frees_the_port(tmp_path: Path) -> None:
    ledger = PostgresLedger()
    network = ledger.up(tmp_path / ("deep" * 30), {}, SILENT)
    processes = [psutil.Process(node.pid) for node in network.nodes]
    everything = [one for process in processes for one in (process, *process.children(recursive=True))]
    assert len(everything) > len(processes), "backends are children of the server"
    began = time.monotonic()
    ledger.down(network)
    assert time.monotonic() - began < 5
    assert not [process for process in everything if process.is_running() and process.status() != "zombie"]


def test_as_root_the_server_is_somebody_else(bank: Network) -> None:
    pid = next(node.pid for node in bank.nodes if node.role == "database")
    uid = psutil.Process(pid).uids().effective
    assert uid != 0
    assert (uid == os.geteuid()) == (os.geteuid() != 0)
