"""The adapter contract on a real network of litecoind: payments, and documents anchored in OP_RETURN outputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

import pytest

from bench.adapters.utxo.adapter import UtxoAdapter
from bench.api import Account, Adapter, Endpoint, Kind, Operation, Transaction, Workload
from bench.model.ledger import Network
from bench.testing import AdapterContract
from tests.support.litecoin import endpoint_of, litecoin_network
from workloads.notary import WORKLOAD as NOTARY
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live


def document(number: int) -> bytes:
    return hashlib.sha256(f"document {number}".encode()).digest()


@pytest.fixture(scope="module")
def litecoin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with litecoin_network(tmp_path_factory.mktemp("litecoin"), block_time_s=0.25) as network:
        yield network


@pytest.fixture(scope="module")
def other_litecoin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with litecoin_network(tmp_path_factory.mktemp("other"), nodes=1) as network:
        yield network


class UtxoContract(AdapterContract):
    read = Operation("verify", {"document": document(0)}, Kind.READ)
    audit_read = ("transactions_since_start", {})

    @pytest.fixture
    def endpoint(self, litecoin: Network) -> Endpoint:
        return endpoint_of(litecoin)

    @pytest.fixture
    def other_endpoint(self, other_litecoin: Network) -> Endpoint:
        return endpoint_of(other_litecoin)

    @pytest.fixture
    def dead_endpoint(self) -> Endpoint:
        return Endpoint("http://127.0.0.1:9")

    @pytest.fixture
    def secrets(self, litecoin: Network) -> Mapping[str, str]:
        return litecoin.secrets

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        return UtxoAdapter

    def malformed(self, transaction: Transaction) -> Transaction:
        """Cut short inside its hexadecimal digits, not inside the JSON around them."""
        return Transaction(transaction.tx_id, transaction.payload[:-12] + b'"]}')


class TestTransfer(UtxoContract):
    @pytest.fixture
    def workload(self) -> Workload:
        return TRANSFER

    def write(self, number: int) -> Operation:
        return Operation("transfer", {"to": Account(number % self.accounts), "amount": 1})


class TestNotary(UtxoContract):
    audit_read = ("verify", {"document": document(0)})

    @pytest.fixture
    def workload(self) -> Workload:
        return NOTARY

    def write(self, number: int) -> Operation:
        return Operation("anchor", {"document": document(number)})
