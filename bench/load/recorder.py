"""Rows of one worker, and what its live counts are told. No event, lock, log line or file between an intended arrival
and its stamps.

A row is open from submission until the ledger has decided and is then packed into bytes that the snapshot loop ships;
what stays in memory is what is in flight. Execution status is joined to included rows later, from the observer's record
(`bench.measure`); here it only decides the live counts (`bench.load.tally`).
"""

from __future__ import annotations

from typing import Any

from bench.load.messages import FILLER_INDEX
from bench.load.tally import Tally
from bench.model.counters import Counters
from bench.model.phase import Outcome
from bench.model.record import NEVER, ROW_STRUCT
from bench.model.transaction import ErrorClass

_WRITE = 0
_pack = ROW_STRUCT.pack


class Pending:
    """A planned operation between encoding and its row. Times are ns since the start signal. `drawn` is the place in
    the plan where the operation was drawn; it differs from `index` when the turn of a dropped one is taken.
    """

    __slots__ = (
        "accepted",
        "block",
        "committed",
        "drawn",
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
        self.index = self.drawn = index
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

    def __init__(self, worker: int, operations: int, confirmations: int, objective_ns: int = 0) -> None:
        self.tally = Tally(operations, objective_ns)
        self.open: dict[bytes, Pending] = {}
        self._unheard: dict[bytes, Pending] = {}  # final before their answer came
        self._worker = worker
        self._confirmations = confirmations
        self._rows = bytearray()
        self._unfinal: dict[int, tuple[int, list[Pending]]] = {}
        self._counters = self.tally.counters
        self._sent, self._issued, self._answered = self.tally.sent, self.tally.issued, self.tally.answered

    @property
    def counters(self) -> Counters:
        """Live counts up to now."""
        return self.tally.gather()

    @property
    def unsettled(self) -> int:
        """Blocks with transactions of ours whose execution status is not known yet."""
        return self.tally.unsettled

    @property
    def waiting(self) -> bool:
        """Whether anything sent is not final yet."""
        return bool(self.open) or any(own for _, own in self._unfinal.values())

    # --- on the hot path

    def submitted(self, pending: Pending, now: int) -> None:
        """The batch with `pending` is about to be sent."""
        pending.submitted = now
        self._counters.sent_bytes += len(pending.payload)
        if pending.kind == _WRITE:
            if (
                pending.tx_id in self.open
            ):  # the same bytes for another turn: the older turn can no longer be told apart
                self._unresolved(self.open[pending.tx_id], ErrorClass.NOT_INCLUDED)
            self.open[pending.tx_id] = pending
            if pending.index == FILLER_INDEX:
                self._counters.fillers += 1
                return
            self._sent[pending.operation](now - pending.due)
        else:
            self._issued[pending.operation](now - pending.due)

    def sent_again(self, pending: Pending) -> None:
        """The same bytes go out once more."""
        self._counters.sent_bytes += len(pending.payload)

    def accepted(self, pending: Pending, now: int) -> None:
        """The node took it; it may already have been seen in a block."""
        pending.accepted = now
        if pending.index == FILLER_INDEX:
            return
        self._answered[pending.operation](now - pending.due)
        if pending.finalized >= 0:
            self._heard(pending)

    def unanswered(self, pending: Pending, message: str) -> None:
        """Sent, and no answer came: the ledger will tell."""
        pending.unanswered = True
        if pending.index == FILLER_INDEX:
            return
        self.tally.example(ErrorClass.NO_ANSWER, message)
        if pending.finalized >= 0:
            self.tally.believed(pending.operation)
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
        self.tally.included(ordinal, own)
        if error_classes is not None:
            self.tally.settled(ordinal, error_classes)
        if self._confirmations == 0:
            self._finalize(ordinal, own, stamp)
        else:
            self._unfinal[ordinal] = (height, own)
            self._confirm(height, stamp)

    # --- off the hot path

    def dropped(self, pending: Pending, cause: ErrorClass) -> None:
        """Planned and never sent; a transaction signed for it may be sent in a later turn, and belongs to that row."""
        pending.tx_id = b""
        if pending.kind == _WRITE:
            self.tally.dropped(pending.operation, cause)
        self.tally.count(cause)
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
        self._counters.rejected[pending.operation] += 1
        self.tally.count(error_class)
        self.tally.example(error_class, message)
        self._row(pending, Outcome.REJECTED, error_class)

    def read_done(self, pending: Pending, now: int, error_class: ErrorClass, message: str) -> None:
        """A read was answered, refused or timed out."""
        if error_class is ErrorClass.NONE:
            pending.accepted = now
            self.tally.read[pending.operation](now - pending.due)
            self._row(pending, Outcome.ANSWERED, error_class)
        else:
            self._counters.reads_failed[pending.operation] += 1
            self.tally.count(error_class)
            self.tally.example(error_class, message)
            self._row(pending, Outcome.READ_FAILED, error_class)

    def settled(self, ordinal: int, error_classes: bytes) -> None:
        """Execution status of an earlier block."""
        self.tally.settled(ordinal, error_classes)

    def orphaned(self, ordinal: int) -> None:
        """A block left the chain: what it held is open again."""
        _, own = self._unfinal.pop(ordinal, (0, []))
        self.tally.orphaned(ordinal, own)
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
            self._unresolved(pending, ErrorClass.NO_ANSWER if pending.unanswered else ErrorClass.NOT_INCLUDED)
        self.open.clear()
        self.tally.close()

    def take_rows(self) -> bytes:
        """Rows closed since the last call."""
        rows = bytes(self._rows)
        self._rows.clear()
        return rows

    # --- inside

    def _confirm(self, height: int, stamp: int) -> None:
        final = [ordinal for ordinal, (at, _) in self._unfinal.items() if at + self._confirmations <= height]
        for ordinal in final:
            self._finalize(ordinal, self._unfinal.pop(ordinal)[1], stamp)

    def _finalize(self, ordinal: int, own: list[Pending], stamp: int) -> None:
        for pending in own:
            pending.finalized = stamp
            if pending.index == FILLER_INDEX:
                continue
            if pending.accepted >= 0:
                self._row(pending, Outcome.FINALIZED, ErrorClass.NONE)
            elif pending.unanswered:
                self.tally.believed(pending.operation)
                self._row(pending, Outcome.FINALIZED, ErrorClass.NONE)
            else:
                self._unheard[pending.tx_id] = pending
        self.tally.final(ordinal)

    def _heard(self, pending: Pending) -> None:
        self._unheard.pop(pending.tx_id, None)
        self._row(pending, Outcome.FINALIZED, ErrorClass.NONE)

    def _unresolved(self, pending: Pending, cause: ErrorClass) -> None:
        if pending.index == FILLER_INDEX:
            return
        self._counters.unresolved += 1
        self.tally.count(cause)
        self._row(pending, Outcome.UNRESOLVED, cause)

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
            pending.drawn,
        )
