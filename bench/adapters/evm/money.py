"""Whether our accounts hold together what they held before the load, less the fees they paid: conservation, for audits.

Fees are what receipts say (gas used times the effective price), one request per block, after the load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.adapters.evm.rpc import Rpc
from bench.adapters.protocol import JsonValue
from bench.model.errors import LedgerError

MOST_TRANSACTIONS = 50_000
"""Receipts of so many take a node some ten seconds; beyond, the audit says that it did not look."""

_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Opening:
    """What the accounts held together when everything was prepared, and the last block before. A height alone may be
    another block's after a reorganisation, so the id is kept.
    """

    height: int
    block_id: str
    wei: int

    def as_data(self) -> dict[str, JsonValue]:
        """For a fixture; wei does not fit JSON's numbers."""
        return {"height": self.height, "block": self.block_id, "wei": str(self.wei)}

    @staticmethod
    def from_data(data: JsonValue) -> Opening | None:
        """The inverse of `as_data`."""
        match data:
            case {"height": int(height), "block": str(block_id), "wei": str(wei)}:
                return Opening(height, block_id, int(wei))
            case _:
                return None


@dataclass(frozen=True, slots=True)
class _Block:
    height: int
    block_id: str
    parent_id: str


def note_opening(rpc: Rpc, addresses: Sequence[str]) -> Opening | None:
    """Call it when the accounts are funded and nothing of theirs is pending: blocks that come meanwhile change nothing.
    None where a node does not tell its last block.
    """
    head = _head(rpc)
    return None if head is None else Opening(head.height, head.block_id, _held(rpc, addresses))


def created_since(rpc: Rpc, opening: Opening, addresses: Sequence[str]) -> int | None:
    """Wei at the present head, plus fees up to it, less wei then. None on a node without receipts by block, whose head
    moves on too fast to be looked at, or whose chain no longer holds the opening's block.
    """
    block, held = _held_at_head(rpc, addresses)
    fees, ours = 0, frozenset(addresses)
    while block is not None and block.height > opening.height:
        paid = _fees(rpc, block.block_id, ours)
        if paid is None:
            return None
        fees += paid
        block = _block(rpc, "eth_getBlockByHash", block.parent_id)
    return None if block is None or block.block_id != opening.block_id else held + fees - opening.wei


def _held_at_head(rpc: Rpc, addresses: Sequence[str]) -> tuple[_Block | None, int]:
    """By looking at the head before and after: nodes that prune keep no state of any block but the last."""
    head = _head(rpc)
    for _ in range(_LOOKS):
        held, before = _held(rpc, addresses), head
        head = _head(rpc)
        if head is not None and head == before:
            return head, held
    return None, 0


def _head(rpc: Rpc) -> _Block | None:
    """Asked for again where a node behind a balancer does not serve it yet."""
    looks = (_block(rpc, "eth_getBlockByNumber", "latest") for _ in range(_LOOKS))
    return next((block for block in looks if block is not None), None)


def _block(rpc: Rpc, method: str, which: str) -> _Block | None:
    match rpc.call(method, [which, False]):
        case {"number": number, "hash": str(block_id), "parentHash": str(parent_id)}:
            return _Block(rpc.quantity(method, number), block_id, parent_id)
        case _:
            return None


def _held(rpc: Rpc, addresses: Sequence[str]) -> int:
    answers = rpc.batch("eth_getBalance", [[address, "latest"] for address in addresses])
    return sum(rpc.quantity("eth_getBalance", answer) for answer in answers)


def _fees(rpc: Rpc, block_id: str, ours: frozenset[str]) -> int | None:
    method = "eth_getBlockReceipts"
    receipts = rpc.optional(method, [block_id])
    if not isinstance(receipts, list):
        return None
    paid = 0
    for receipt in receipts:
        if not isinstance(receipt, dict):
            raise LedgerError(f"{method} answered with something that is no receipt", value=receipt)
        if str(receipt.get("from")).lower() in ours:
            gas, price = receipt.get("gasUsed"), receipt.get("effectiveGasPrice")
            if price is None:
                return None
            paid += rpc.quantity(method, gas) * rpc.quantity(method, price)
    return paid
