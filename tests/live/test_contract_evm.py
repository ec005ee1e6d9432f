"""The adapter contract on a real EVM node: native transfers over HTTP, a contract over WebSocket."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from bench.adapters.evm.adapter import EvmAdapter
from bench.api import Account, Adapter, Endpoint, Kind, Operation, Workload
from bench.testing import AdapterContract
from tests.support.anvil import AnvilNetwork, anvil_network
from workloads.smallbank import WORKLOAD as SMALLBANK
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live


@pytest.fixture(scope="class")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnvilNetwork]:
    with anvil_network(tmp_path_factory.mktemp("anvil"), block_time_s=0.5) as network:
        yield network


class EvmContract(AdapterContract):
    patience_s = 30.0

    @pytest.fixture
    def endpoint(self, anvil: AnvilNetwork) -> Endpoint:
        return Endpoint(anvil.endpoint)

    @pytest.fixture
    def dead_endpoint(self) -> Endpoint:
        return Endpoint("http://127.0.0.1:9")

    @pytest.fixture
    def secrets(self, anvil: AnvilNetwork) -> Mapping[str, str]:
        return {"funding_key": anvil.funding_key}

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        return EvmAdapter


class TestTransferOverHttp(EvmContract):
    read = Operation("balance", {"of": Account(1)}, Kind.READ)
    audit_read = ("transactions_since_start", {})

    @pytest.fixture
    def other_endpoint(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
        with anvil_network(tmp_path_factory.mktemp("other"), chain_id=4711) as network:
            yield Endpoint(network.endpoint)

    @pytest.fixture
    def workload(self) -> Workload:
        return TRANSFER

    def write(self, number: int) -> Operation:
        return Operation("transfer", {"to": Account(number % self.accounts), "amount": 1})


class TestSmallBankOverWebSocket(EvmContract):
    read = Operation("balance", {"customer": 1}, Kind.READ)
    refused = Operation("send_payment", {"from": 1, "to": 2, "amount": 10**9}, expects_refusal=True)
    audit_read = ("total_of", {"first": 0, "count": 10})

    @pytest.fixture
    def endpoint(self, anvil: AnvilNetwork) -> Endpoint:
        return Endpoint(anvil.ws_endpoint)

    @pytest.fixture
    def workload(self) -> Workload:
        return SMALLBANK

    @pytest.fixture
    def parameters(self, workload: Workload) -> Mapping[str, object]:
        return {**workload.defaults, "customers": 20}

    def write(self, number: int) -> Operation:
        return Operation("deposit_checking", {"customer": number % 20, "amount": 130})
