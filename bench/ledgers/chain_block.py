"""A block of our own ledgers, and the frame followers get of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.model.wire import pack


@dataclass(frozen=True, slots=True)
class ChainBlock:
    """`error_classes` holds one `ErrorClass` byte per transaction, 0 for a valid one."""

    height: int
    block_hash: bytes
    tx_ids: Sequence[bytes]
    error_classes: bytes

    def frame(self) -> bytes:
        """[height, hash, ids of 32 bytes each in one string, error classes]."""
        return pack([self.height, self.block_hash, b"".join(self.tx_ids), self.error_classes])
