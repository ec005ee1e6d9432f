"""The adapter contract on real CometBFT networks: transfer and smallbank on our application, notary on the example."""

import base64
from collections.abc import Callable, Iterator, Mapping

import orjson
import pytest

from bench.adapters.cometbft.adapter import CometBftAdapter
from bench.api import Account, Adapter, Endpoint, Kind, Network, Operation, Transaction, Workload
from bench.testing import AdapterContract
from tests.support.cometbft import cometbft_network, endpoint_of
from workloads.notary import WORKLOAD as NOTARY
from workloads.smallbank import WORKLOAD as SMALLBANK
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with cometbft_network(tmp_path_factory.mktemp("application")) as network:
        yield network


@pytest.fixture(scope="module")
def kvstore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with cometbft_network(tmp_path_factory.mktemp("kvstore"), kvstore=True) as network:
        yield network


class CometBftContract(AdapterContract):
    patience_s = 30.0

    @pytest.fixture
    def network(self, application: Network) -> Network:
        return application

    @pytest.fixture
    def endpoint(self, network: Network) -> Endpoint:
        return endpoint_of(network)

    @pytest.fixture
    def dead_endpoint(self) -> Endpoint:
        return Endpoint("http://127.0.0.1:9")

    @pytest.fixture
    def secrets(self, network: Network) -> Mapping[str, str]:
        return network.secrets

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        return CometBftAdapter

    def malformed(self, transaction: Transaction) -> Transaction:
        """One bit of the signature differs."""
        request = orjson.loads(transaction.payload)
        raw = bytearray(base64.b64decode(request["params"]["tx"]))
        raw[-1] ^= 1
        request["params"]["tx"] = base64.b64encode(raw).decode()
        return Transaction(transaction.tx_id, orjson.dumps(request))


class TestTransferOnTheApplication(CometBftContract):
    read = Operation("balance", {"of": Account(1)}, Kind.READ)
    refused = Operation("transfer", {"to": Account(1), "amount": 2**61})
    audit_read = ("transactions_since_start", {})

    @pytest.fixture
    def other_endpoint(self, kvstore: Network) -> Endpoint:
        return endpoint_of(kvstore)

    @pytest.fixture
    def workload(self) -> Workload:
        return TRANSFER

    def write(self, number: int) -> Operation:
        return Operation("transfer", {"to": Account(number % self.accounts), "amount": 1})


class TestSmallBankOnTheApplication(CometBftContract):
    read = Operation("balance", {"customer": 1}, Kind.READ)
    refused = Operation("send_payment", {"from": 1, "to": 2, "amount": 10**9}, expects_refusal=True)
    audit_read = ("total_of", {"first": 0, "count": 10})

    @pytest.fixture
    def workload(self) -> Workload:
        return SMALLBANK

    @pytest.fixture
    def parameters(self, workload: Workload) -> Mapping[str, object]:
        return {**workload.defaults, "customers": 20}

    def write(self, number: int) -> Operation:
        return Operation("deposit_checking", {"customer": number % 20, "amount": 130})


class TestNotaryOnTheKvStore(CometBftContract):
    """Here a document may be anchored again; on our application it may not, which test_cometbft_adapter.py holds."""

    read = Operation("verify", {"document": bytes(32)}, Kind.READ)
    audit_read = ("missing", {"documents": bytes(64), "tx_ids": bytes(64)})

    @pytest.fixture
    def network(self, kvstore: Network) -> Network:
        return kvstore

    @pytest.fixture
    def workload(self) -> Workload:
        return NOTARY

    def write(self, number: int) -> Operation:
        return Operation("anchor", {"document": number.to_bytes(32, "big")})

    def malformed(self, transaction: Transaction) -> Transaction:
        """Not one `=` but two."""
        request = orjson.loads(transaction.payload)
        raw = base64.b64decode(request["params"]["tx"]) + b"="
        request["params"]["tx"] = base64.b64encode(raw).decode()
        return Transaction(transaction.tx_id, orjson.dumps(request))
