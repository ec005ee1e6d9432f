"""The CometBFT family: chains that run our application or the key-value example.

docs/adapters/cometbft.md is the user's page.

Who calls what is in `bench.adapters.protocol`; this file only puts the parts together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.adapters.cometbft import application, kvstore
from bench.adapters.cometbft.application import ApplicationEncoder
from bench.adapters.cometbft.blocks import BlockFollower
from bench.adapters.cometbft.heights import HeightWatcher, most_advanced
from bench.adapters.cometbft.kvstore import KvStoreEncoder, KvStoreState
from bench.adapters.cometbft.options import CometBftOptions, check_url, parse_options
from bench.adapters.cometbft.preparing import Chain, prepare, probe
from bench.adapters.cometbft.rpc import Peer, Rpc
from bench.adapters.cometbft.state import ApplicationState
from bench.adapters.cometbft.submitting import Submitter
from bench.adapters.jsonrpc.channel import parse_target
from bench.adapters.jsonrpc.http import HttpChannel
from bench.adapters.protocol import Endpoint, Fixture, JsonValue, Setup
from bench.model.errors import HarnessError, LedgerError
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Operation
from bench.model.transaction import CommitEvent, Reply, Transaction
from bench.model.workload import StateReader

_FOLLOWER_TIMEOUT_S = 3.0
"""How long a follower waits for a node that says nothing before it asks another."""


@dataclass(frozen=True, slots=True)
class _Opened:
    endpoint: Endpoint
    options: CometBftOptions
    peers: list[Peer]
    rpc: Rpc
    chain: Chain


class CometBftAdapter:
    """An `Adapter` that is Auditable and Queryable."""

    finality = Finality("commit (2/3 precommits)")
    sequencing = Sequencing.NONE
    capabilities = frozenset({"batch", "reads", "audit"})

    def __init__(self) -> None:
        self.reads: frozenset[str] = frozenset()
        self._open: _Opened | None = None
        self._fixture: Fixture | None = None
        self._encoder: ApplicationEncoder | KvStoreEncoder | None = None
        self._submitter: Submitter | None = None

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        """Three requests: status, application, first block."""
        self.close()
        options = parse_options(endpoint.options)
        peers = _peers(endpoint, options, endpoint.timeout_s)
        rpc = Rpc(peers)
        try:
            chain = probe(rpc)
            if fixture is not None:
                _check_chain(chain, fixture)
        except BaseException:
            _close(peers)
            raise
        self._open = _Opened(endpoint, options, peers, rpc, chain)
        self.reads = application.READS if chain.application == application.NAME else kvstore.READS
        if fixture is not None:
            self._use(fixture)

    def prepare(self, setup: Setup) -> Fixture:
        """Accounts, funds and customers; the adapter is then ready to encode."""
        opened = self._opened()
        fixture = prepare(opened.rpc, opened.chain, opened.options, setup)
        self._use(fixture)
        return fixture

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:  # noqa: ARG002 - none here
        """A transaction inside its request, or the request of a read."""
        if self._encoder is None:
            raise HarnessError("encode was called before open with a fixture", remedy="open(endpoint, fixture) first")
        return self._encoder.encode(operation, sender)

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """One request for a single transaction, one JSON-RPC batch for several; nodes in turn."""
        submitter = self._submitter
        if submitter is None:
            raise HarnessError("submit was called before open with a fixture", remedy="open(endpoint, fixture) first")
        return submitter.submit(batch)

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        """See `Adapter.commits`; three threads live until the iterator is closed."""
        opened = self._opened()
        # Its own connections: a worker's pool and this thread share nothing.
        timeout_s = min(opened.endpoint.timeout_s, _FOLLOWER_TIMEOUT_S)
        peers = _peers(opened.endpoint, opened.options, timeout_s)
        rpc = Rpc(peers)
        watcher = HeightWatcher(rpc, opened.options.subscribe, opened.options.poll_interval_s, timeout_s)
        try:
            yield from BlockFollower(rpc, watcher, opened.options.unreachable_after_s).follow(after)
        finally:
            _close(peers)

    def close(self) -> None:
        """Release connections; idempotent."""
        if self._open is not None:
            _close(self._open.peers)

    def state(self) -> StateReader:
        """Reads from the node that has the most blocks now."""
        opened, fixture = self._opened(), self._fixture
        if fixture is None:
            raise HarnessError("the adapter has no fixture", remedy="call open(endpoint, fixture) or prepare first")
        rpc = most_advanced(opened.rpc, opened.peers)
        if isinstance(self._encoder, ApplicationEncoder):
            salt, money = bytes.fromhex(str(fixture.data["salt"])), fixture.data.get("money_at_start")
            at_start = money if isinstance(money, int) else None
            return ApplicationState(rpc, self._encoder.wallet, salt, fixture.accounts, at_start)
        return KvStoreState(rpc, _number(fixture, "batch_limit"))

    def _use(self, fixture: Fixture) -> None:
        data, opened = fixture.data, self._opened()
        salt = bytes.fromhex(str(data["salt"]))
        if data["application"] == application.NAME:
            secret = bytes.fromhex(str(data["secret"]))
            self._encoder = ApplicationEncoder(str(data["chain_id"]), secret, salt)
        else:
            self._encoder = KvStoreEncoder(salt)
        self._fixture = fixture
        self._submitter = Submitter(opened.peers, _number(fixture, "batch_limit"))

    def _opened(self) -> _Opened:
        if self._open is None:
            raise HarnessError("the adapter was used before open", remedy="call open(endpoint) first")
        return self._open


def _peers(endpoint: Endpoint, options: CometBftOptions, timeout_s: float) -> list[Peer]:
    """The endpoint first, then the other nodes."""
    check_url(endpoint.url)
    urls = [endpoint.url, *(url for url in options.nodes if url.rstrip("/") != endpoint.url.rstrip("/"))]
    targets = [parse_target(url, endpoint.headers) for url in urls]
    return [Peer(target, HttpChannel(target, timeout_s)) for target in targets]


def _close(peers: Sequence[Peer]) -> None:
    for peer in peers:
        peer.channel.close()


def _check_chain(chain: Chain, fixture: Fixture) -> None:
    known: list[JsonValue] = [fixture.data.get(name) for name in ("application", "chain_id", "genesis")]
    if known != [chain.application, chain.chain_id, chain.genesis]:
        raise LedgerError(
            "the ledger is not the one that was prepared",
            value=f"chain {chain.chain_id}, first block {chain.genesis[:16] or 'pruned'}",
            remedy="prepare again; was the network started anew?",
        )


def _number(fixture: Fixture, name: str) -> int:
    value = fixture.data[name]
    assert isinstance(value, int)
    return value
