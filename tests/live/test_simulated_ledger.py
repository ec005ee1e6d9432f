"""The simulated ledger as a process: the adapter contract with and without sequences, and its script in real time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from bench.adapters.simulated import SimulatedAdapter
from bench.api import (
    ACCEPTED,
    Adapter,
    ConfigurationError,
    Endpoint,
    ErrorClass,
    Finality,
    Kind,
    LedgerError,
    Network,
    Operation,
    OperationInfo,
    Refusal,
    Setup,
    Unanswered,
    Workload,
)
from bench.ledgers.simulated import SimulatedLedger
from bench.testing import AdapterContract, Stage

pytestmark = pytest.mark.live
SILENT = lambda _: None  # noqa: E731
WORKLOAD = Workload(
    "pay-and-look",
    "",
    "x:Y",
    Path(__file__).parent,
    (OperationInfo("pay", Kind.WRITE, 1, ""), OperationInfo("look", Kind.READ, 1, "")),
    frozenset({"simulated"}),
)
PAY = Operation("pay", {"amount": 1})


@pytest.fixture(scope="class")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    ledger = SimulatedLedger()
    network = ledger.up(tmp_path_factory.mktemp("shared"), request.cls.options, SILENT)
    yield network
    ledger.down(network)


class SimulatedContract(AdapterContract):
    options: ClassVar[dict[str, object]] = {}
    read = Operation("look", {}, Kind.READ)
    audit_read = ("transactions_since_start", {})

    @pytest.fixture
    def endpoint(self, shared: Network) -> Endpoint:
        return Endpoint(shared.endpoint)

    @pytest.fixture
    def dead_endpoint(self, tmp_path: Path) -> Endpoint:
        return Endpoint(f"unix:{tmp_path}/nobody.sock")

    @pytest.fixture
    def other_endpoint(self, tmp_path: Path) -> Iterator[Endpoint]:
        ledger = SimulatedLedger()
        network = ledger.up(tmp_path, {}, SILENT)
        yield Endpoint(network.endpoint)
        ledger.down(network)

    @pytest.fixture
    def adapter_factory(self) -> Callable[[], Adapter]:
        return SimulatedAdapter

    @pytest.fixture
    def workload(self) -> Workload:
        return WORKLOAD

    def write(self, number: int) -> Operation:
        return Operation("pay", {"amount": number})


class TestImmediate(SimulatedContract):
    options: ClassVar[dict[str, object]] = {"accept_delay_ms": 1}


class TestSequencedBlocks(SimulatedContract):
    options: ClassVar[dict[str, object]] = {
        "sequencing": "account",
        "block_interval_ms": 50,
        "confirmations": 2,
        "reorder": True,
    }

    def test_script_is_what_the_adapter_tells(self, stage: Stage) -> None:
        assert stage.adapter.finality == Finality("simulated inclusion", 2)
        assert stage.sequenced


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Starts a ledger that behaves as given, and a stage on it."""
    ledger = SimulatedLedger()
    networks: list[Network] = []
    stages: list[Stage] = []

    def start(timeout_s: float = 5.0, **options: object) -> Stage:
        networks.append(ledger.up(tmp_path, options, SILENT))
        endpoint = Endpoint(networks[-1].endpoint, timeout_s=timeout_s)
        stages.append(Stage(SimulatedAdapter, endpoint, Setup(WORKLOAD, {}, 4, 100, 1), 10.0))
        return stages[-1]

    yield start
    for stage in stages:
        stage.close()
    for network in networks:
        ledger.down(network)


def test_a_stall_holds_back_answers_and_blocks(scripted: Callable[..., Stage]) -> None:
    stage = scripted(stalls=[[0, 0.5]], block_interval_ms=10)
    follower = stage.follow()
    sent = stage.encode([PAY])
    before = time.monotonic()
    assert stage.adapter.submit(sent) == [ACCEPTED]
    assert 0.5 <= time.monotonic() - before < 1.5
    follower.wait_for([sent[0].tx_id])
    assert time.monotonic() - before >= 0.5


def test_an_unanswered_send_is_committed_all_the_same(scripted: Callable[..., Stage]) -> None:
    stage = scripted(timeout_s=0.2, unanswered={"every": 2})
    follower = stage.follow()
    first, second = stage.encode([PAY, PAY])
    assert stage.adapter.submit([first]) == [ACCEPTED]
    assert isinstance(stage.adapter.submit([second])[0], Unanswered)
    follower.wait_for([first.tx_id, second.tx_id])
    assert stage.adapter.submit([second]) == [ACCEPTED], "resent: known"


def test_scripted_refusals_and_failures_have_their_classes(scripted: Callable[..., Stage]) -> None:
    stage = scripted(refuse={"every": 3, "error": "rate_limited"}, fail={"every": 2, "error": "conflict"})
    follower = stage.follow()
    sent = stage.encode([PAY] * 3)
    assert stage.adapter.submit(sent)[:2] == [ACCEPTED, ACCEPTED]
    assert stage.adapter.submit(stage.encode([PAY] * 2)) == [ACCEPTED, ACCEPTED]
    refused = stage.adapter.submit(stage.encode([PAY]))[0]
    assert isinstance(refused, Refusal)
    assert refused.error_class is ErrorClass.RATE_LIMITED
    included = follower.wait_for([sent[0].tx_id, sent[1].tx_id])
    assert [included[tx.tx_id] for tx in sent[:2]] == [[0], [int(ErrorClass.CONFLICT)]]


def test_a_node_that_went_away_is_unreachable(tmp_path: Path) -> None:
    ledger = SimulatedLedger()
    network = ledger.up(tmp_path, {}, SILENT)
    stage = Stage(SimulatedAdapter, Endpoint(network.endpoint), Setup(WORKLOAD, {}, 2, 100, 1), 10.0)
    follower = stage.follow()
    ledger.down(network)
    with pytest.raises(LedgerError, match="closed the connection"):
        follower.wait_for([bytes(32)])
    first, second = (stage.adapter.submit(stage.encode([PAY]))[0] for _ in range(2))
    assert isinstance(first, Unanswered), "the pooled connection broke under the request"
    assert isinstance(second, Refusal)
    assert second.error_class is ErrorClass.UNREACHABLE
    stage.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stals": []}, "unknown option stals, did you mean stalls?"),
        ({"refuse": {"evry": 3}}, "unknown option refuse.evry, did you mean every?"),
        ({"refuse": {"every": 3, "probability": 0.1}}, "either every or probability"),
        ({"fail": {"every": 3, "error": "pool_full"}}, "use one of reverted"),
        ({"stalls": [[1, 5], [3, 1]]}, "overlap"),
        ({"confirmations": 2}, "need a block_interval_ms"),
        ({"commit_latency": {"distribution": "lognormal"}}, "median_ms above 0"),
    ],
)
def test_options_are_checked(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match="options of ledger simulated") as caught:
        SimulatedLedger().up(tmp_path, options, SILENT)
    assert message in str(caught.value)
