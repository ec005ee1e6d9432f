"""Rows and live counters of one worker. No event, lock, log line or file between an intended arrival and its stamps.

A row is open from submission until the ledger has decided and is then packed into bytes that the snapshot loop ships;
what stays in memory is what is in flight. Execution status is joined to included rows later, from the observer's record
(`bench.measure`); here it only corrects the live counters.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from bench.load.messages import FILLER_INDEX, LATENCY_BUCKETS_NS, Counters
from bench.model.phase import Outcome
from bench.model.record import NEVER, ROW_STRUCT
from bench.model.transaction import ErrorClass

EXAMPLES_PER_CLASS = 3
EXAMPLE_LENGTH = 300
_WRITE = 0
_pack = ROW_STRUCT.pack


class Pending:
    """A planned operation between encoding and its row. Times are ns since the start signal."""

    __slots__ = (
        "accepted",
        "block",
        "committed",
        "due",
        "expects_refusal",
        "finalized",
        "generation",
        "index",
        "kind",
        "operation",
        "payload",
        "position",
        "sender",
        "sequence",
        "submitted",
        "tx_id",
        "unanswered",
    )

    def __init__(
        self,
        index: int,
        due: int,
        operation: int,
        kind: int,
        expects_refusal: int,
        sender: int,
        sequence: int,
        generation: int,
        tx_id: bytes,
        payload: bytes,
    ) -> None:
        self.index = index
        self.due = due
        self.operation = operation
        self.kind = kind
        self.expects_refusal = expects_refusal
        self.sender = sender
        self.sequence = sequence
        self.generation = generation
        self.tx_id = tx_id
        self.payload = payload
        self.submitted = NEVER
        self.accepted = NEVER
        self.committed = NEVER
        self.finalized = NEVER
        self.block = NEVER
        self.position = NEVER
        self.unanswered = False


class Recorder:
    """All methods run in the worker's one thread, between two switches of greenlets."""

    def __init__(self, worker: int, operations: int, confirmations: int) -> None:
        self.counters = Counters(
            finality_buckets=[0] * (len(LATENCY_BUCKETS_NS) + 1), accept_buckets=[0] * (len(LATENCY_BUCKETS_NS) + 1)
        )
        self.per_operation = [[0] * (len(LATENCY_BUCKETS_NS) + 1) for _ in range(operations)]
        self.open: dict[bytes, Pending] = {}
        self._unheard: dict[bytes, Pending] = {}  # final before their answer came
        self._worker = worker
        self._confirmations = confirmations
        self._rows = bytearray()
        self._unfinal: dict[int, tuple[int, list[Pending]]] = {}
        self._unsettled: dict[int, array[int]] = {}

    @property
    def unsettled(self) -> int:
        """Blocks with transactions of ours whose execution status is not known yet."""
        return len(self._unsettled)

    @property
    def waiting(self) -> bool:
        """Whether anything sent is not final yet."""
        return bool(self.open) or any(own for _, own in self._unfinal.values())

    # --- on the hot path

    def submitted(self, pending: Pending, now: int) -> None:
        """The batch with `pending` is about to be sent."""
        pending.submitted = now
        counters = self.counters
        counters.sent_bytes += len(pending.payload)
        lag = now - pending.due
        if pending.kind == _WRITE:
            if (
                pending.tx_id in self.open
            ):  # the same bytes for another turn: the older turn can no longer be told apart
                self._row(self.open[pending.tx_id], Outcome.UNRESOLVED, ErrorClass.NOT_INCLUDED)
            self.open[pending.tx_id] = pending
            if pending.index == FILLER_INDEX:
                counters.fillers += 1
                return
            counters.submitted += 1
        else:
            counters.reads_issued += 1
        if lag > counters.submit_lag_max_ns:
            counters.submit_lag_max_ns = lag

    def accepted(self, pending: Pending, now: int) -> None:
        """The node took it; it may already have been seen in a block."""
        pending.accepted = now
        if pending.index == FILLER_INDEX:
            return
        counters = self.counters
        counters.accepted += 1
        latency = now - pending.due
        counters.accept_sum_ns += latency
        counters.accept_buckets[bisect_left(LATENCY_BUCKETS_NS, latency)] += 1
        if pending.finalized >= 0:
            self._heard(pending)

    def unanswered(self, pending: Pending, message: str) -> None:
        """Sent, and no answer came: the ledger will tell."""
        pending.unanswered = True
        if pending.index == FILLER_INDEX:
            return
        self.counters.accepted += 1
        self._example(ErrorClass.NO_ANSWER, message)
        if pending.finalized >= 0:
            self._heard(pending)

    def block(self, frame: list[Any], start_ns: int) -> None:
        """A block was observed: match its ids with what is open."""
        _, ordinal, height, observed_at, ids, width, error_classes, _gas, _size = frame
        stamp = observed_at - start_ns
        opened = self.open
        own: list[Pending] = []
        if width and opened:
            pop = opened.pop
            for position, offset in enumerate(range(0, len(ids), width)):
                pending = pop(ids[offset : offset + width], None)
                if pending is not None:
                    pending.committed = stamp
                    pending.block = ordinal
                    pending.position = position
                    own.append(pending)
        self._included(ordinal, own, error_classes)
        if self._confirmations == 0:
            self._finalize(own, stamp)
        else:
            self._unfinal[ordinal] = (height, own)
            self._confirm(height, stamp)

    # --- off the hot path

    def dropped(self, pending: Pending, cause: ErrorClass) -> None:
        """Planned and never sent; a transaction signed for it may be sent in a later turn, and belongs to that row."""
        pending.tx_id = b""
        if pending.kind == _WRITE:
            self.counters.dropped += 1
        self._count(cause)
        self._row(pending, Outcome.DROPPED, cause)

    def rejected(self, pending: Pending, error_class: ErrorClass, message: str) -> None:
        """The node refused it; final for this transaction unless a block has shown it already."""
        if pending.index == FILLER_INDEX:
            self.open.pop(pending.tx_id, None)
            return
        if pending.committed >= 0:
            self.accepted(pending, pending.committed)
            return
        self.open.pop(pending.tx_id, None)
        if pending.unanswered:
            self.counters.accepted -= 1
        self.counters.rejected += 1
        self._count(error_class)
        self._example(error_class, message)
        self._row(pending, Outcome.REJECTED, error_class)

    def read_done(self, pending: Pending, now: int, error_class: ErrorClass, message: str) -> None:
        """A read was answered, refused or timed out."""
        counters = self.counters
        if error_class is ErrorClass.NONE:
            pending.accepted = now
            counters.reads_answered += 1
            self._observe(pending.operation, now - pending.due)
            self._row(pending, Outcome.ANSWERED, error_class)
        else:
            counters.reads_failed += 1
            self._count(error_class)
            self._example(error_class, message)
            self._row(pending, Outcome.READ_FAILED, error_class)

    def settled(self, ordinal: int, error_classes: bytes) -> None:
        """Execution status of an earlier block: correct the live counters."""
        positions = self._unsettled.pop(ordinal, None)
        if positions is not None:
            for position in positions:
                status = error_classes[position]
                if status:
                    self._fail(status)

    def orphaned(self, ordinal: int) -> None:
        """A block left the chain: what it held is open again."""
        _, own = self._unfinal.pop(ordinal, (0, []))
        self._unsettled.pop(ordinal, None)
        self.counters.included -= len([pending for pending in own if pending.index != FILLER_INDEX])
        for pending in own:
            pending.committed = pending.block = pending.position = NEVER
            self.open[pending.tx_id] = pending

    def close_open(self) -> None:
        """The trial ends: what is still open is unresolved, what is included but not final stays committed."""
        for _, own in self._unfinal.values():
            for pending in own:
                self._row(pending, Outcome.COMMITTED, ErrorClass.NONE)
        self._unfinal.clear()
        for pending in list(self._unheard.values()):
            self._heard(pending)
        for pending in self.open.values():
            cause = ErrorClass.NO_ANSWER if pending.unanswered else ErrorClass.NOT_INCLUDED
            self._count(cause)
            self._row(pending, Outcome.UNRESOLVED, cause)
        self.open.clear()

    def take_rows(self) -> bytes:
        """Rows closed since the last call."""
        rows = bytes(self._rows)
        self._rows.clear()
        return rows

    def take_operation_buckets(self) -> Iterator[tuple[int, list[int]]]:
        """(operation code, latency buckets since the last call), for views; only operations that moved."""
        for code, buckets in enumerate(self.per_operation):
            if any(buckets):
                self.per_operation[code] = [0] * len(buckets)
                yield code, buckets

    # --- inside

    def _included(self, ordinal: int, own: list[Pending], error_classes: bytes | None) -> None:
        counted = array("I", [pending.position for pending in own if pending.index != FILLER_INDEX])
        self.counters.included += len(counted)
        if not counted:
            return
        self._unsettled[ordinal] = counted
        if error_classes is not None:
            self.settled(ordinal, error_classes)

    def _confirm(self, height: int, stamp: int) -> None:
        final = [ordinal for ordinal, (at, _) in self._unfinal.items() if at + self._confirmations <= height]
        for ordinal in final:
            self._finalize(self._unfinal.pop(ordinal)[1], stamp)

    def _finalize(self, own: list[Pending], stamp: int) -> None:
        counters = self.counters
        buckets = counters.finality_buckets
        per_operation = self.per_operation
        for pending in own:
            pending.finalized = stamp
            if pending.index == FILLER_INDEX:
                continue
            latency = stamp - pending.due
            bucket = bisect_left(LATENCY_BUCKETS_NS, latency)
            buckets[bucket] += 1
            per_operation[pending.operation][bucket] += 1
            counters.finality_sum_ns += latency
            counters.finalized += 1
            if pending.accepted >= 0 or pending.unanswered:
                self._row(pending, Outcome.FINALIZED, ErrorClass.NONE)
            else:
                self._unheard[pending.tx_id] = pending

    def _heard(self, pending: Pending) -> None:
        self._unheard.pop(pending.tx_id, None)
        self._row(pending, Outcome.FINALIZED, ErrorClass.NONE)

    def _observe(self, operation: int, latency: int) -> None:
        self.per_operation[operation][bisect_left(LATENCY_BUCKETS_NS, latency)] += 1

    def _fail(self, status: int) -> None:
        self.counters.failed += 1
        self._count(ErrorClass(status))

    def _row(self, pending: Pending, outcome: int, error_class: int) -> None:
        if pending.index == FILLER_INDEX:
            return
        self._rows += _pack(
            pending.index,
            pending.due,
            pending.submitted,
            pending.accepted,
            pending.committed,
            pending.finalized,
            pending.block,
            pending.position,
            pending.operation,
            self._worker,
            pending.kind,
            outcome,
            error_class,
            pending.expects_refusal,
            pending.tx_id,
        )

    def _count(self, error_class: ErrorClass) -> None:
        errors = self.counters.errors
        errors[int(error_class)] = errors.get(int(error_class), 0) + 1

    def _example(self, error_class: ErrorClass, message: str) -> None:
        examples = self.counters.examples.setdefault(int(error_class), [])
        if len(examples) < EXAMPLES_PER_CLASS and message not in examples:
            examples.append(message[:EXAMPLE_LENGTH])
