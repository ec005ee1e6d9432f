"""An EVM node in memory: a channel that answers from a table of methods, and a chain of blocks that can fork."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from bench.adapters.evm.rpc import Rpc
from bench.adapters.jsonrpc.channel import Answer


@dataclass
class FakeNode:
    """`methods` maps names to functions of the parameters; `calls` records (method, parameters)."""

    methods: dict[str, Callable[..., Any]] = field(default_factory=dict)
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)

    def exchange(self, body: bytes, ids: Sequence[int]) -> Answer:
        request = orjson.loads(body)
        answer = [self._one(item) for item in request] if isinstance(request, list) else self._one(request)
        return Answer(200, orjson.dumps(answer))

    def close(self) -> None: ...

    @property
    def rpc(self) -> Rpc:
        return Rpc(self, "fake")

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)

    def _one(self, request: dict[str, Any]) -> dict[str, Any]:
        method, params = request["method"], request["params"]
        self.calls.append((method, params))
        head = {"jsonrpc": "2.0", "id": request["id"]}
        if method not in self.methods:
            return head | {"error": {"code": -32601, "message": "method not found"}}
        try:
            return head | {"result": self.methods[method](*params)}
        except NodeSays as error:
            return head | {"error": {"code": -32000, "message": str(error)}}


class NodeSays(Exception):
    """An error of the node."""


class FakeChain:
    """Blocks named by a letter per branch: `grow("a", 2)` adds two blocks to branch a."""

    def __init__(self) -> None:
        self.by_id: dict[str, dict[str, Any]] = {}
        self.canonical: list[str] = []
        self.add("g")

    def add(self, branch: str, transactions: Sequence[bytes] = ()) -> str:
        height = len(self.canonical)
        block_id = "0x" + (branch.encode().hex() + f"{height:04x}").rjust(64, "0")
        self.by_id[block_id] = {
            "number": hex(height),
            "hash": block_id,
            "parentHash": self.canonical[-1] if self.canonical else "0x" + "00" * 32,
            "transactions": ["0x" + each.hex() for each in transactions],
            "gasUsed": hex(21_000 * len(transactions)),
            "size": "0x200",
            "baseFeePerGas": hex(10**9),
        }
        self.canonical.append(block_id)
        return block_id

    def fork(self, height: int) -> None:
        """Forget everything above `height`."""
        del self.canonical[height + 1 :]

    def by_number(self, reference: str, full: bool) -> dict[str, Any] | None:
        assert full is False
        height = len(self.canonical) - 1 if reference == "latest" else int(reference, 16)
        return self.by_id[self.canonical[height]] if height < len(self.canonical) else None

    def by_hash(self, reference: str, full: bool) -> dict[str, Any] | None:
        assert full is False
        return self.by_id.get(reference)

    def node(self) -> FakeNode:
        return FakeNode(
            {
                "eth_getBlockByNumber": self.by_number,
                "eth_getBlockByHash": self.by_hash,
                "eth_blockNumber": lambda: hex(len(self.canonical) - 1),
            }
        )
