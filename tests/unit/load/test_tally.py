"""Live counts by operation: valid and final at whatever time each becomes known, and the same end as the rows."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from json import dumps, loads

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.histogram import Histogram
from bench.load.recorder import Pending, Recorder
from bench.load.watch import BlockLog
from bench.measure.counts import count_writes
from bench.measure.errors import errors
from bench.measure.record import join_statuses
from bench.model.counters import Counters
from bench.model.record import BLOCK, ROW
from bench.model.transaction import ErrorClass

OPERATIONS = 2
REVERTED = int(ErrorClass.REVERTED)
UNKNOWN = int(ErrorClass.STATUS_UNKNOWN)


def identity(number: int) -> bytes:
    return number.to_bytes(32, "big")


def pending(index: int, operation: int = 0, *, expects_refusal: bool = False) -> Pending:
    return Pending(index, 10 * index, operation, 0, int(expects_refusal), 0, index, 0, identity(index), b"payload")


def block(ordinal: int, ids: list[int], status: bytes | None = None, stamp: int = 1_000) -> list:
    return ["block", ordinal, ordinal, stamp, b"".join(map(identity, ids)), 32, status, -1, -1]


def sent(recorder: Recorder, *indices: int, **fields: bool) -> None:
    for index in indices:
        one = pending(index, index % OPERATIONS, **fields)
        recorder.submitted(one, one.due + 5)
        recorder.accepted(one, one.due + 9)


def test_without_its_status_nothing_is_committed_and_without_its_block_final_nothing_finalized():
    recorder = Recorder(0, OPERATIONS, confirmations=1)
    sent(recorder, 0, 1, 2)
    recorder.block(block(0, [0, 1, 2]), 0)
    assert (recorder.counters.committed, recorder.counters.finalized) == ([0, 0], [0, 0])
    recorder.settled(0, bytes(3))
    assert (recorder.counters.committed, recorder.counters.finalized) == ([2, 1], [0, 0])
    recorder.block(block(1, []), 0)
    assert (recorder.counters.committed, recorder.counters.finalized) == ([2, 1], [2, 1])


def test_a_status_that_comes_after_finality_counts_both_at_once():
    recorder = Recorder(0, OPERATIONS, confirmations=0)
    sent(recorder, 0, 1)
    recorder.block(block(0, [0, 1], stamp=400_000_000), 0)
    assert recorder.counters.finalized == [0, 0]
    recorder.settled(0, bytes([0, REVERTED]))
    counters = recorder.counters
    assert (counters.committed, counters.finalized, counters.failed) == ([1, 0], [1, 0], [0, 1])
    assert counters.finality[0].total == 1
    assert counters.finality[0].sum_ns == 400_000_000


def test_a_block_that_leaves_takes_back_what_it_held():
    recorder = Recorder(0, OPERATIONS, confirmations=2)
    sent(recorder, 0, 1)
    recorder.block(block(0, [0, 1], bytes([0, REVERTED])), 0)
    assert (recorder.counters.committed, recorder.counters.failed) == ([1, 0], [0, 1])
    recorder.orphaned(0)
    counters = recorder.counters
    assert (counters.committed, counters.failed, counters.included) == ([0, 0], [0, 0], 0)
    assert counters.errors[REVERTED] == 0
    recorder.block(block(1, [0, 1], bytes(2)), 0)
    assert recorder.counters.committed == [1, 1]


@pytest.mark.parametrize(
    ("status", "expects", "failed", "expected", "unresolved", "error"),
    [
        (REVERTED, False, 1, 0, 0, REVERTED),
        (REVERTED, True, 1, 1, 0, REVERTED),
        (int(ErrorClass.OUT_OF_GAS), True, 1, 0, 0, int(ErrorClass.OUT_OF_GAS)),
        (UNKNOWN, False, 0, 0, 1, UNKNOWN),
        (200, False, 1, 0, 0, int(ErrorClass.INVALID_IN_BLOCK)),
    ],
)
def test_what_a_status_means(status: int, expects: bool, failed: int, expected: int, unresolved: int, error: int):
    recorder = Recorder(0, OPERATIONS, 0)
    sent(recorder, 0, expects_refusal=expects)
    recorder.block(block(0, [0], bytes([status])), 0)
    counters = recorder.counters
    assert (counters.failed, counters.failed_expected) == ([failed, 0], [expected, 0])
    assert (counters.unresolved, counters.errors) == (unresolved, {error: 1})


def test_blocks_that_never_tell_their_status_are_unresolved_in_the_end():
    recorder = Recorder(0, OPERATIONS, 0)
    sent(recorder, 0, 1)
    recorder.block(block(0, [0, 1]), 0)
    recorder.close_open()
    recorder.tally.give_up_statuses()
    assert (recorder.counters.unresolved, recorder.counters.errors) == (2, {UNKNOWN: 2})
    assert recorder.unsettled == 0


def test_finality_above_the_objective_is_counted():
    recorder = Recorder(0, 1, 0, objective_ns=500)
    for index in (0, 1):
        recorder.submitted(pending(index), 0)
    recorder.block(block(0, [0, 1], bytes(2), stamp=505), 0)
    assert recorder.counters.over_objective == 1  # 505 and 495 ns after their due times


def test_a_report_survives_json_and_is_what_a_copy_would_be():
    recorder = Recorder(0, OPERATIONS, 0)
    sent(recorder, 0, 1)
    recorder.rejected(pending(5), ErrorClass.POOL_FULL, "full")
    log = BlockLog()
    log.block(block(0, [0, 1], bytes(2)), 0)
    counters = recorder.counters
    counters.blocks = log.counters(5_000)
    assert counters.to_wire() == asdict(counters)
    assert Counters.from_wire(loads(dumps(counters.to_wire()))) == counters


@given(st.lists(st.integers(0, 2_000), max_size=200), st.integers(0, 200))
def test_a_histogram_folds_in_parts_what_it_would_at_once(values: list[int], cut: int):
    bounds = (10, 100, 1_000)
    histogram = Histogram(bounds)
    for value in values[:cut]:
        histogram.add(value)
    histogram.fold()
    for value in values[cut:]:
        histogram.add(value)
    assert sorted(histogram.fold().tolist()) == sorted(values[cut:])
    edges = (-1, *bounds, 10**9)
    expected = [sum(low < value <= high for value in values) for low, high in pairwise(edges)]
    assert (histogram.buckets.counts, histogram.buckets.sum_ns) == (expected, sum(values))


ANSWERS = st.sampled_from(["accepted", "refused", "unanswered", "none"])
FATES = st.lists(st.tuples(ANSWERS, st.booleans(), st.sampled_from([None, 0, 0, REVERTED, UNKNOWN])), max_size=30)
"""Of each write: its answer, whether a refusal is intended, its status in the block that holds it (None: in none)."""


@given(FATES, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(1, 5))
def test_the_end_is_what_the_rows_say(fates: list, confirmations: int, late_status: bool, extra: bool, size: int):
    """Whatever happens to writes, the live counts end at what `bench.measure` counts from the rows."""
    recorder = Recorder(0, OPERATIONS, confirmations)
    writes = [pending(index, index % OPERATIONS, expects_refusal=fate[1]) for index, fate in enumerate(fates)]
    for one, (answer, _, _) in zip(writes, fates, strict=True):
        recorder.submitted(one, one.due + 5)
        if answer == "accepted":
            recorder.accepted(one, one.due + 9)
        elif answer == "refused":
            recorder.rejected(one, ErrorClass.POOL_FULL, "full")
        elif answer == "unanswered":
            recorder.unanswered(one, "timeout")
    held = [index for index, (answer, _, status) in enumerate(fates) if status is not None and answer != "refused"]
    statuses = {}
    for ordinal, first in enumerate(range(0, len(held), size)):
        ids = held[first : first + size]
        statuses[ordinal] = bytes(fates[index][2] for index in ids)
        recorder.block(block(ordinal, ids, None if late_status else statuses[ordinal]), 0)
    if extra:
        for ordinal in range(len(statuses), len(statuses) + confirmations):
            recorder.block(block(ordinal, []), 0)
    recorder.dropped(pending(len(fates)), ErrorClass.IN_FLIGHT_BOUND)
    recorder.close_open()
    if late_status:
        for ordinal, status in statuses.items():
            recorder.settled(ordinal, status)
    recorder.tally.give_up_statuses()

    rows = np.frombuffer(bytearray(recorder.take_rows()), ROW)
    blocks = np.zeros(len(statuses), BLOCK)
    join_statuses(rows, blocks, statuses)
    counts = count_writes(rows, len(fates) + 1)
    counters = recorder.counters
    live = {
        name: sum(getattr(counters, name))
        for name in ("planned", "submitted", "rejected", "accepted", "committed", "finalized", "failed")
    }
    assert live == {name: getattr(counts, name) for name in live}
    assert (sum(counters.failed_expected), counters.unresolved) == (counts.failed_expected, counts.unresolved)
    found: dict[str, int] = {}
    for key, part in errors(rows, {}).items():
        found[key.partition("/")[0]] = found.get(key.partition("/")[0], 0) + part.count
    assert {ErrorClass(code).label: count for code, count in counters.errors.items() if count} == found
