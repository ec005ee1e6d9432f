"""An operation encoded for one ledger, the ledger's answers, and the blocks it is found in again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, unique

ID_BYTES = 32
"""Width of a transaction id in records; shorter ids are padded with zero bytes on the right."""


@unique
class ErrorClass(IntEnum):
    """Closed set of reasons, because a reason is a metric label. The value is written into row files; never
    renumber.
    """

    NONE = 0
    # dropped: never sent
    IN_FLIGHT_BOUND = 1
    BUFFER_EMPTY = 2
    ACCOUNT_UNAVAILABLE = 3
    INTERRUPTED = 4
    # rejected: refused before inclusion
    UNREACHABLE = 10
    INVALID_TRANSACTION = 11
    SEQUENCE_TOO_LOW = 12
    SEQUENCE_GAP = 13
    UNDERPRICED = 14
    POOL_FULL = 15
    INSUFFICIENT_FUNDS = 16
    RATE_LIMITED = 17
    UNAUTHORIZED = 18
    NODE_ERROR = 19
    METHOD_MISSING = 20
    # failed: included and invalid
    REVERTED = 30
    OUT_OF_GAS = 31
    CONFLICT = 32
    BUSINESS_REFUSAL = 33
    INVALID_IN_BLOCK = 34
    # unresolved: accepted or unanswered, and never seen
    NOT_INCLUDED = 40
    NO_ANSWER = 41
    STATUS_UNKNOWN = 42
    ORPHANED = 43
    # reads
    READ_REFUSED = 50
    READ_TIMEOUT = 51

    @property
    def label(self) -> str:
        """snake_case word used in files, metrics and reports."""
        return self.name.lower()


HARNESS_CAUSED_DROPS = frozenset({ErrorClass.BUFFER_EMPTY, ErrorClass.ACCOUNT_UNAVAILABLE})
"""Drops that make a run invalid; a full in-flight bound is the ledger's own result."""


@dataclass(slots=True)
class Transaction:
    """`payload` is exactly what goes out; nothing is signed or serialised after encoding. `tx_id` is how the ledger
    will name it in a block (at most `ID_BYTES`; empty for a read).
    """

    tx_id: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The node took it (or already knew it). For a read: it was answered."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The node answered no. The sequence number was not consumed, unless `error_class` is SEQUENCE_TOO_LOW."""

    error_class: ErrorClass
    message: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Sent, and no answer came: accepted until the ledger tells otherwise."""

    message: str


Reply = Accepted | Refusal | Unanswered
ACCEPTED = Accepted()


@dataclass(frozen=True, slots=True)
class Block:
    """A block (or commit group) as one observer saw it.

    `ordinal` counts the blocks an adapter has yielded, 0, 1, 2 …, never reused; `height` is the ledger's own number.
    `observed_at_ns` is the monotonic time its existence was learnt, before its contents were fetched. `error_classes`
    has one byte per transaction (an `ErrorClass`; 0 valid) or is None when execution status follows in a `Settled`.
    `gas_used`/`size_bytes` are -1 where unknown.
    """

    ordinal: int
    height: int
    block_id: bytes
    observed_at_ns: int
    tx_ids: Sequence[bytes]
    error_classes: bytes | None
    gas_used: int = -1
    size_bytes: int = -1


@dataclass(frozen=True, slots=True)
class Settled:
    """Execution status of every transaction of an earlier block: one `ErrorClass` byte each, in block order."""

    ordinal: int
    error_classes: bytes
    gas_used: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Orphaned:
    """A block yielded earlier is no longer part of the chain."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class Blind:
    """From when to when (monotonic, ns) the follower could not learn of blocks, because the node it followed was lost
    and another had to be found. What was committed meanwhile is stamped late by up to as much.
    """

    from_ns: int
    until_ns: int


CommitEvent = Block | Settled | Orphaned | Blind
