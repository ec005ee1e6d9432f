"""etcd on three real nodes: the adapter contract, races, a lost follower, a lost majority, a lost leader."""

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.adapters.etcd.adapter import EtcdAdapter
from bench.adapters.etcd.client import EtcdClient
from bench.adapters.etcd.commits import ANSWER_S, SILENCE_S
from bench.adapters.etcd.messages import RANGE, end_of, range_request, read_range
from bench.api import (
    ACCEPTED,
    Account,
    Adapter,
    ConfigurationError,
    Endpoint,
    Kind,
    Network,
    Operation,
    Setup,
    Workload,
)
from bench.ledgers.etcd import EtcdLedger
from bench.model.clock import NS_PER_S
from bench.model.transaction import ErrorClass, Refusal, Reply, Unanswered
from bench.testing import AdapterContract, Stage
from bench.testing.follower import Follower
from tests.support.contracts import Transfers, running
from workloads.notary import WORKLOAD as NOTARY
from workloads.smallbank import WORKLOAD as SMALLBANK
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live
SILENT = lambda _: None  # noqa: E731


def endpoint_of(network: Network, **options: object) -> Endpoint:
    return Endpoint(network.endpoint, options={**network.adapter_options, **options})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running(EtcdLedger(), tmp_path_factory.mktemp("shared")) as network:
        yield network


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running(EtcdLedger(), tmp_path_factory.mktemp("other"), {"nodes": 1}) as network:
        yield network


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with running(EtcdLedger(), tmp_path / "own") as network:
        yield network


class EtcdContract(AdapterContract):
    audit_read = ("transactions_since_start", {})

    @pytest.fixture
    def endpoint(self, shared: Network) -> Endpoint:
        return endpoint_of(shared)

    @pytest.fixture
    def other_endpoint(self, other: Network) -> Endpoint:
        return endpoint_of(other)

    @pytest.fixture
    def dead_endpoint(self) -> Endpoint:
        return Endpoint("http://127.0.0.2:9", timeout_s=2)

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        return EtcdAdapter


class TestTransferOnEtcd(Transfers, EtcdContract):
    refused = Operation("transfer", {"to": Account(1), "amount": 2**62})


class TestNotaryOnEtcd(EtcdContract):
    read = Operation("verify", {"document": bytes(32)}, Kind.READ)
    audit_read = ("verify", {"document": bytes(32)})

    @pytest.fixture
    def workload(self) -> Workload:
        return NOTARY

    @pytest.fixture(autouse=True)
    def _fresh_documents(self) -> None:
        self.seed = os.urandom(16)

    def write(self, number: int) -> Operation:
        # the contract encodes equal writes for several senders; documents of one test must not repeat
        self.drawn = getattr(self, "drawn", 0) + 1
        return Operation("anchor", {"document": self.seed + self.drawn.to_bytes(16, "big")})

    def test_encode_is_deterministic(self, stage: Stage) -> None:
        documents = [Operation("anchor", {"document": bytes([number]) * 32}) for number in range(9)]
        one, two = stage.open(), stage.open()
        assert [one.encode(each, 1, 0) for each in documents] == [two.encode(each, 1, 0) for each in documents]


@pytest.fixture
def stage(shared: Network) -> Iterator[Stage]:
    stage = Stage(EtcdAdapter, endpoint_of(shared), Setup(TRANSFER, TRANSFER.defaults, 4, 100, 1), 20.0)
    try:
        yield stage
    finally:
        stage.close()


def pay(to: int = 1) -> Operation:
    return Operation("transfer", {"to": Account(to), "amount": 1})


def test_transfers_that_race_for_two_accounts_conserve_money(stage: Stage) -> None:
    before = {index: stage.adapter.state().read("balance", {"of": Account(index)}) for index in (0, 1)}
    adapters = [stage.open() for _ in range(4)]
    replies: list[Reply] = []

    def send(adapter: Adapter, number: int) -> None:
        adapter.encode(pay(), 0, 0) if number else None
        for _ in range(10):
            replies.extend(adapter.submit([adapter.encode(pay(1), 2 + number % 2, 1000 + number)]))

    threads = [threading.Thread(target=send, args=(each, number)) for number, each in enumerate(adapters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(replies) == 40
    done = sum(reply == ACCEPTED for reply in replies)
    assert all(reply == ACCEPTED or reply.error_class is ErrorClass.CONFLICT for reply in replies)
    assert done >= 20
    state = stage.adapter.state()
    assert state.read("balance", {"of": Account(1)}) == before[1] + done
    assert state.read("money_created_since_start", {}) == 0
    assert state.read("transactions_since_start", {}) == done


def test_a_race_that_may_not_be_run_again_is_a_conflict(shared: Network) -> None:
    stage = Stage(EtcdAdapter, endpoint_of(shared, retries=0), Setup(TRANSFER, {}, 2, 100, 1), 20.0)
    try:
        (first,) = stage.adapter.submit(stage.encode([pay()]))
        assert isinstance(first, Refusal), "nothing was known of the balances yet"
        assert first.error_class is ErrorClass.CONFLICT
        assert stage.adapter.submit(stage.encode([pay()])) == [ACCEPTED]
        assert stage.open().submit(stage.encode([pay()]))[0] != ACCEPTED
    finally:
        stage.close()


def test_a_batch_over_the_same_account_is_executed_whole(stage: Stage) -> None:
    before = stage.adapter.state().read("balance", {"of": Account(1)})
    transactions = stage.encode([pay(1)] * 20, sender=0)
    assert stage.adapter.submit(transactions) == [ACCEPTED] * 20
    assert stage.adapter.state().read("balance", {"of": Account(1)}) == before + 20
    assert stage.adapter.submit(transactions) == [ACCEPTED] * 20, "known, not executed again"
    assert stage.adapter.state().read("balance", {"of": Account(1)}) == before + 20


def test_paying_oneself_moves_nothing(stage: Stage) -> None:
    assert stage.adapter.submit(stage.encode([pay(3), pay(3)], sender=3)) == [ACCEPTED] * 2
    assert stage.adapter.state().read("money_created_since_start", {}) == 0


def test_a_second_anchor_is_refused_and_the_first_one_found(shared: Network) -> None:
    stage = Stage(EtcdAdapter, endpoint_of(shared), Setup(NOTARY, {}, 2, 100, 1), 20.0)
    document, unknown = os.urandom(32), os.urandom(32)
    try:
        anchors = stage.encode([Operation("anchor", {"document": document})] * 2)
        first, second = stage.adapter.submit(anchors[:1]) + stage.adapter.submit(anchors[1:])
        assert (first, second) == (ACCEPTED, Refusal(ErrorClass.BUSINESS_REFUSAL, "already_anchored"))
        state = stage.adapter.state()
        assert state.read("verify", {"document": document}) > 0
        assert state.read("verify", {"document": unknown}) == 0
        assert state.read("missing", {"documents": document + unknown, "tx_ids": bytes(64)}) == 1
    finally:
        stage.close()


def test_application_logic_is_a_declared_gap(shared: Network) -> None:
    adapter = EtcdAdapter()
    adapter.open(endpoint_of(shared))
    with pytest.raises(ConfigurationError, match="smallbank cannot be expressed on etcd"):
        adapter.prepare(Setup(SMALLBANK, SMALLBANK.defaults, 2, 100, 1))
    adapter.close()


def test_a_cluster_that_is_not_ours_is_left_as_it_was(other: Network) -> None:
    def keys() -> int:
        client = EtcdClient([("127.0.0.2", int(other.endpoint.rpartition(":")[2]))], 5)
        found = read_range(client.ask(RANGE, range_request(b"mine/", end_of(b"mine/"), count_only=True)))
        client.close()
        return found.count

    endpoint = Endpoint(other.endpoint, options={"prefix": "mine/"})
    stage = Stage(EtcdAdapter, endpoint, Setup(TRANSFER, {}, 2, 100, 1), 20.0)
    assert stage.adapter.submit(stage.encode([pay()])) == [ACCEPTED]
    assert keys() == 3
    stage.close()
    assert keys() == 0


def test_every_node_tells_prometheus_about_itself(shared: Network) -> None:
    for node in shared.nodes:
        host, _, port = node.address.partition(":")
        assert node.metrics_url == f"http://{host}:{port}/metrics"
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        assert "etcd_disk_wal_fsync_duration_seconds_count" in text
        assert "etcd_server_has_leader 1" in text


def kill(network: Network, address: str) -> None:
    (node,) = (node for node in network.nodes if node.address == address)
    assert node.pid is not None
    os.kill(node.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(node.pid)] if psutil.pid_exists(node.pid) else [], 5)


def accepted_within(adapter: Adapter, stage: Stage, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if adapter.submit(stage.encode([pay()])) == [ACCEPTED]:
            return True
        time.sleep(0.2)
    return False


def members(network: Network) -> list[str]:
    """Addresses, the leader's first."""
    adapter = EtcdAdapter()
    adapter.open(endpoint_of(network))
    addresses = [f"{host}:{port}" for host, port in adapter._client.addresses]  # type: ignore[union-attr]
    adapter.close()
    return addresses


def test_a_minority_may_fail_and_a_majority_may_not(network: Network) -> None:
    leader, follower, another = members(network)
    endpoint = Endpoint(network.endpoint, options=network.adapter_options, timeout_s=2.0)
    stage = Stage(EtcdAdapter, endpoint, Setup(TRANSFER, TRANSFER.defaults, 2, 100, 1), 20.0)
    try:
        followed = stage.follow()
        kill(network, follower)
        transactions = stage.encode([pay() for _ in range(5)])
        assert stage.adapter.submit(transactions) == [ACCEPTED] * 5
        followed.wait_for([transaction.tx_id for transaction in transactions])

        kill(network, another)
        (reply,) = stage.adapter.submit(stage.encode([pay()]))
        assert isinstance(reply, Unanswered), "one of three is no majority: nobody may say what became of it"
    finally:
        stage.close()
    assert leader not in (follower, another)


def test_the_load_goes_on_when_the_leader_is_killed(network: Network) -> None:
    leader, *_ = members(network)
    endpoint = Endpoint(network.endpoint, options=network.adapter_options, timeout_s=2.0)
    stage = Stage(EtcdAdapter, endpoint, Setup(TRANSFER, TRANSFER.defaults, 2, 100, 1), 20.0)
    try:
        followed = stage.follow()
        early = stage.encode([pay()])
        assert stage.adapter.submit(early) == [ACCEPTED]
        kill(network, leader)
        assert accepted_within(stage.adapter, stage, 15.0)
        late = stage.encode([pay()])
        assert stage.adapter.submit(late) == [ACCEPTED]
        included = followed.wait_for([early[0].tx_id, late[0].tx_id])
        assert included[early[0].tx_id] == included[late[0].tx_id] == [0]
        assert stage.adapter.state().read("money_created_since_start", {}) == 0
    finally:
        stage.close()


def test_down_ends_every_node(tmp_path: Path) -> None:
    ledger = EtcdLedger()
    network = ledger.up(tmp_path, {}, SILENT)
    pids = [node.pid for node in network.nodes]
    assert len(set(pids)) == 3
    ledger.down(network)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    with pytest.raises(ConfigurationError, match="nodes"):
        ledger.up(tmp_path / "two", {"nodes": 2}, SILENT)


@pytest.mark.parametrize("place", [0, 1], ids=["leader", "follower"])
def test_a_watch_on_a_frozen_member_goes_on_at_another(network: Network, place: int) -> None:
    endpoint = Endpoint(network.endpoint, options=network.adapter_options, timeout_s=2.0)
    stage = Stage(EtcdAdapter, endpoint, Setup(NOTARY, {}, 2, 100, 1), 20.0)
    watcher = stage.open()
    client = watcher._client  # type: ignore[attr-defined]
    client.addresses = (*client.addresses[place:], *client.addresses[:place])
    watched = "{}:{}".format(*client.addresses[0])
    (frozen,) = (psutil.Process(node.pid) for node in network.nodes if node.address == watched)
    followed = Follower(watcher, None, 20.0)
    accepted: list[bytes] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            (anchor,) = stage.encode([Operation("anchor", {"document": os.urandom(32)})])
            if stage.adapter.submit([anchor]) == [ACCEPTED]:
                accepted.append(anchor.tx_id)

    loading = threading.Thread(target=load)
    loading.start()
    try:
        wait_until(lambda: len(accepted) > 20)
        frozen.suspend()
        during = len(accepted)
        wait_until(lambda: len(accepted) > during + 20)
        followed.wait_for(accepted[:])
        frozen.resume()
        after = len(accepted)
        wait_until(lambda: len(accepted) > after + 20)
    finally:
        frozen.resume()
        stop.set()
        loading.join()
        try:
            included = followed.wait_for(accepted)
            followed.stop()
        finally:
            stage.close()
    assert all(included[tx_id] == [0] for tx_id in accepted), "each once"
    (gap,) = followed.blind
    assert SILENCE_S + ANSWER_S < (gap.until_ns - gap.from_ns) / NS_PER_S < SILENCE_S + ANSWER_S + 3
    heights = [block.height for block in followed.blocks]
    assert heights == list(range(heights[0], heights[0] + len(heights))), "no revision left out or told twice"


def wait_until(condition: Callable[[], bool], patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
