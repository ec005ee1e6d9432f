"""Live counts of one worker, by operation. Rows decide what a bundle says; these decide what a watcher sees meanwhile,
and end at the same numbers.

A write counts as committed once its block's execution status is known and good, as finalized once that block is final
as well. Both are known per block, so blocks are what is kept waiting here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from bench.load.histogram import Histogram, together
from bench.load.messages import FILLER_INDEX
from bench.measure.record import EXPECTED_REFUSALS
from bench.model.buckets import LAG_BUCKETS_NS, LATENCY_BUCKETS_NS
from bench.model.counters import Counters
from bench.model.transaction import ErrorClass

if TYPE_CHECKING:
    from bench.load.recorder import Pending

EXAMPLES_PER_CLASS = 3
EXAMPLE_LENGTH = 300
_CODES = frozenset(int(error_class) for error_class in ErrorClass)

Add = Callable[[int], None]


class Tally:
    """`sent`, `issued`, `answered` and `read` take a latency in ns, by operation code: the hot path calls them.

    `objective_ns` is the finality latency the scenario asks for; 0 for none.
    """

    def __init__(self, operations: int, objective_ns: int = 0) -> None:
        self.counters = Counters(
            rejected=[0] * operations,
            failed=[0] * operations,
            failed_expected=[0] * operations,
            reads_failed=[0] * operations,
        )
        self._objective_ns = objective_ns
        self._sent, self._issued = _row(operations, LAG_BUCKETS_NS), _row(operations, LAG_BUCKETS_NS)
        self._accept, self._commit = _row(operations, LATENCY_BUCKETS_NS), _row(operations, LATENCY_BUCKETS_NS)
        self._finality, self._reads = _row(operations, LATENCY_BUCKETS_NS), _row(operations, LATENCY_BUCKETS_NS)
        self.sent, self.issued, self.answered, self.read = (
            [histogram.add for histogram in row] for row in (self._sent, self._issued, self._accept, self._reads)
        )
        self._left_out = [0] * operations  # dropped writes
        self._believed = [0] * operations  # never answered, and found in a block
        self._reopened = [0] * operations  # committed, and their block left the chain
        self._unsettled: dict[int, list[Pending]] = {}
        self._valid: dict[int, list[Pending]] = {}  # of settled blocks that are not final yet
        self._invalid: dict[int, list[tuple[Pending, int]]] = {}
        self._final: set[int] = set()  # blocks that were final before their status came
        self._closed = False

    @property
    def unsettled(self) -> int:
        """Blocks with transactions of ours whose execution status is not known yet."""
        return len(self._unsettled)

    # --- blocks

    def included(self, ordinal: int, own: list[Pending]) -> None:
        """A block holds these."""
        self.counters.included += len(own)
        counted = [pending for pending in own if pending.index != FILLER_INDEX]
        if counted:
            self._unsettled[ordinal] = counted

    def settled(self, ordinal: int, error_classes: bytes) -> None:
        """The execution status of a block is known."""
        own = self._unsettled.pop(ordinal, None)
        if own is None:
            return
        if error_classes.count(0) != len(error_classes):
            own = self._sift(ordinal, own, error_classes)
        for pending in own:
            self._commit[pending.operation].add(pending.committed - pending.due)
        if ordinal in self._final:
            self._final.remove(ordinal)
            self._finish(own)
        elif not self._closed:
            self._valid[ordinal] = own

    def final(self, ordinal: int) -> None:
        """A block is final; the stamps of what it holds say when."""
        self._invalid.pop(ordinal, None)
        own = self._valid.pop(ordinal, None)
        if own is not None:
            self._finish(own)
        elif ordinal in self._unsettled:
            self._final.add(ordinal)

    def orphaned(self, ordinal: int, own: list[Pending]) -> None:
        """A block left the chain; `own` is open again."""
        self.counters.included -= len(own)
        lost = self._unsettled.pop(ordinal, ())
        if ordinal in self._final or self._closed:  # their rows are written: they are not open again
            self._final.discard(ordinal)
            self._lose(len(lost), ErrorClass.ORPHANED)
        for pending in self._valid.pop(ordinal, ()):
            self._reopened[pending.operation] += 1
        for pending, status in self._invalid.pop(ordinal, ()):
            self._note(pending, status, -1)

    def _finish(self, own: list[Pending]) -> None:
        for pending in own:
            self._finality[pending.operation].add(pending.finalized - pending.due)

    def _sift(self, ordinal: int, own: list[Pending], error_classes: bytes) -> list[Pending]:
        """Count the invalid ones; the others are left."""
        valid = []
        for pending in own:
            status = error_classes[pending.position]
            if not status:
                valid.append(pending)
                continue
            self._note(pending, status, 1)
            if ordinal not in self._final and not self._closed:
                self._invalid.setdefault(ordinal, []).append((pending, status))
        return valid

    def _note(self, pending: Pending, status: int, count: int) -> None:
        """As `bench.measure.record.join_statuses` decides."""
        counters = self.counters
        if status == ErrorClass.STATUS_UNKNOWN:
            counters.unresolved += count
        else:
            counters.failed[pending.operation] += count
            if pending.expects_refusal and status in EXPECTED_REFUSALS:
                counters.failed_expected[pending.operation] += count
        self.count(status if status in _CODES else ErrorClass.INVALID_IN_BLOCK, count)

    def _lose(self, count: int, cause: ErrorClass) -> None:
        if count:
            self.counters.unresolved += count
            self.count(cause, count)

    # --- single operations

    def dropped(self, operation: int, cause: ErrorClass) -> None:
        """A write was planned and not sent."""
        self._left_out[operation] += 1
        dropped = self.counters.dropped
        dropped[int(cause)] = dropped.get(int(cause), 0) + 1

    def believed(self, operation: int) -> None:
        """A write that was not answered is in a block."""
        self._believed[operation] += 1

    def count(self, error_class: int, count: int = 1) -> None:
        """Something ended as an error."""
        errors = self.counters.errors
        errors[int(error_class)] = errors.get(int(error_class), 0) + count

    def example(self, error_class: ErrorClass, message: str) -> None:
        """Keep the first messages of a class."""
        examples = self.counters.examples.setdefault(int(error_class), [])
        if len(examples) < EXAMPLES_PER_CLASS and message not in examples:
            examples.append(message[:EXAMPLE_LENGTH])

    # --- the end, and reports

    def close(self) -> None:
        """Nothing further becomes final. Whatever was sent and not refused counts as accepted from now on."""
        self._closed = True
        self._valid.clear()
        self._invalid.clear()

    def give_up_statuses(self) -> None:
        """Blocks whose status is still not known will not tell any more."""
        self._lose(sum(len(own) for own in self._unsettled.values()), ErrorClass.STATUS_UNKNOWN)
        self._unsettled.clear()

    def gather(self) -> Counters:
        """Everything up to now; the same object each time."""
        counters = self.counters
        lags = [histogram.fold() for histogram in (*self._sent, *self._issued)]
        counters.submit_lag_max_ns = max([counters.submit_lag_max_ns, *(int(lag.max()) for lag in lags if len(lag))])
        for histogram in (*self._accept, *self._commit, *self._reads):
            histogram.fold()
        for histogram in self._finality:
            latencies = histogram.fold()
            if self._objective_ns:
                counters.over_objective += int(np.count_nonzero(latencies > self._objective_ns))
        counters.submitted = _totals(self._sent)
        counters.planned = _sums(counters.submitted, self._left_out)
        counters.reads_issued = _totals(self._issued)
        counters.reads_answered = _totals(self._reads)
        counters.committed = _sums(_totals(self._commit), [-count for count in self._reopened])
        counters.finalized = _totals(self._finality)
        if self._closed:
            counters.accepted = _sums(counters.submitted, [-count for count in counters.rejected])
        else:
            counters.accepted = _sums(_totals(self._accept), self._believed)
        counters.submit_lag = together([*self._sent, *self._issued])
        counters.accept, counters.commit = together(self._accept), together(self._commit)
        counters.finality = [histogram.buckets for histogram in self._finality]
        counters.reads = [histogram.buckets for histogram in self._reads]
        return counters


def _row(operations: int, bounds_ns: tuple[int, ...]) -> list[Histogram]:
    return [Histogram(bounds_ns) for _ in range(operations)]


def _totals(histograms: list[Histogram]) -> list[int]:
    return [histogram.total for histogram in histograms]


def _sums(one: list[int], other: list[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)]
