"""Execution status, fetched late so that reading it does not slow down the node that is being measured.

One thread asks, pausing in between so that it asks for a share `duty` of the time. The share grows with the number of
blocks that wait, up to all of it, so that memory and the catch-up at the end stay bounded however long a run is; once
blocks are empty there is no pause.
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
FULL_BACKLOG = 10
"""Blocks waiting at which there is no pause any more, and no second attempt at a block the node cannot tell about."""


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
        self._hurry = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evm-receipts", daemon=True)

    def start(self) -> None:
        """Begin to fetch."""
        self._thread.start()

    def add(self, ordinal: int, height: int, block_id: str, tx_ids: Sequence[bytes]) -> None:
        """Want the statuses of a block that has transactions."""
        self._hurry = False
        self._pending.append(_Pending(ordinal, height, block_id, tx_ids))
        self._wake.set()

    def saw_empty_block(self) -> None:
        """No load is being included just now: fetch without pause."""
        self._hurry = True
        self._wake.set()

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
            self._pause(monotonic_ns() - started)

    def _pause(self, spent_ns: int) -> None:
        """As long as the duty asks for after `spent_ns` of asking; looked at again with every block that comes."""
        began = monotonic_ns()
        while not (self._stopped.is_set() or self._hurry):
            left_ns = began + spent_ns * (1 / duty_at(len(self._pending), self._duty) - 1) - monotonic_ns()
            if left_ns <= 0:
                return
            self._wake.wait(left_ns / NS_PER_S)
            self._wake.clear()

    def _settle(self, wanted: _Pending) -> None:
        """Unknown when the node, though it answers, has not told all of the block in some 5 s of asking."""
        for attempt in range(_ATTEMPTS):
            if self._stopped.is_set() or wanted.ordinal in self._orphaned:
                return
            if attempt and len(self._pending) >= FULL_BACKLOG:
                break
            statuses = self._source.read(wanted.block_id, wanted.height, wanted.tx_ids)
            if statuses is not None:
                self._settled.put(Settled(wanted.ordinal, statuses.error_classes, statuses.gas_used))
                return
            self._stopped.wait(_RETRY_S)
        self._settled.put(Settled(wanted.ordinal, bytes([ErrorClass.STATUS_UNKNOWN]) * len(wanted.tx_ids)))


def duty_at(waiting: int, least: float) -> float:
    """The share of time spent asking while `waiting` blocks wait: `least` at none, all of it from `FULL_BACKLOG` on."""
    return least + (1 - least) * min(1.0, waiting / FULL_BACKLOG)
