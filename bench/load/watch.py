"""What one host's observer saw, on its way to the spool: block records and execution status."""

from __future__ import annotations

import struct
from collections import deque
from typing import Any

_BLOCK = struct.Struct("<iqqiiqqB")  # bench.model.record.BLOCK; `own` and `orphaned` are filled in when rows are joined
STATUS_HEAD = struct.Struct("<ii")  # ordinal, count; then one ErrorClass byte per transaction


class BlockLog:
    """Kept by the one worker per host that owns the observer."""

    def __init__(self) -> None:
        self._blocks = bytearray()
        self._statuses = bytearray()
        self._orphans: deque[int] = deque()

    def block(self, frame: list[Any], start_ns: int) -> None:
        """A block was observed."""
        _, ordinal, height, observed_at, ids, width, error_classes, gas_used, size = frame
        count = len(ids) // width if width else 0
        observed = observed_at - start_ns
        self._blocks += _BLOCK.pack(ordinal, height, observed, count, 0, gas_used, size, 0)
        if error_classes is not None:
            self.settled(ordinal, error_classes)

    def settled(self, ordinal: int, error_classes: bytes) -> None:
        """Its execution status is known."""
        self._statuses += STATUS_HEAD.pack(ordinal, len(error_classes)) + error_classes

    def orphaned(self, ordinal: int) -> None:
        """It left the chain."""
        self._orphans.append(ordinal)

    def take(self) -> dict[str, Any]:
        """What came since the last call; empty when nothing did."""
        if not (self._blocks or self._statuses or self._orphans):
            return {}
        taken = {"blocks": bytes(self._blocks), "statuses": bytes(self._statuses), "orphans": list(self._orphans)}
        self._blocks.clear()
        self._statuses.clear()
        self._orphans.clear()
        return taken
