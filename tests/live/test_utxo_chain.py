"""What a real litecoin network does to the adapter: reorganisations, refusals, audits that count and that catch."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.adapters.utxo.adapter import UtxoAdapter
from bench.adapters.utxo.preparing import restore
from bench.adapters.utxo.signing import data_script, output, shown_id
from bench.adapters.utxo.submitting import confirmations
from bench.api import (
    ACCEPTED,
    Account,
    Block,
    CommitEvent,
    Endpoint,
    ErrorClass,
    Fixture,
    Kind,
    LedgerError,
    Operation,
    Orphaned,
    Refusal,
    Setup,
    Transaction,
)
from bench.ledgers.bitcoin_rpc import NodeRpc, all_at
from bench.model.ledger import Network
from tests.support.cli import Cli, wait_for_line
from tests.support.litecoin import endpoint_of, litecoin_network, rpc_of
from workloads.notary import WORKLOAD as NOTARY
from workloads.transfer import WORKLOAD as TRANSFER

pytestmark = pytest.mark.live

ANYBODY = "raw(51)"
NEVER_S = 3600.0


def pay(number: int) -> Operation:
    return Operation("transfer", {"to": Account(number % 4), "amount": 1})


def document(number: int) -> bytes:
    return hashlib.sha256(f"paper {number}".encode()).digest()


class Watched:
    """An adapter of its own for watching, as an observer has it."""

    def __init__(self, endpoint: Endpoint, fixture: Fixture) -> None:
        self.adapter = UtxoAdapter()
        self.adapter.open(endpoint, fixture)
        self.iterator = self.adapter.commits(None)
        self.events: list[CommitEvent] = []
        assert next(self.iterator) is None

    def until(self, enough: Callable[[], bool], timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not enough():
            assert time.monotonic() < deadline, self.events
            event = next(self.iterator)
            if event is not None:
                self.events.append(event)

    def blocks(self) -> list[Block]:
        return [event for event in self.events if isinstance(event, Block)]

    def orphaned(self) -> list[int]:
        return [event.ordinal for event in self.events if isinstance(event, Orphaned)]

    def places(self, tx_id: bytes) -> list[int]:
        """Ordinals of blocks that hold it."""
        return [block.ordinal for block in self.blocks() if tx_id in block.tx_ids]


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Two nodes, and blocks only when a test asks for them (the miner's first one came when it started)."""
    with litecoin_network(
        tmp_path_factory.mktemp("by-hand"), nodes=2, block_time_s=NEVER_S, observe="miner"
    ) as network:
        yield network


@pytest.fixture
def prepared(by_hand: Network) -> Iterator[tuple[UtxoAdapter, Fixture, NodeRpc]]:
    adapter, node = UtxoAdapter(), rpc_of(by_hand, 0)
    adapter.open(endpoint_of(by_hand))
    with mining(node):
        fixture = adapter.prepare(Setup(TRANSFER, TRANSFER.defaults, 4, 100, 1, by_hand.secrets))
    yield adapter, fixture, node
    adapter.close()
    node.close()


class mining:
    """Blocks ten times a second while something waits for them."""

    def __init__(self, node: NodeRpc) -> None:
        self._node, self._done = node, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._done.wait(0.1):
            self._node.call("generatetodescriptor", 1, ANYBODY)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_longer_branch_takes_blocks_away_and_brings_their_transactions_again(
    by_hand: Network, prepared: tuple[UtxoAdapter, Fixture, NodeRpc]
) -> None:
    adapter, fixture, node = prepared
    other = rpc_of(by_hand, 1)
    fork = node.call("getblockcount")
    wait_for(lambda: all_at([other], fork))
    watched = Watched(endpoint_of(by_hand), fixture)
    for each in (node, other):
        each.call("setnetworkactive", False)
    wait_for(lambda: node.call("getconnectioncount") == 0)
    payment = adapter.encode(pay(1), 0, 0)
    assert adapter.submit([payment]) == [ACCEPTED]
    node.call("generatetodescriptor", 2, ANYBODY)
    watched.until(lambda: len(watched.blocks()) == 2)
    assert watched.places(payment.tx_id) == [0]
    other.call("generatetodescriptor", 3, ANYBODY)
    for each in (node, other):
        each.call("setnetworkactive", True)
    other.call("addnode", address(by_hand, 0), "onetry")
    watched.until(lambda: len(watched.blocks()) == 5)
    assert watched.orphaned() == [1, 0]
    assert [block.height - fork for block in watched.blocks()] == [1, 2, 1, 2, 3]
    assert watched.places(payment.tx_id) == [0], "the other branch knows nothing of it"
    node.call("generatetodescriptor", 1, ANYBODY)
    watched.until(lambda: len(watched.blocks()) == 6)
    assert watched.places(payment.tx_id) == [0, 5], "it went back to the pool and was mined again"
    assert adapter.state().read("transactions_since_start", {}) == 1
    assert adapter.state().read("money_created_since_start", {}) == 0
    watched.iterator.close()  # type: ignore[attr-defined] # it is a generator
    watched.adapter.close()
    other.close()


def address(network: Network, index: int) -> str:
    """Where the node listens for its peers."""
    (bound,) = [flag for flag in network.nodes[index].command if flag.startswith("-bind=")]
    return bound.removeprefix("-bind=")


def test_refusals_of_a_real_node_have_their_class(
    by_hand: Network, prepared: tuple[UtxoAdapter, Fixture, NodeRpc]
) -> None:
    adapter, fixture, node = prepared
    twin = UtxoAdapter()
    twin.open(endpoint_of(by_hand), fixture)
    first, rival = adapter.encode(pay(1), 0, 0), twin.encode(pay(2), 0, 0)
    assert first.tx_id != rival.tx_id
    assert adapter.submit([first]) == [ACCEPTED]
    assert adapter.submit([first]) == [ACCEPTED], "known bytes are no refusal"
    assert refusal(adapter, rival) is ErrorClass.CONFLICT
    node.call("generatetodescriptor", 1, ANYBODY)
    assert adapter.submit([first]) == [ACCEPTED], "nor are they in the chain"
    assert refusal(adapter, rival) is ErrorClass.INVALID_TRANSACTION
    assert refusal(adapter, spoilt(adapter.encode(pay(1), 1, 0))) is ErrorClass.INVALID_TRANSACTION
    twin.close()


def test_a_chain_of_unconfirmed_change_ends_at_the_node_s_limit(tmp_path: Path) -> None:
    with litecoin_network(tmp_path, nodes=1, block_time_s=NEVER_S, chain_limit=3) as network:
        adapter, node = UtxoAdapter(), rpc_of(network, 0)
        adapter.open(Endpoint(network.endpoint, options={**network.adapter_options, "change": 100_000}))
        with mining(node):
            adapter.prepare(Setup(TRANSFER, TRANSFER.defaults, 1, 1, 1, network.secrets))
        chain = [adapter.encode(pay(0), 0, 0) for _ in range(11 * 4)]
        replies = [adapter.submit([each])[0] for each in chain]
        assert replies[:33] == [ACCEPTED] * 33
        assert {reply.error_class for reply in replies[33:] if isinstance(reply, Refusal)} == {ErrorClass.POOL_FULL}
        assert len([reply for reply in replies[33:] if isinstance(reply, Refusal)]) == 11
        adapter.close()
        node.close()


def refusal(adapter: UtxoAdapter, transaction: Transaction) -> ErrorClass:
    (reply,) = adapter.submit([transaction])
    assert isinstance(reply, Refusal), reply
    return reply.error_class


def spoilt(transaction: Transaction) -> Transaction:
    """Another amount than was signed."""
    request = json.loads(transaction.payload)
    (raw,) = request["params"]
    request["params"] = [raw[:94] + ("00" if raw[94:96] != "00" else "01") + raw[96:]]
    return Transaction(transaction.tx_id, json.dumps(request, separators=(",", ":")).encode())


def test_documents_are_found_again_and_those_never_brought_are_not(
    by_hand: Network,
) -> None:
    adapter, node = UtxoAdapter(), rpc_of(by_hand, 0)
    adapter.open(endpoint_of(by_hand))
    with mining(node):
        adapter.prepare(Setup(NOTARY, NOTARY.defaults, 4, 100, 1, by_hand.secrets))
    anchors = [adapter.encode(Operation("anchor", {"document": document(n)}), n % 4, 0) for n in range(6)]
    verify = [adapter.encode(Operation("verify", {"document": document(n)}, Kind.READ), 0, 0) for n in (0, 5, 99)]
    assert adapter.submit(anchors[:5]) == [ACCEPTED] * 5
    assert adapter.submit(verify) == [ACCEPTED] * 3
    tell = ("getrawtransaction", anchors[0].tx_id.hex(), True)
    assert confirmations(node.call(*tell), verify[0]) == 0, "what waits in a pool is not anchored"
    joined, ids = b"".join(document(n) for n in range(6)), b"".join(each.tx_id for each in anchors)
    asked = {"documents": joined, "tx_ids": ids}
    assert adapter.state().read("missing", asked) == 6, "what waits in a pool is not on the ledger"
    node.call("generatetodescriptor", 1, ANYBODY)
    state = adapter.state()
    assert adapter.submit(verify) == [ACCEPTED] * 3
    assert confirmations(node.call(*tell), verify[0]) == 1
    assert confirmations(node.call(*tell), verify[1]) is None, "it carries another document"
    assert state.read("missing", asked) == 1
    swapped = {"documents": joined[32:64] + joined[:32] + joined[64:], "tx_ids": ids}
    assert state.read("missing", swapped) == 3, "an id alone proves nothing about the document"
    assert state.read("verify", {"document": document(4)}) == node.call("getblockcount")
    assert state.read("verify", {"document": document(5)}) == 0
    assert state.read("transactions_since_start", {}) == 5
    assert state.read("money_created_since_start", {}) == 0
    adapter.close()
    node.close()


def test_the_audit_sees_money_that_comes_from_elsewhere_and_money_that_leaves(
    by_hand: Network, prepared: tuple[UtxoAdapter, Fixture, NodeRpc]
) -> None:
    adapter, fixture, node = prepared
    made = restore(fixture.data)
    blocks, _, sending = fixture.disclosed["paths"]
    assert blocks.startswith("blocks: waitforblockheight, a long poll of at most 500 ms")
    assert sending == "sending: sendrawtransaction to one node"

    def created() -> object:
        return adapter.state().read("money_created_since_start", {})

    assert adapter.submit([adapter.encode(pay(n), n % 4, 0) for n in range(8)]) == [ACCEPTED] * 8
    assert created() == 0, "what waits in a pool has moved nothing"
    node.call("generatetodescriptor", 1, ANYBODY)
    assert created() == 0
    (mined,) = node.call("generatetodescriptor", 1, f"raw({made.wallet[0].script.hex()})")
    assert node.call("getblock", mined)["height"] > made.start_height
    gift = created()
    assert isinstance(gift, int)
    assert gift > 0, "a block's reward is none of a transfer's doing"
    spent = made.slots.outpoint(3, made.slots.per_sender - 1)
    away = made.wallet[3].spend([spent], output(spent.value - made.slots.fee, data_script(bytes(32))), 1)
    assert node.call("sendrawtransaction", away.raw.hex(), 0) == shown_id(away.tx_id).hex()
    node.call("generatetodescriptor", 1, ANYBODY)
    assert created() == gift - (spent.value - made.slots.fee), "money that left our accounts"


def test_a_key_without_money_is_told_how_much_is_missing(by_hand: Network) -> None:
    adapter = UtxoAdapter()
    adapter.open(endpoint_of(by_hand))
    with pytest.raises(LedgerError, match=r"holds 0\.00000000 coins .* 0\.0\d+ are needed"):
        adapter.prepare(Setup(TRANSFER, TRANSFER.defaults, 4, 100, 1, {"funding_key": "11" * 32}))
    with pytest.raises(LedgerError, match="no funding key"):
        adapter.prepare(Setup(TRANSFER, TRANSFER.defaults, 4, 100, 1))
    adapter.close()


def test_wrong_credentials_are_told_from_a_dead_node(by_hand: Network) -> None:
    with pytest.raises(LedgerError, match="refuses these credentials"):
        UtxoAdapter().open(Endpoint(by_hand.endpoint))


def test_a_run_counts_the_blocks_that_a_longer_branch_took_away(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    with litecoin_network(tmp_path / "ledger", nodes=2, block_time_s=0.5) as network:
        node, other = rpc_of(network, 0), rpc_of(network, 1)
        key = tmp_path / "key"
        key.write_text(network.secrets["funding_key"])
        cookie = network.adapter_options["cookie_file"]
        try:
            running = cli.start(
                *("run", "--adapter", "utxo", "--endpoint", network.endpoint, "--key-file", str(key)),
                *("--set", f"endpoint.options.cookie_file={cookie}", "--workload", "transfer"),
                *("--rate", "30", "--duration", "10s", "--out", str(cli.out)),
            )
            wait_for_line(running, ["measure"], [])
            other.call("setnetworkactive", False)
            wait_for(lambda: node.call("getconnectioncount") == 0)
            fork = other.call("getblockcount")
            wait_for(lambda: all_at([node], fork + 3))
            other.call("generatetodescriptor", 12, ANYBODY)
            other.call("setnetworkactive", True)
            other.call("addnode", address(network, 0), "onetry")
            _, errors = running.communicate(timeout=60)
            assert running.returncode in (0, 3), errors  # 3: a busy machine sent too late
            found = cli.only_bundle()
        finally:
            cli.end()
        node.close()
        other.close()
    (trial,) = found.result.trials
    assert trial.blocks is not None
    assert trial.blocks.orphaned >= 2
    assert trial.counts.finalized == trial.counts.accepted == 300, "they were mined again"
    assert {invariant.status for invariant in found.result.audit.invariants} == {"held"}
