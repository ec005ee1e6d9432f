"""What an endpoint can do, found out by asking it: methods, batches, subscriptions; and the paths that follow.

Nothing here sends a transaction: the sending method is called with no bytes at all, which every node refuses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import websocket

from bench.adapters.evm.heads import Subscription
from bench.adapters.evm.rpc import Rpc
from bench.adapters.jsonrpc.channel import NotSentError
from bench.adapters.jsonrpc.rpc import BATCH_CALLS, METHOD_NOT_FOUND, RpcFault
from bench.adapters.jsonrpc.ws import connect
from bench.adapters.protocol import Finding, JsonValue
from bench.model.errors import LedgerError

BATCH_SIZES = (1, 10, 100, 1000)
_PROBE_TIMEOUT_S = 5.0
_SUBSCRIBE = b'{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'
_NOBODY = "0x" + 40 * "0"
_MISSING = re.compile(
    r"method .*(not found|not available|does not exist|not supported|not enabled|unsupported|unknown)"
    r"|(unknown|unsupported|no such|invalid) method|does not exist/is not available|not whitelisted",
    re.IGNORECASE,
)

_METHODS: tuple[tuple[str, tuple[JsonValue, ...], str], ...] = (
    ("eth_sendRawTransaction", ("0x",), "sending"),
    ("eth_getTransactionCount", (_NOBODY, "pending"), "sequence numbers, pending ones included"),
    ("eth_estimateGas", ({"from": _NOBODY, "to": _NOBODY},), "gas limits"),
    ("eth_feeHistory", ("0x1", "latest", []), "history of fees"),
    ("eth_maxPriorityFeePerGas", (), "tip of a dynamic-fee transaction"),
    ("eth_getBlockReceipts", ("latest",), "statuses of a block in one request"),
    ("eth_getTransactionReceipt", ("0x" + 64 * "0",), "statuses one by one"),
    ("trace_block", ("0x0",), "statuses by traces (taken on anvil only)"),
    ("debug_traceBlockByNumber", ("0x0",), "traces by executing again (never taken)"),
    ("txpool_status", (), "size of the node's pool"),
    ("net_version", (), "network id"),
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What was found. `batch_calls` is the largest batch that was answered whole (0: batches are refused);
    `subscription` says where heads can be subscribed to, `no_subscription` why they cannot.
    """

    client: str
    chain_id: int
    height: int
    base_fee: int | None
    gas_limit: int | None
    methods: dict[str, bool]
    batch_calls: int
    batch_refusal: str
    subscription: str
    no_subscription: str

    @property
    def setup_batch(self) -> int:
        """Calls per batch outside the hot path; 1 is no batch."""
        return max(1, min(BATCH_CALLS, self.batch_calls))

    @property
    def send_batch(self) -> int:
        """Transactions per request at most."""
        return max(1, self.batch_calls)

    def disclosed(self, status_source: str, poll_interval_s: float) -> dict[str, JsonValue]:
        """For the bundle."""
        return {
            "paths": list(self.paths(status_source, poll_interval_s)),
            "batch_calls": self.batch_calls,
            "methods_missing": [name for name, there in self.methods.items() if not there],
        }

    def paths(self, status_source: str, poll_interval_s: float) -> list[str]:
        """What the adapter does with this node, in sentences; `status_source` is the chosen source's name."""
        if self.subscription:
            heads = f"blocks: eth_subscribe at {self.subscription}"
        else:
            heads = f"blocks: polled every {poll_interval_s:g} s ({self.no_subscription})"
        if status_source != "receipts":
            statuses = f"statuses: {status_source}"
        elif self.methods.get("eth_getBlockReceipts", True):
            statuses = "statuses: eth_getBlockReceipts, one request per block"
        else:
            statuses = f"statuses: eth_getTransactionReceipt, {self._together} (no eth_getBlockReceipts)"
        return [heads, statuses, f"setup calls: {self._together}", self._sending]

    @property
    def _together(self) -> str:
        return f"in batches of {self.setup_batch}" if self.setup_batch > 1 else "one by one, as batches are refused"

    @property
    def _sending(self) -> str:
        if self.batch_calls > 1:
            return f"sending: batches of up to {self.batch_calls} are answered"
        return f"sending: one by one, whatever load.batch says ({self.batch_refusal})"

    def findings(self, paths: Sequence[str]) -> list[Finding]:
        """The table of `bench.py probe`."""
        rows = [
            Finding("client", self.client or "unknown", "web3_clientVersion"),
            Finding("chain id", str(self.chain_id), "eth_chainId"),
            Finding("height", str(self.height), "eth_getBlockByNumber"),
            Finding("base fee", "none" if self.base_fee is None else f"{self.base_fee} wei", "of the latest block"),
            Finding("block gas limit", "unknown" if self.gas_limit is None else str(self.gas_limit), "same"),
        ]
        rows += [
            Finding(name, "yes" if self.methods[name] else "no", purpose)
            for name, _, purpose in _METHODS
            if name in self.methods
        ]
        most = f"up to {self.batch_calls}" if self.batch_calls else "no"
        rows.append(Finding("batches", most, self.batch_refusal or f"the largest tried is {BATCH_SIZES[-1]}"))
        rows.append(
            Finding("eth_subscribe", "yes" if self.subscription else "no", self.subscription or self.no_subscription)
        )
        return rows + [Finding("path", *_halves(path)) for path in paths]


def probe(rpc: Rpc, chain_id: int, subscription: Subscription | None) -> Capabilities:
    """Some twenty requests. LedgerError when the node cannot be reached or has no blocks."""
    block = rpc.call("eth_getBlockByNumber", ["latest", False])
    header = block if isinstance(block, dict) else {}
    most, refusal = _batches(rpc)
    where, why = _heads(subscription)
    return Capabilities(
        client=str(rpc.optional("web3_clientVersion", []) or ""),
        chain_id=chain_id,
        height=_number(header.get("number")) or 0,
        base_fee=_number(header.get("baseFeePerGas")),
        gas_limit=_number(header.get("gasLimit")),
        methods={name: _exists(rpc, name, parameters) for name, parameters, _ in _METHODS},
        batch_calls=most,
        batch_refusal=refusal,
        subscription=where,
        no_subscription=why,
    )


def _exists(rpc: Rpc, method: str, parameters: Sequence[JsonValue]) -> bool:
    """A node that knows a method may refuse its arguments, and one that does not may say so in many ways."""
    try:
        rpc.attempt(method, parameters)
    except RpcFault as fault:
        return fault.code != METHOD_NOT_FOUND and not _MISSING.search(fault.message)
    except LedgerError:
        return False  # a gateway that answers an unknown method with something else than JSON-RPC
    return True


def _batches(rpc: Rpc) -> tuple[int, str]:
    """The largest size that was answered whole, and what was said to the next."""
    most = 0
    for size in BATCH_SIZES:
        try:
            rpc.whole_batch("eth_chainId", [[] for _ in range(size)])
        except LedgerError as error:
            return most, f"{size} in a batch: {error.value or error.what}"[:160]
        most = size
    return most, ""


def _heads(subscription: Subscription | None) -> tuple[str, str]:
    """Where heads can be subscribed to, or why not."""
    if subscription is None:
        return "", "adapter option subscribe is false"
    target = subscription.target
    try:
        connection = connect(target, _PROBE_TIMEOUT_S)
    except NotSentError as error:
        return "", str(error)[:160]
    try:
        connection.send(_SUBSCRIBE)
        answer = orjson.loads(connection.recv())
        if isinstance(answer, dict) and answer.get("result"):
            return f"{target.scheme}://{target.authority}", ""
        return "", f"{target.shown} refuses eth_subscribe"
    except (OSError, ValueError, websocket.WebSocketException) as error:
        return "", f"{target.shown}: {error or type(error).__name__}"[:160]
    finally:
        connection.close()


def _halves(path: str) -> tuple[str, str]:
    name, _, how = path.partition(": ")
    return name, how


def _number(value: JsonValue) -> int | None:
    try:
        return int(value, 16) if isinstance(value, str) else None
    except ValueError:
        return None
