"""The EVM family: every chain that speaks Ethereum's JSON-RPC. docs/adapters/evm.md is the user's page.

Who calls what is in `bench.adapters.protocol`; this file only puts the parts together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.adapters.evm.abi import parse_abi
from bench.adapters.evm.blocks import BlockFollower
from bench.adapters.evm.encoding import NATIVE_READS, Contract, OperationEncoder
from bench.adapters.evm.fees import Fees
from bench.adapters.evm.heads import HeadWatcher, Subscription
from bench.adapters.evm.money import Opening
from bench.adapters.evm.options import EvmOptions, parse_options
from bench.adapters.evm.preparing import Chain, prepare
from bench.adapters.evm.probing import BATCH_SIZES, Capabilities, probe
from bench.adapters.evm.receipts import ReceiptFetcher
from bench.adapters.evm.rpc import Rpc, open_channel
from bench.adapters.evm.signing import TransactionCodec, TransactionType, Wallet
from bench.adapters.evm.state import EvmState
from bench.adapters.evm.statuses import choose_source
from bench.adapters.evm.submitting import submit
from bench.adapters.jsonrpc.channel import Target, parse_target
from bench.adapters.jsonrpc.rpc import BATCH_CALLS
from bench.adapters.protocol import Endpoint, Finding, Fixture, JsonValue, Setup
from bench.model.errors import HarnessError, LedgerError
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Operation
from bench.model.transaction import CommitEvent, Reply, Transaction
from bench.model.workload import StateReader

_PROBE_PATIENCE_S = 1.0
_AUDIT_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Opened:
    endpoint: Endpoint
    options: EvmOptions
    target: Target
    chain: Chain


@dataclass(frozen=True, slots=True)
class _Prepared:
    wallet: Wallet
    encoder: OperationEncoder
    contract: Contract | None
    gas_limits: frozenset[int]
    sequences: Sequence[int]
    opening: Opening | None


class EvmAdapter:
    """An `Adapter` that is Sequenced, Auditable and Queryable."""

    finality = Finality("inclusion")
    sequencing = Sequencing.ACCOUNT
    capabilities = frozenset({"batch", "reads", "audit"})
    reads = NATIVE_READS

    def __init__(self) -> None:
        self._open: _Opened | None = None
        self._ready: _Prepared | None = None
        self._most = BATCH_SIZES[-1]

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        """Two requests: chain id and genesis block."""
        self.close()
        options = parse_options(endpoint.options)
        target, channel = open_channel(endpoint)
        rpc = Rpc(channel, target.shown, batch_calls=_setup_batch(fixture))
        try:
            chain = Chain(rpc, channel, rpc.hex_int("eth_chainId", []), _genesis(rpc))
            _check_chain(chain, options.chain_id, None if fixture is None else fixture.data)
        except BaseException:
            channel.close()
            raise
        self._open = _Opened(endpoint, options, target, chain)
        if options.confirmations:
            self.finality = Finality(f"{options.confirmations} confirmations", options.confirmations)
        if fixture is not None:
            self._use(fixture)

    def prepare(self, setup: Setup) -> Fixture:
        """Fees, contract, gas limits, funding and starting sequence numbers; the adapter is then ready to encode."""
        opened = self._opened()
        rpc, options = opened.chain.rpc, opened.options
        found = _found(opened)
        rpc.batch_calls = found.setup_batch
        made = prepare(opened.chain, options, setup)
        source = choose_source(rpc, options.status_source, frozenset()).name
        fixture = replace(
            made,
            data={**made.data, "setup_batch": found.setup_batch, "send_batch": found.send_batch},
            disclosed={**made.disclosed, **found.disclosed(source, options.poll_interval_s)},
        )
        self._use(fixture)
        return fixture

    def probe(self) -> Sequence[Finding]:
        """See `Probing`: some twenty requests, and no transaction."""
        opened = self._opened()
        found = _found(opened)
        source = choose_source(opened.chain.rpc, opened.options.status_source, frozenset()).name
        return found.findings(found.paths(source, opened.options.poll_interval_s))

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:
        """A signed transaction inside its request, or the request of a read."""
        if self._ready is None:
            raise HarnessError("encode was called before open with a fixture", remedy="open(endpoint, fixture) first")
        return self._ready.encoder.encode(operation, sender, sequence)

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """One request for a single transaction, one JSON-RPC batch for several, or more where the node takes fewer."""
        channel, most = self._opened().chain.channel, self._most
        if len(batch) <= most:
            return submit(channel, batch)
        return [reply for at in range(0, len(batch), most) for reply in submit(channel, batch[at : at + most])]

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        """See `Adapter.commits`; three threads live until the iterator is closed."""
        opened = self._opened()
        limits = self._ready.gas_limits if self._ready else frozenset[int]()
        # Its own connections: a worker's pool and this thread share nothing.
        target, channel = open_channel(opened.endpoint)
        timeout_s, options = opened.endpoint.timeout_s, opened.options
        calls = opened.chain.rpc.batch_calls
        patient = Rpc(channel, target.shown, patience_s=options.unreachable_after_s, batch_calls=calls)
        watcher = HeadWatcher(patient, _subscription(opened), options.poll_interval_s, timeout_s)
        receipts = ReceiptFetcher(choose_source(patient, options.status_source, limits), options.receipts_duty)
        follower = BlockFollower(Rpc(channel, target.shown), watcher, receipts, options.unreachable_after_s)
        try:
            yield from follower.follow(after)
        finally:
            channel.close()

    def close(self) -> None:
        """Release connections; idempotent."""
        if self._open is not None:
            self._open.chain.channel.close()

    def next_sequence(self, sender: int) -> int:
        """eth_getTransactionCount over included transactions."""
        address = "0x" + self._prepared().wallet.address(sender).hex()
        return self._opened().chain.rpc.hex_int("eth_getTransactionCount", [address, "latest"])

    def encode_filler(self, sender: int, sequence: int) -> Transaction:
        """A transfer of nothing to oneself."""
        return self._prepared().encoder.filler(sender, sequence)

    def state(self) -> StateReader:
        """Reads at the latest block, which outlive a gateway's hiccup."""
        ready, opened = self._prepared(), self._opened()
        chain = opened.chain
        rpc = Rpc(chain.channel, opened.target.shown, _AUDIT_PATIENCE_S, chain.rpc.batch_calls)
        return EvmState(rpc, ready.encoder, ready.wallet, ready.contract, ready.sequences, ready.opening)

    def _use(self, fixture: Fixture) -> None:
        self._ready = ready = _restore(fixture)
        most = fixture.data.get("send_batch")
        self._most = most if isinstance(most, int) else BATCH_SIZES[-1]
        functions = ready.contract.functions if ready.contract else {}
        self.reads = NATIVE_READS | {name for name, function in functions.items() if function.read_only}

    def _opened(self) -> _Opened:
        if self._open is None:
            raise HarnessError("the adapter was used before open", remedy="call open(endpoint) first")
        return self._open

    def _prepared(self) -> _Prepared:
        if self._ready is None:
            raise HarnessError("the adapter has no fixture", remedy="call open(endpoint, fixture) or prepare first")
        return self._ready


def _setup_batch(fixture: Fixture | None) -> int:
    found = None if fixture is None else fixture.data.get("setup_batch")
    return found if isinstance(found, int) else BATCH_CALLS


def _genesis(rpc: Rpc) -> str:
    """The first block's id; empty where a node has pruned it."""
    block = rpc.optional("eth_getBlockByNumber", ["0x0", False])
    return str(block.get("hash")) if isinstance(block, dict) else ""


def _check_chain(chain: Chain, expected: int | None, data: Mapping[str, JsonValue] | None) -> None:
    for wanted in (expected, None if data is None else data.get("chain_id")):
        if wanted is not None and wanted != chain.chain_id:
            raise LedgerError(
                f"wrong chain: expected chain id {wanted}, the node has {chain.chain_id}",
                remedy="check the endpoint, or adapter option chain_id",
            )
    if data is not None and data.get("genesis") != chain.genesis:
        raise LedgerError(
            "the ledger is not the one that was prepared: its first block is another",
            value=chain.genesis,
            remedy="prepare again; was the node restarted?",
        )


def _found(opened: _Opened) -> Capabilities:
    """A gateway's hiccup must not pass for a method that is missing, nor end a run before it began."""
    patient = Rpc(opened.chain.channel, opened.target.shown, _PROBE_PATIENCE_S)
    return probe(patient, opened.chain.chain_id, _subscription(opened))


def _subscription(opened: _Opened) -> Subscription | None:
    if not opened.options.subscribe:
        return None
    given = opened.options.ws_url
    if given is not None:
        return Subscription(parse_target(given, opened.endpoint.headers), guessed=False)
    target = opened.target
    if target.websocket:
        return Subscription(target, guessed=False)
    return Subscription(replace(target, scheme="wss" if target.secure else "ws"), guessed=True)


def _restore(fixture: Fixture) -> _Prepared:
    data = fixture.data
    fees, gas, abi = data["fees"], data["gas"], data.get("abi")
    assert isinstance(fees, dict)
    assert isinstance(gas, dict)
    contract = None
    if isinstance(abi, list):
        contract = Contract(bytes.fromhex(str(data["contract"])), parse_abi(abi))
    kind = TransactionType(str(data["transaction_type"]))
    price = Fees(int(str(fees["max_wei"])), int(str(fees["priority_wei"])), 0, kind is TransactionType.DYNAMIC_FEE)
    wallet = Wallet(bytes.fromhex(str(data["salt"])))
    limits = {name: int(str(limit)) for name, limit in gas.items()}
    codec = TransactionCodec(int(str(data["chain_id"])), kind, price)
    return _Prepared(
        wallet,
        OperationEncoder(codec, wallet, limits, contract),
        contract,
        frozenset(limits.values()),
        fixture.sequences,
        Opening.from_data(data.get("opening")),
    )
