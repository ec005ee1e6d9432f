"""The adapter contract on a real Fabric network with TLS, on both submit paths."""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest

from bench.adapters.fabric.adapter import FabricAdapter
from bench.api import Adapter, Endpoint, Kind, Network, Operation, Workload
from bench.ledgers.fabric import programs
from bench.testing import AdapterContract, Stage
from bench.testing.basis import ContractBasis
from bench.testing.submitting_promises import SubmittingPromises
from tests.support.fabric import fabric_network
from workloads.smallbank import WORKLOAD as SMALLBANK

pytestmark = pytest.mark.live
CUSTOMERS = 400
_turns = count()


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with fabric_network(tmp_path_factory.mktemp("fabric"), batch_timeout_s=0.1) as network:
        yield network


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    own = str(programs.install(lambda _: None).fabric)  # as if somebody had brought programs of his own
    directory = tmp_path_factory.mktemp("other")
    with fabric_network(directory, chaincodes=["smallbank"], orderers=1, fabric_bin=own) as network:
        assert network.version == "2.5.0"
        yield network


class FabricContract(ContractBasis):
    patience_s = 30.0

    @pytest.fixture
    def endpoint(self, fabric: Network) -> Endpoint:
        return Endpoint(fabric.endpoint, options=fabric.adapter_options)

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        return FabricAdapter

    @pytest.fixture
    def dead_endpoint(self, fabric: Network, tmp_path: Path) -> Endpoint:
        profile = Path(str(fabric.adapter_options["profile"])).read_text()
        port = fabric.endpoint.rpartition(":")[2]
        path = tmp_path / "dead.json"
        path.write_text(profile.replace(port, "9"))
        return Endpoint(fabric.endpoint.replace(port, "9"), options={**fabric.adapter_options, "profile": str(path)})


class SmallBankContract(FabricContract):
    """Deposits go to the next customer, whatever their number: the contract writes the same numbers from several
    threads at once, and on Fabric two writes of one key in one block conflict.
    """

    numbered = False

    read = Operation("balance", {"customer": 1}, Kind.READ)
    refused = Operation("send_payment", {"from": 1, "to": 2, "amount": 10**9}, expects_refusal=True)
    audit_read = ("total_of", {"first": 0, "count": 10})

    @pytest.fixture
    def workload(self) -> Workload:
        return SMALLBANK

    @pytest.fixture
    def parameters(self, workload: Workload) -> Mapping[str, object]:
        return {**workload.defaults, "customers": CUSTOMERS}

    def write(self, number: int) -> Operation:
        customer = number if self.numbered else next(_turns) % CUSTOMERS
        return Operation("deposit_checking", {"customer": customer, "amount": 130})


class TestSmallBankByPipeline(SmallBankContract, AdapterContract):
    def test_encode_is_deterministic(self, stage: Stage) -> None:
        self.numbered = True
        super().test_encode_is_deterministic(stage)

    @pytest.fixture
    def other_endpoint(self, other: Network) -> Endpoint:
        return Endpoint(other.endpoint, options=other.adapter_options)


class TestSmallBankByGateway(SmallBankContract, SubmittingPromises):
    """The path matters to what `submit` promises only."""

    @pytest.fixture
    def endpoint(self, fabric: Network) -> Endpoint:
        return Endpoint(fabric.endpoint, options={**fabric.adapter_options, "submit_path": "gateway"})
