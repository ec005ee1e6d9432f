"""Execution status of included transactions, fetched late so that measuring does not slow the node down.

A block's receipts cost a node far more than its hashes (anvil 1.7.1: 0.34 s for 1,428 transfers against 4 ms), so one thread
fetches them for at most `duty` of the time while blocks carry transactions, and without pause once they are empty.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from bench.adapters.evm.rpc import METHOD_NOT_FOUND, Rpc, RpcFault
from bench.adapters.protocol import JsonValue
from bench.model.clock import NS_PER_S, monotonic_ns
from bench.model.errors import LedgerError
from bench.model.transaction import ErrorClass, Settled

_ATTEMPTS = 20
_RETRY_S = 0.25


@dataclass(frozen=True, slots=True)
class _Pending:
    ordinal: int
    block_id: str
    tx_ids: Sequence[bytes]


class ReceiptFetcher:
    """Owns a thread from `start` to `stop`. `gas_limits` are those we sign with: a failure that used exactly one of them
    ran out of gas."""

    def __init__(self, rpc: Rpc, duty: float, gas_limits: frozenset[int]) -> None:
        self._rpc = rpc
        self._duty = duty
        self._gas_limits = gas_limits
        self._pending: deque[_Pending] = deque()
        self._settled: queue.SimpleQueue[Settled | Exception] = queue.SimpleQueue()
        self._orphaned: set[int] = set()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._stopped = threading.Event()
        self._by_block = True
        self._thread = threading.Thread(target=self._run, name="evm-receipts", daemon=True)

    def start(self) -> None:
        """Begin to fetch."""
        self._thread.start()

    def add(self, ordinal: int, block_id: str, tx_ids: Sequence[bytes]) -> None:
        """Want the receipts of a block that has transactions."""
        self._idle.clear()
        self._pending.append(_Pending(ordinal, block_id, tx_ids))
        self._wake.set()

    def saw_empty_block(self) -> None:
        """No load is being included just now: fetch without pause."""
        self._idle.set()

    def drop(self, ordinal: int) -> None:
        """The block was orphaned; its receipts are not wanted any more."""
        self._orphaned.add(ordinal)

    def settled(self) -> Settled | None:
        """The next settled block in ordinal order, if there is one. Raises what the thread failed with."""
        try:
            item = self._settled.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        return item

    def stop(self) -> None:
        """End the thread; idempotent."""
        self._stopped.set()
        self._wake.set()
        self._idle.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            if not self._pending:
                self._wake.wait()
                self._wake.clear()
                continue
            wanted = self._pending.popleft()
            started = monotonic_ns()
            try:
                self._settle(wanted)
            except Exception as error:  # noqa: BLE001 - a thread's edge: handed to the follower's thread
                self._settled.put(error)
                return
            spent = (monotonic_ns() - started) / NS_PER_S
            self._idle.wait(spent * (1 / self._duty - 1))

    def _settle(self, wanted: _Pending) -> None:
        for _ in range(_ATTEMPTS):
            if self._stopped.is_set() or wanted.ordinal in self._orphaned:
                return
            receipts = self._fetch(wanted)
            if receipts is not None:
                self._settled.put(_settled(wanted.ordinal, receipts, self._gas_limits))
                return
            self._stopped.wait(_RETRY_S)
        if wanted.ordinal not in self._orphaned:
            self._settled.put(Settled(wanted.ordinal, bytes([ErrorClass.STATUS_UNKNOWN]) * len(wanted.tx_ids)))

    def _fetch(self, wanted: _Pending) -> list[dict[str, JsonValue]] | None:
        """Receipts in block order, or None while the node does not have all of them."""
        found: JsonValue = None
        if self._by_block:
            try:
                found = self._rpc.attempt("eth_getBlockReceipts", [wanted.block_id])
            except RpcFault as fault:
                self._by_block = not _lacks_method(fault)
        if not self._by_block:
            found = self._rpc.batch("eth_getTransactionReceipt", [["0x" + tx_id.hex()] for tx_id in wanted.tx_ids])
        if not isinstance(found, list) or len(found) != len(wanted.tx_ids):
            return None
        receipts = [item for item in found if isinstance(item, dict) and item.get("blockHash") == wanted.block_id]
        return receipts if len(receipts) == len(wanted.tx_ids) else None


def _lacks_method(fault: RpcFault) -> bool:
    text = fault.message.lower()
    return fault.code == METHOD_NOT_FOUND or "invalid argument" in text or "not supported" in text


def _settled(ordinal: int, receipts: Sequence[dict[str, JsonValue]], gas_limits: frozenset[int]) -> Settled:
    classes, gas = bytearray(), []
    for receipt in receipts:
        try:
            used = int(str(receipt["gasUsed"]), 16)
            succeeded = int(str(receipt["status"]), 16) == 1
        except (KeyError, ValueError) as error:
            raise LedgerError(
                "a receipt has no status or gas", value=str(receipt)[:200], remedy="chains before Byzantium cannot be measured"
            ) from error
        gas.append(used)
        if succeeded:
            classes.append(ErrorClass.NONE)
        else:
            classes.append(ErrorClass.OUT_OF_GAS if used in gas_limits else ErrorClass.REVERTED)
    return Settled(ordinal, bytes(classes), gas)
