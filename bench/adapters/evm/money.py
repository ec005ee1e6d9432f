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
    """What the accounts held together when everything was prepared, and the last block before."""

    height: int
    wei: int

    def as_data(self) -> dict[str, JsonValue]:
        """For a fixture; wei does not fit JSON's numbers."""
        return {"height": self.height, "wei": str(self.wei)}

    @staticmethod
    def from_data(data: JsonValue) -> Opening | None:
        """The inverse of `as_data`."""
        match data:
            case {"height": int(height), "wei": str(wei)}:
                return Opening(height, int(wei))
            case _:
                return None


def note_opening(rpc: Rpc, addresses: Sequence[str]) -> Opening:
    """Call it when the accounts are funded and nothing of theirs is pending."""
    return Opening(rpc.hex_int("eth_blockNumber", []), _held(rpc, addresses))


def created_since(rpc: Rpc, opening: Opening, addresses: Sequence[str]) -> int | None:
    """Wei at the present head, plus fees up to it, less wei then. None on a node without receipts by block, or whose
    head moves on too fast to be looked at.
    """
    head, held = _held_at_head(rpc, addresses)
    if head is None:
        return None
    fees = 0
    for height in range(opening.height + 1, head + 1):
        paid = _fees(rpc, height, frozenset(addresses))
        if paid is None:
            return None
        fees += paid
    return held + fees - opening.wei


def _held_at_head(rpc: Rpc, addresses: Sequence[str]) -> tuple[int | None, int]:
    """By looking at the head before and after: nodes that prune keep no state of any block but the last."""
    head = rpc.hex_int("eth_blockNumber", [])
    for _ in range(_LOOKS):
        held, before = _held(rpc, addresses), head
        head = rpc.hex_int("eth_blockNumber", [])
        if head == before:
            return head, held
    return None, 0


def _held(rpc: Rpc, addresses: Sequence[str]) -> int:
    answers = rpc.batch("eth_getBalance", [[address, "latest"] for address in addresses])
    return sum(rpc.quantity("eth_getBalance", answer) for answer in answers)


def _fees(rpc: Rpc, height: int, ours: frozenset[str]) -> int | None:
    method = "eth_getBlockReceipts"
    receipts = rpc.optional(method, [hex(height)])
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
