"""Where the execution status of a block's transactions is read: receipts, or on anvil its traces.

anvil 1.7.1 needs time quadratic in the block's size for receipts (one core: 100 transfers 4 ms, 1,428 0.39 s, 5,000
10 s) and 31 ms for the traces of 5,000, which carry the same verdict; there one receipt per block, of a failed
transaction where there is one, must agree with the traces. Every other client's receipts are linear, and its
traces re-execute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.adapters.evm.rpc import Rpc
from bench.adapters.jsonrpc.rpc import METHOD_NOT_FOUND, RpcFault
from bench.adapters.protocol import JsonValue
from bench.model.errors import LedgerError
from bench.model.transaction import ErrorClass


@dataclass(frozen=True, slots=True)
class Statuses:
    """One ErrorClass byte per transaction, and the gas each used where the source tells."""

    error_classes: bytes
    gas_used: Sequence[int] | None


class StatusSource(Protocol):
    """`name` is disclosed in the bundle. `read` answers None while the node does not have the whole block."""

    name: str

    def read(self, block_id: str, height: int, tx_ids: Sequence[bytes]) -> Statuses | None:
        """The statuses of one block, in its order."""


class Receipts:
    """eth_getBlockReceipts, or batches of eth_getTransactionReceipt on nodes without it. `gas_limits` are those we sign
    with: a failure that used exactly one of them ran out of gas.
    """

    name = "receipts"

    def __init__(self, rpc: Rpc, gas_limits: frozenset[int]) -> None:
        self._rpc = rpc
        self._gas_limits = gas_limits
        self._by_block = True

    def read(self, block_id: str, height: int, tx_ids: Sequence[bytes]) -> Statuses | None:  # noqa: ARG002
        """By block id, so that a reorganised block is never mistaken for another."""
        found = self._fetch(block_id, tx_ids)
        if not isinstance(found, list) or len(found) != len(tx_ids):
            return None
        receipts = [item for item in found if isinstance(item, dict) and item.get("blockHash") == block_id]
        return self._classify(receipts) if len(receipts) == len(tx_ids) else None

    def _fetch(self, block_id: str, tx_ids: Sequence[bytes]) -> JsonValue:
        if self._by_block:
            try:
                return self._rpc.attempt("eth_getBlockReceipts", [block_id])
            except RpcFault as fault:
                if not _lacks_method(fault):
                    return None
                self._by_block = False
        return self._rpc.batch("eth_getTransactionReceipt", [["0x" + tx_id.hex()] for tx_id in tx_ids])

    def _classify(self, receipts: Sequence[dict[str, JsonValue]]) -> Statuses:
        classes, gas = bytearray(), []
        for receipt in receipts:
            used, succeeded = _outcome(receipt)
            gas.append(used)
            failure = ErrorClass.OUT_OF_GAS if used in self._gas_limits else ErrorClass.REVERTED
            classes.append(ErrorClass.NONE if succeeded else failure)
        return Statuses(bytes(classes), gas)


class Traces:
    """trace_block, checked against one receipt per block."""

    name = "traces, one receipt per block"

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def read(self, block_id: str, height: int, tx_ids: Sequence[bytes]) -> Statuses | None:
        """Raises LedgerError when a receipt says otherwise than the traces."""
        found = self._rpc.call("trace_block", [hex(height)])
        if not isinstance(found, list):
            return None
        classes = bytearray(len(tx_ids))
        seen = 0
        for trace in found:
            if not isinstance(trace, dict) or trace.get("traceAddress") != [] or "transactionHash" not in trace:
                continue
            position = trace.get("transactionPosition")
            if trace.get("blockHash") != block_id or not isinstance(position, int) or position >= len(tx_ids):
                return None
            classes[position] = _trace_class(trace.get("error"))
            seen += 1
        if seen != len(tx_ids):
            return None
        return Statuses(bytes(classes), None) if self._agrees(block_id, tx_ids, classes) else None

    def _agrees(self, block_id: str, tx_ids: Sequence[bytes], classes: bytearray) -> bool:
        """False when the receipt is not of this block, which a reorganisation may just have taken away."""
        position = next((index for index, each in enumerate(classes) if each), 0)
        receipt = self._rpc.call("eth_getTransactionReceipt", ["0x" + tx_ids[position].hex()])
        if not isinstance(receipt, dict) or receipt.get("blockHash") != block_id:
            return False
        if _outcome(receipt)[1] is bool(classes[position]):
            raise LedgerError(
                "a transaction's receipt contradicts its trace",
                value="0x" + tx_ids[position].hex(),
                remedy="set adapter option status_source to receipts",
            )
        return True


def choose_source(rpc: Rpc, option: str, gas_limits: frozenset[int]) -> StatusSource:
    """`option` is auto, receipts or traces; auto takes traces on anvil only."""
    if option == "auto":
        option = "traces" if str(rpc.optional("web3_clientVersion", [])).startswith("anvil/") else "receipts"
    return Traces(rpc) if option == "traces" else Receipts(rpc, gas_limits)


def _trace_class(error: JsonValue) -> ErrorClass:
    if not error:
        return ErrorClass.NONE
    text = str(error).lower().replace(" ", "")
    return ErrorClass.OUT_OF_GAS if "outofgas" in text else ErrorClass.REVERTED


def _outcome(receipt: dict[str, JsonValue]) -> tuple[int, bool]:
    try:
        return int(str(receipt["gasUsed"]), 16), int(str(receipt["status"]), 16) == 1
    except (KeyError, ValueError) as error:
        raise LedgerError(
            "a receipt has no status or gas",
            value=str(receipt)[:200],
            remedy="chains from before the Byzantium fork cannot be measured",
        ) from error


def _lacks_method(fault: RpcFault) -> bool:
    text = fault.message.lower()
    return fault.code == METHOD_NOT_FOUND or "invalid argument" in text or "not supported" in text
