"""What one host's observer saw, on its way to the spool: block records, execution status and when it did not look; and
live counts of it.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any

from bench.load.histogram import Histogram
from bench.model.buckets import LATENCY_BUCKETS_NS
from bench.model.counters import BlockCounters

_BLOCK = struct.Struct("<iqqiiqqB")  # bench.model.record.BLOCK; `own` and `orphaned` are filled in when rows are joined
PAUSE = struct.Struct("<qq")  # from when to when the observer stood still, in ns since the start signal
STATUS_HEAD = struct.Struct("<ii")  # ordinal, count; then one ErrorClass byte per transaction


class BlockLog:
    """Kept by the one worker per host that owns the observer."""

    def __init__(self) -> None:
        self._blocks = bytearray()
        self._statuses = bytearray()
        self._pauses = bytearray()
        self._orphans: deque[int] = deque()
        self._counters = BlockCounters()
        self._intervals = Histogram(LATENCY_BUCKETS_NS)
        self._heard_ns: int | None = None

    def block(self, frame: list[Any], start_ns: int) -> None:
        """A block was observed."""
        _, ordinal, height, observed_at, ids, width, error_classes, gas_used, size = frame
        count = len(ids) // width if width else 0
        observed = observed_at - start_ns
        self._blocks += _BLOCK.pack(ordinal, height, observed, count, 0, gas_used, size, 0)
        if error_classes is not None:
            self.settled(ordinal, error_classes)
        self._count(ordinal, height, count, gas_used, size)
        if self._heard_ns is not None:
            self._intervals.add(observed_at - self._heard_ns)
        self._heard_ns = observed_at

    def settled(self, ordinal: int, error_classes: bytes) -> None:
        """Its execution status is known."""
        self._statuses += STATUS_HEAD.pack(ordinal, len(error_classes)) + error_classes

    def orphaned(self, ordinal: int) -> None:
        """It left the chain."""
        self._orphans.append(ordinal)
        self._counters.orphaned += 1

    def paused(self, from_ns: int, until_ns: int) -> None:
        """The observer stood still; what it stamped just afterwards may have happened before."""
        self._pauses += PAUSE.pack(from_ns, until_ns)

    def take(self) -> dict[str, Any]:
        """What came since the last call; empty when nothing did."""
        if not (self._blocks or self._statuses or self._orphans or self._pauses):
            return {}
        taken = {
            "blocks": bytes(self._blocks),
            "statuses": bytes(self._statuses),
            "pauses": bytes(self._pauses),
            "orphans": list(self._orphans),
        }
        self._blocks.clear()
        self._statuses.clear()
        self._pauses.clear()
        self._orphans.clear()
        return taken

    def counters(self, now_ns: int) -> BlockCounters:
        """Everything up to now; `now_ns` on this host's monotonic clock. The same object each time."""
        self._intervals.fold()
        self._counters.interval = self._intervals.buckets
        self._counters.age_ns = 0 if self._heard_ns is None else now_ns - self._heard_ns
        return self._counters

    def _count(self, ordinal: int, height: int, transactions: int, gas_used: int, size: int) -> None:
        counters = self._counters
        counters.heard += 1
        counters.empty += not transactions
        counters.transactions += transactions
        counters.ordinal, counters.height = ordinal, height
        if gas_used >= 0:
            counters.tells_gas = True
            counters.gas += gas_used
        if size >= 0:
            counters.tells_size = True
            counters.size_bytes += size
