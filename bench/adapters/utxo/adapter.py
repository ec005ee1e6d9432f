"""The UTXO family: every chain that speaks Bitcoin's JSON-RPC. docs/adapters/utxo.md is the user's page.

Who calls what is in `bench.adapters.protocol`; this file only puts the parts together.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench.adapters.jsonrpc.channel import Target, parse_target
from bench.adapters.jsonrpc.http import HttpChannel
from bench.adapters.jsonrpc.rpc import RpcFault
from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.adapters.utxo.blocks import BlockFollower
from bench.adapters.utxo.encoding import READS, OperationEncoder
from bench.adapters.utxo.heads import HeadWatcher
from bench.adapters.utxo.options import UtxoOptions, parse_options
from bench.adapters.utxo.preparing import Prepared, prepare, restore
from bench.adapters.utxo.rpc import WARMING_UP, Rpc
from bench.adapters.utxo.state import UtxoState
from bench.adapters.utxo.submitting import submit
from bench.model.errors import ConfigurationError, HarnessError, LedgerError
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Operation
from bench.model.transaction import CommitEvent, Reply, Transaction
from bench.model.workload import StateReader

_AUDIT_TIMEOUT_S = 120.0
_AUTHORIZATION = "Authorization"


@dataclass(frozen=True, slots=True)
class _Opened:
    endpoint: Endpoint
    options: UtxoOptions
    headers: Mapping[str, str]
    channels: Sequence[HttpChannel]
    chain: str


class UtxoAdapter:
    """An `Adapter` that is Auditable and Queryable. No sequences: each write has an output of its own."""

    finality = Finality("6 confirmations", 5)
    sequencing = Sequencing.NONE
    capabilities = frozenset({"batch", "reads", "audit"})
    reads = READS

    def __init__(self) -> None:
        self._open: _Opened | None = None
        self._ready: Prepared | None = None
        self._encoder: OperationEncoder | None = None
        self._accounts = 0
        self._turn = count()
        self._audits: HttpChannel | None = None

    def open(self, endpoint: Endpoint, fixture: Fixture | None = None) -> None:
        """Two requests for the chain's identity."""
        self.close()
        options = parse_options(endpoint.options)
        headers = _credentials(endpoint.headers, options.cookie_file)
        targets = [parse_target(url, headers) for url in options.submit_urls or (endpoint.url,)]
        channels = [_channel(target, endpoint.timeout_s) for target in targets]
        try:
            chain = _identity(Rpc(channels[0], targets[0].shown))
            if fixture is not None and fixture.data.get("chain") != chain:
                raise LedgerError(
                    "the ledger is not the one that was prepared: its first block is another",
                    value=chain,
                    remedy="prepare again; was the node restarted?",
                )
        except BaseException:
            for channel in channels:
                channel.close()
            raise
        self._open = _Opened(endpoint, options, headers, channels, chain)
        self.finality = finality_of(options.confirmations)
        if fixture is not None:
            self._use(fixture)

    def prepare(self, setup: Setup) -> Fixture:
        """One confirmed output for each planned write; the adapter is then ready to encode."""
        opened = self._opened()
        rpc, channel = self._patient(opened.endpoint.url, _AUDIT_TIMEOUT_S)
        try:
            fixture = prepare(rpc, opened.chain, opened.options, setup)
        finally:
            channel.close()
        self._use(fixture)
        return fixture

    def encode(self, operation: Operation, sender: int, sequence: int) -> Transaction:  # noqa: ARG002 - none here
        """A signed transaction inside its request, or the request of a read."""
        if self._encoder is None:
            raise HarnessError("encode was called before open with a fixture", remedy="open(endpoint, fixture) first")
        return self._encoder.encode(operation, sender)

    def submit(self, batch: Sequence[Transaction]) -> list[Reply]:
        """One request for a single transaction, one JSON-RPC batch for several; to the nodes in turn."""
        channels = self._opened().channels
        return submit(channels[0] if len(channels) == 1 else channels[next(self._turn) % len(channels)], batch)

    def commits(self, after: int | None) -> Iterator[CommitEvent | None]:
        """See `Adapter.commits`; two threads live until the iterator is closed. Their connections are their own."""
        opened = self._opened()
        rpc, channel = self._patient(opened.options.observe_url or opened.endpoint.url, opened.endpoint.timeout_s)
        follower = BlockFollower(rpc, HeadWatcher(rpc, opened.options.unreachable_after_s))
        try:
            yield from follower.follow(after)
        finally:
            rpc.lose_patience()
            channel.close()

    def close(self) -> None:
        """Release connections; idempotent."""
        if self._open is not None:
            for channel in self._open.channels:
                channel.close()
        if self._audits is not None:
            self._audits.close()

    def state(self) -> StateReader:
        """Reads at the best block."""
        if self._ready is None:
            raise HarnessError("the adapter has no fixture", remedy="call open(endpoint, fixture) or prepare first")
        opened = self._opened()
        target = parse_target(opened.endpoint.url, opened.headers)
        if self._audits is None:
            self._audits = _channel(target, _AUDIT_TIMEOUT_S)
        return UtxoState(Rpc(self._audits, target.shown), self._ready, self._accounts)

    def _patient(self, url: str, timeout_s: float) -> tuple[Rpc, HttpChannel]:
        opened = self._opened()
        target = parse_target(url, opened.headers)
        channel = _channel(target, timeout_s)
        return Rpc(channel, target.shown, patience_s=opened.options.unreachable_after_s), channel

    def _use(self, fixture: Fixture) -> None:
        self._ready = ready = restore(fixture.data)
        self._accounts = fixture.accounts
        self._encoder = OperationEncoder(ready.wallet, ready.slots, ready.amount_unit)

    def _opened(self) -> _Opened:
        if self._open is None:
            raise HarnessError("the adapter was used before open", remedy="call open(endpoint) first")
        return self._open


def finality_of(confirmations: int) -> Finality:
    """In Bitcoin's own words the block of a transaction is its first confirmation."""
    plural = "s" if confirmations > 1 else ""
    return Finality(f"{confirmations} confirmation{plural}", confirmations - 1)


def _channel(target: Target, timeout_s: float) -> HttpChannel:
    if target.websocket:
        raise ConfigurationError(
            "nodes of the Bitcoin family speak HTTP", value=target.shown, remedy="write http://host:port"
        )
    return HttpChannel(target, timeout_s)


def _credentials(headers: Mapping[str, str], cookie_file: str | None) -> Mapping[str, str]:
    """The given headers; without an Authorization among them, the one that `user:password` of the cookie makes."""
    if cookie_file is None or any(name.title() == _AUTHORIZATION for name in headers):
        return headers
    try:
        pair = Path(cookie_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(
            f"the node's cookie cannot be read: {error}",
            value=cookie_file,
            remedy="does the node run here? elsewhere, give an Authorization header instead",
        ) from error
    return {**headers, _AUTHORIZATION: "Basic " + base64.b64encode(pair.encode()).decode()}


def _identity(rpc: Rpc) -> str:
    """The id of the first block after genesis: all regression-test chains share their genesis, and no other block."""
    for height in (1, 0):
        try:
            return str(rpc.attempt("getblockhash", [height]))
        except RpcFault as fault:
            if fault.code == WARMING_UP:
                raise LedgerError("the node is still starting", value=fault.message, remedy="try again") from fault
    raise LedgerError("the node does not tell its first block", remedy="is it a node of the Bitcoin family?")
