"""Following a real anvil: subscription and poll, reverts, receipts against traces, reorganisations, a dead node."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice, pairwise

import psutil
import pytest

from bench.adapters.evm.adapter import EvmAdapter
from bench.adapters.evm.rpc import Rpc, open_channel
from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.model.errors import LedgerError
from bench.model.operation import Operation
from bench.model.transaction import ACCEPTED, Block, CommitEvent, ErrorClass, Orphaned, Settled
from tests.support.anvil import AnvilNetwork, anvil_network
from tests.support.cli import Cli, wait_for_line
from workloads.smallbank import WORKLOAD as SMALLBANK

pytestmark = pytest.mark.live

PARAMETERS = {"customers": 10, "initial_checking": 1000, "initial_savings": 1000}


@pytest.fixture
def anvil(tmp_path) -> Iterator[AnvilNetwork]:
    with anvil_network(tmp_path, block_time_s=0.3, keep_states=True) as network:
        yield network


class Follower:
    """An adapter of its own for watching, as an observer has it."""

    def __init__(self, endpoint: Endpoint, fixture: Fixture) -> None:
        self.adapter = EvmAdapter()
        self.adapter.open(endpoint, fixture)
        self.iterator = self.adapter.commits(None)
        self.events: list[CommitEvent] = []
        assert next(self.iterator) is None

    def until(self, enough: Callable[[], bool], timeout_s: float = 20.0) -> list[CommitEvent]:
        deadline = time.monotonic() + timeout_s
        while not enough():
            assert time.monotonic() < deadline, self.events
            began = time.monotonic()
            event = next(self.iterator)
            assert time.monotonic() - began < 0.5
            if event is not None:
                self.events.append(event)
        return self.events

    def settled(self) -> list[Settled]:
        return [event for event in self.events if isinstance(event, Settled)]

    def blocks(self) -> list[Block]:
        return [event for event in self.events if isinstance(event, Block)]

    def close(self) -> None:
        self.iterator.close()
        self.adapter.close()


Follow = Callable[[Endpoint, Fixture], Follower]


@pytest.fixture
def follow() -> Iterator[Follow]:
    followers: list[Follower] = []

    def start(endpoint: Endpoint, fixture: Fixture) -> Follower:
        followers.append(Follower(endpoint, fixture))
        return followers[-1]

    yield start
    for follower in followers:
        follower.close()


@pytest.fixture
def bank(anvil) -> Iterator[tuple[EvmAdapter, Fixture]]:
    adapter = EvmAdapter()
    adapter.open(Endpoint(anvil.endpoint))
    fixture = adapter.prepare(Setup(SMALLBANK, PARAMETERS, 4, 100, 1, {"funding_key": anvil.funding_key}))
    yield adapter, fixture
    adapter.close()


def pay(adapter: EvmAdapter, sender: int, sequence: int, amount: int):
    return adapter.encode(Operation("send_payment", {"from": sender, "to": 9, "amount": amount}), sender, sequence)


@pytest.fixture
def rpc(anvil) -> Iterator[Rpc]:
    target, channel = open_channel(Endpoint(anvil.endpoint))
    yield Rpc(channel, target.shown)
    channel.close()


@pytest.mark.parametrize("source", ["receipts", "traces"])
@pytest.mark.parametrize("way", ["subscription", "poll", "ws endpoint"])
def test_included_transactions_come_with_their_status(anvil, bank, follow, way, source):
    adapter, fixture = bank
    url = anvil.ws_endpoint if way == "ws endpoint" else anvil.endpoint
    follower = follow(Endpoint(url, options={"status_source": source, "subscribe": way != "poll"}), fixture)
    batch = [pay(adapter, 0, number, 10**6 if number in (1, 3) else 1) for number in range(5)]
    before = time.monotonic_ns()
    assert adapter.submit(batch) == [ACCEPTED] * 5
    follower.until(lambda: len(follower.settled()) > 0)
    (block,) = [each for each in follower.blocks() if each.tx_ids]
    assert list(block.tx_ids) == [each.tx_id for each in batch]
    assert block.error_classes is None
    assert before < block.observed_at_ns < time.monotonic_ns()
    assert block.gas_used > 5 * 21_000
    (settled,) = follower.settled()
    assert settled.ordinal == block.ordinal
    valid, reverted = ErrorClass.NONE, ErrorClass.REVERTED
    assert list(settled.error_classes) == [valid, reverted, valid, reverted, valid]
    if source == "receipts":
        assert settled.gas_used is not None
        assert sum(settled.gas_used) == block.gas_used
    assert [each.ordinal for each in follower.blocks()] == list(range(len(follower.blocks())))
    first = follower.blocks()[0].height
    assert [each.height for each in follower.blocks()] == list(range(first, first + len(follower.blocks())))


@pytest.mark.parametrize("source", ["receipts", "traces"])
def test_a_call_that_runs_out_of_gas_is_its_own_class(anvil, bank, follow, source):
    _, fixture = bank
    gas = dict(fixture.data["gas"])  # type: ignore[arg-type]
    gas["write_check"] = 30_000
    short = Fixture(fixture.accounts, fixture.sequences, {**fixture.data, "gas": gas})
    follower = follow(Endpoint(anvil.endpoint, options={"status_source": source}), short)
    operation = Operation("write_check", {"customer": 1, "amount": 1})
    assert follower.adapter.submit([follower.adapter.encode(operation, 0, 0)]) == [ACCEPTED]
    follower.until(lambda: len(follower.settled()) > 0)
    assert list(follower.settled()[0].error_classes) == [ErrorClass.OUT_OF_GAS]


def test_blocks_before_the_start_are_told_when_asked_for(bank, rpc):
    adapter, _ = bank
    rpc.call("anvil_mine", ["0x5"])
    height = rpc.hex_int("eth_blockNumber", [])
    events = adapter.commits(0)
    heights: list[int] = []
    while len(heights) < height:
        event = next(events)
        if isinstance(event, Block):
            heights.append(event.height)
    events.close()
    assert heights == list(range(1, height + 1))


def test_a_reorganisation_is_told(anvil, bank, follow, rpc):
    adapter, fixture = bank
    follower = follow(Endpoint(anvil.endpoint), fixture)
    assert adapter.submit([pay(adapter, 0, 0, 1)]) == [ACCEPTED]
    follower.until(lambda: any(each.tx_ids for each in follower.blocks()))
    lost = next(each for each in follower.blocks() if each.tx_ids)
    depth = rpc.hex_int("eth_blockNumber", []) - lost.height + 1
    rpc.call("anvil_reorg", [depth, []])
    follower.until(lambda: Orphaned(lost.ordinal) in follower.events)
    follower.until(lambda: follower.blocks()[-1].height > lost.height)
    orphaned = {event.ordinal for event in follower.events if isinstance(event, Orphaned)}
    kept = [each for each in follower.blocks() if each.ordinal not in orphaned]
    first = kept[0].height
    assert [each.height for each in kept] == list(range(first, first + len(kept)))
    assert lost.ordinal in orphaned


def test_a_node_that_dies_ends_the_iteration_with_an_error(tmp_path):
    adapter = EvmAdapter()
    with anvil_network(tmp_path, block_time_s=0.3) as network:
        adapter.open(Endpoint(network.endpoint, options={"unreachable_after_s": 1.0}))
        events = adapter.commits(None)
        assert next(events) is None
    died = time.monotonic()
    with pytest.raises(LedgerError, match=r"cannot be reached|lost|closed"):
        deque(islice(events, 100), maxlen=0)
    assert 0.9 < time.monotonic() - died < 5
    adapter.close()


def turns_until_it_fails(events: Iterator[CommitEvent | None], said: str) -> list[float]:
    """How long each turn took, in seconds, but for the last one, which raises and ends the threads."""
    ends = [time.monotonic()]
    with pytest.raises(LedgerError, match=said):
        ends.extend(time.monotonic() for _ in events)
    return [after - before for before, after in pairwise(ends)]


def test_a_node_that_freezes_leaves_the_caller_its_turns_and_ends_with_an_error(tmp_path):
    adapter = EvmAdapter()
    with anvil_network(tmp_path, block_time_s=0.3) as network:
        adapter.open(Endpoint(network.endpoint, options={"unreachable_after_s": 1.0}, timeout_s=2.0))
        events = adapter.commits(None)
        assert next(events) is None
        (node,) = [child for child in psutil.Process().children(recursive=True) if child.name() == "anvil"]
        node.suspend()  # connections are still accepted
        try:
            turns = turns_until_it_fails(events, "no answer")
        finally:
            node.resume()
    assert max(turns) < 0.5
    assert 1 < sum(turns) < 15
    adapter.close()


def test_a_run_against_an_external_node_that_dies_ends_as_the_ledgers_failure(tmp_path):
    cli = Cli(tmp_path)
    try:
        with anvil_network(tmp_path, block_time_s=0.5) as network:
            process = cli.start(
                *("run", "--adapter", "evm", "--endpoint", network.endpoint, "--workload", "transfer"),
                *("--rate", "50", "--duration", "120s", "--trials", "1", "--out", str(cli.out)),
                *("--set", "endpoint.options.unreachable_after_s=2"),
                BENCH_FUNDING_KEY=network.funding_key,
            )
            lines: list[str] = []
            wait_for_line(process, ["measure", "committed"], lines)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 5, output + errors
        assert "cannot be reached" in "".join(lines) + errors
        assert cli.only_bundle().result.partial
        assert cli.wait_until_gone() == []
    finally:
        cli.end()
