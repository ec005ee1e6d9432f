"""What the null EVM node answers, as a pure state machine: JSON-RPC bodies in, bodies out; time comes from outside.

It takes every transaction unread, answers with its true hash and puts it into the next block with a valid status.
Accounts have more money than any load needs and always the sequence number 0, because nobody's transactions are
executed. Blocks and receipts have the size of a real node's, since reading them is part of what a harness has to do;
only the newest `KEPT_BLOCKS` are kept.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bench.model.keccak import Hash, fast_keccak256

CHAIN_ID = 31_337
KEPT_BLOCKS = 512
CLIENT = "null-evm/1"
_GWEI = 10**9
_TRANSFER_GAS = 21_000
_GAS_LIMIT = 10**12
_TX_BYTES = 110
_NO_METHOD = -32_601
_NO_BLOOM = "0x" + "00" * 256
_NO_HASH = "0x" + "00" * 32

_SEND = re.compile(rb'"id":(\d+),"method":"eth_sendRawTransaction","params":\["0x([0-9a-f]+)"\]\}')
"""A send as our own adapter writes it; others are understood through JSON."""

_CONSTANTS: dict[str, object] = {
    "eth_chainId": hex(CHAIN_ID),
    "net_version": str(CHAIN_ID),
    "eth_gasPrice": hex(_GWEI),
    "eth_maxPriorityFeePerGas": hex(_GWEI),
    "eth_estimateGas": hex(_TRANSFER_GAS),
    "eth_getBalance": hex(10**30),
    "eth_getTransactionCount": "0x0",
    "eth_getCode": "0x",
    "web3_clientVersion": CLIENT,
}


@dataclass(frozen=True, slots=True)
class NullBlock:
    """`tx_ids` are lower-case hexadecimal without 0x, as the answers carry them."""

    height: int
    block_id: str
    parent_id: str
    made_at_ms: int
    tx_ids: Sequence[str]

    def header(self) -> dict[str, object]:
        """What `newHeads` tells."""
        return {
            "number": hex(self.height),
            "hash": self.block_id,
            "parentHash": self.parent_id,
            "timestamp": hex(self.made_at_ms // 1000),
            "baseFeePerGas": hex(_GWEI),
            "gasLimit": hex(_GAS_LIMIT),
            "gasUsed": hex(_TRANSFER_GAS * len(self.tx_ids)),
            "size": hex(500 + _TX_BYTES * len(self.tx_ids)),
            "logsBloom": _NO_BLOOM,
        }

    def body(self) -> dict[str, object]:
        """As `eth_getBlockByNumber` answers."""
        return {**self.header(), "transactions": [f"0x{tx_id}" for tx_id in self.tx_ids]}

    def receipts(self) -> list[dict[str, object]]:
        """All valid."""
        return [
            {
                "transactionHash": f"0x{tx_id}",
                "transactionIndex": hex(position),
                "blockHash": self.block_id,
                "blockNumber": hex(self.height),
                "gasUsed": hex(_TRANSFER_GAS),
                "cumulativeGasUsed": hex(_TRANSFER_GAS * (position + 1)),
                "effectiveGasPrice": hex(_GWEI),
                "status": "0x1",
                "type": "0x2",
                "logs": [],
                "logsBloom": _NO_BLOOM,
            }
            for position, tx_id in enumerate(self.tx_ids)
        ]


class _NoMethodError(Exception):
    """The node has no such method."""


class NullEvmChain:
    """One thread. `answer` takes requests, `make_block` includes what came since the last block."""

    def __init__(self) -> None:
        self._hash: Hash = fast_keccak256()
        self._pending: dict[str, None] = {}
        self._blocks: OrderedDict[int, NullBlock] = OrderedDict()
        self._heights: dict[str, int] = {}
        self.head = self._keep(0, _NO_HASH, 0, ())
        self._methods: dict[str, Callable[[list[Any]], object]] = {
            "eth_sendRawTransaction": lambda params: f"0x{self._take(_bytes(params[0]))}",
            "eth_blockNumber": lambda _: hex(self.head.height),
            "eth_getBlockByNumber": lambda params: _body(self._at(params[0])),
            "eth_getBlockByHash": lambda params: _body(self._named(params[0])),
            "eth_getBlockReceipts": lambda params: _receipts(self._named(params[0]) or self._at(params[0])),
        }

    @property
    def pending(self) -> int:
        """How many transactions wait for the next block."""
        return len(self._pending)

    def answer(self, body: bytes) -> bytes:
        """The answer to one request, or to an array of them. Raises ValueError for what is not JSON-RPC."""
        sends = _SEND.findall(body)
        if sends and len(sends) == body.count(b'"method"'):
            answers = [
                b'{"jsonrpc":"2.0","id":%b,"result":"0x%b"}'
                % (number, self._take(bytes.fromhex(raw.decode())).encode())
                for number, raw in sends
            ]
            return b"[" + b",".join(answers) + b"]" if body[:1] == b"[" else answers[0]
        request = orjson.loads(body)
        return orjson.dumps([self._one(item) for item in request] if isinstance(request, list) else self._one(request))

    def make_block(self, now_ms: int) -> NullBlock:
        """A block of everything that waits, also when nothing does."""
        tx_ids = tuple(self._pending)
        self._pending.clear()
        self.head = self._keep(self.head.height + 1, self.head.block_id, now_ms, tx_ids)
        return self.head

    def _take(self, raw: bytes) -> str:
        tx_id = self._hash(raw).hex()
        self._pending[tx_id] = None
        return tx_id

    def _keep(self, height: int, parent_id: str, now_ms: int, tx_ids: Sequence[str]) -> NullBlock:
        seed = f"{parent_id} {height} {now_ms} {len(tx_ids)}".encode()
        block = NullBlock(height, "0x" + self._hash(seed).hex(), parent_id, now_ms, tx_ids)
        self._blocks[height] = block
        self._heights[block.block_id] = height
        if len(self._blocks) > KEPT_BLOCKS:
            _, old = self._blocks.popitem(last=False)
            del self._heights[old.block_id]
        return block

    def _one(self, request: Any) -> dict[str, object]:
        if not isinstance(request, dict):
            raise ValueError("a request is an object")
        number = request.get("id")
        method, params = str(request.get("method")), request.get("params") or []
        try:
            return {"jsonrpc": "2.0", "id": number, "result": self._result(method, params)}
        except _NoMethodError:
            return _error(number, _NO_METHOD, f"method not found: {method}")
        except (LookupError, TypeError, ValueError) as error:
            return _error(number, -32_602, f"invalid params: {error!r}")

    def _result(self, method: str, params: list[Any]) -> object:
        if method in _CONSTANTS:
            return _CONSTANTS[method]
        if method not in self._methods:
            raise _NoMethodError
        return self._methods[method](params)

    def _at(self, tag: str) -> NullBlock | None:
        if tag in ("latest", "pending", "safe", "finalized"):
            return self.head
        return self._blocks.get(0 if tag == "earliest" else int(tag, 16))

    def _named(self, block_id: str) -> NullBlock | None:
        return self._blocks.get(self._heights.get(block_id, -1))


def _bytes(raw: str) -> bytes:
    if not (found := bytes.fromhex(raw[2:])):
        raise ValueError("a transaction has bytes")
    return found


def _body(block: NullBlock | None) -> object:
    return None if block is None else block.body()


def _receipts(block: NullBlock | None) -> object:
    return None if block is None else block.receipts()


def _error(number: object, code: int, message: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
