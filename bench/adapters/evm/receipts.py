"""Execution status, fetched late so that reading it does not slow down the node that is being measured.

One thread asks for at most `duty` of the time while blocks carry transactions, and without pause once they are empty.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from bench.adapters.evm.statuses import StatusSource
from bench.model.clock import NS_PER_S, monotonic_ns
from bench.model.transaction import ErrorClass, Settled

_ATTEMPTS = 20
_RETRY_S = 0.25
_JOIN_S = 30.0


@dataclass(frozen=True, slots=True)
class _Pending:
    ordinal: int
    height: int
    block_id: str
    tx_ids: Sequence[bytes]


class ReceiptFetcher:
    """Owns a thread from `start` to `stop`; everything else is called from the follower's thread."""

    def __init__(self, source: StatusSource, duty: float) -> None:
        self._source = source
        self._duty = duty
        self._pending: deque[_Pending] = deque()
        self._settled: queue.SimpleQueue[Settled | Exception] = queue.SimpleQueue()
        self._orphaned: set[int] = set()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evm-receipts", daemon=True)

    def start(self) -> None:
        """Begin to fetch."""
        self._thread.start()

    def add(self, ordinal: int, height: int, block_id: str, tx_ids: Sequence[bytes]) -> None:
        """Want the statuses of a block that has transactions."""
        self._hurry.clear()
        self._pending.append(_Pending(ordinal, height, block_id, tx_ids))
        self._wake.set()

    def saw_empty_block(self) -> None:
        """No load is being included just now: fetch without pause."""
        self._hurry.set()

    def drop(self, ordinal: int) -> None:
        """The block was orphaned; its statuses are not wanted any more."""
        self._orphaned.add(ordinal)

    def settled(self) -> Settled | None:
        """The next settled block in ordinal order, if there is one. Raises what the thread failed with."""
        while not self._settled.empty():
            item = self._settled.get_nowait()
            if isinstance(item, Exception):
                raise item
            if item.ordinal not in self._orphaned:
                return item
        return None

    def stop(self) -> None:
        """End the thread; idempotent."""
        self._stopped.set()
        self._wake.set()
        self._hurry.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

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
            except Exception as error:  # noqa: BLE001 - a thread's edge: raised again in the follower's thread
                self._settled.put(error)
                return
            spent = (monotonic_ns() - started) / NS_PER_S
            self._hurry.wait(spent * (1 / self._duty - 1))

    def _settle(self, wanted: _Pending) -> None:
        for _ in range(_ATTEMPTS):
            if self._stopped.is_set() or wanted.ordinal in self._orphaned:
                return
            statuses = self._source.read(wanted.block_id, wanted.height, wanted.tx_ids)
            if statuses is not None:
                self._settled.put(Settled(wanted.ordinal, statuses.error_classes, statuses.gas_used))
                return
            self._stopped.wait(_RETRY_S)
        self._settled.put(Settled(wanted.ordinal, bytes([ErrorClass.STATUS_UNKNOWN]) * len(wanted.tx_ids)))
