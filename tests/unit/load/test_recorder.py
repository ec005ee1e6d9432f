import numpy as np

from bench.load.messages import FILLER_INDEX
from bench.load.recorder import Pending, Recorder
from bench.model.phase import Outcome
from bench.model.record import ROW
from bench.model.transaction import ErrorClass


def identity(number: int) -> bytes:
    return number.to_bytes(32, "big")


def pending(index: int, due: int = 0, kind: int = 0) -> Pending:
    return Pending(index, due, 0, kind, 0, 0, index, 0, identity(index) if kind == 0 else b"", b"payload")


def block(ordinal: int, height: int, stamp: int, ids: list[bytes], status: bytes | None = None) -> list:
    return ["block", ordinal, height, stamp, b"".join(ids), 32, status, -1, -1]


def rows(recorder: Recorder) -> np.ndarray:
    return np.frombuffer(recorder.take_rows(), ROW)


def test_a_transaction_gets_its_five_stamps_from_the_intended_time():
    recorder = Recorder(worker=3, operations=1, confirmations=0)
    one = pending(7, due=100)
    recorder.submitted(one, 150)
    recorder.accepted(one, 180)
    recorder.block(block(0, 10, 1_000_500, [identity(99), identity(7)]), start_ns=1_000_000)

    (row,) = rows(recorder)
    assert [int(row[f"{stamp}_ns"]) for stamp in ("intended", "submitted", "accepted", "committed", "finalized")] == [
        100,
        150,
        180,
        500,
        500,
    ]
    assert (row["index"], row["worker"], row["block"], row["position"]) == (7, 3, 0, 1)
    assert row["outcome"] == Outcome.FINALIZED
    assert bytes(row["tx_id"]) == identity(7)
    assert not recorder.open


def test_a_block_seen_before_the_answer_still_yields_one_row_with_both_stamps():
    recorder = Recorder(0, 1, 0)
    one = pending(1)
    recorder.submitted(one, 5)
    recorder.block(block(0, 1, 20, [identity(1)]), 0)
    assert len(rows(recorder)) == 0
    recorder.accepted(one, 30)
    (row,) = rows(recorder)
    assert (row["committed_ns"], row["accepted_ns"]) == (20, 30)


def test_confirmations_delay_finality_to_the_confirming_block():
    recorder = Recorder(0, 1, confirmations=2)
    one = pending(1)
    recorder.submitted(one, 1)
    recorder.accepted(one, 2)
    recorder.block(block(0, 10, 100, [identity(1)]), 0)
    recorder.block(block(1, 11, 200, []), 0)
    assert len(rows(recorder)) == 0
    recorder.block(block(2, 12, 300, []), 0)
    (row,) = rows(recorder)
    assert (row["committed_ns"], row["finalized_ns"]) == (100, 300)


def test_an_orphaned_block_reopens_its_transactions():
    recorder = Recorder(0, 1, confirmations=1)
    one = pending(1)
    recorder.submitted(one, 1)
    recorder.accepted(one, 2)
    recorder.block(block(0, 10, 100, [identity(1)]), 0)
    recorder.orphaned(0)
    assert recorder.counters.included == 0
    assert identity(1) in recorder.open
    recorder.block(block(1, 10, 150, [identity(1)]), 0)
    recorder.block(block(2, 11, 250, []), 0)
    (row,) = rows(recorder)
    assert (row["block"], row["committed_ns"], row["finalized_ns"]) == (1, 150, 250)


def test_refused_dropped_unanswered_and_lost_each_have_their_outcome_and_cause():
    recorder = Recorder(0, 1, 0)
    refused, dropped, unanswered, lost = (pending(index) for index in range(4))
    for each in (refused, unanswered, lost):
        recorder.submitted(each, 1)
    recorder.dropped(dropped, ErrorClass.IN_FLIGHT_BOUND)
    recorder.rejected(refused, ErrorClass.POOL_FULL, "txpool is full")
    recorder.unanswered(unanswered, "timed out")
    recorder.accepted(lost, 9)
    recorder.close_open()

    found = {int(row["index"]): (Outcome(row["outcome"]), ErrorClass(row["error_class"])) for row in rows(recorder)}
    assert found == {
        0: (Outcome.REJECTED, ErrorClass.POOL_FULL),
        1: (Outcome.DROPPED, ErrorClass.IN_FLIGHT_BOUND),
        2: (Outcome.UNRESOLVED, ErrorClass.NO_ANSWER),
        3: (Outcome.UNRESOLVED, ErrorClass.NOT_INCLUDED),
    }
    counters = recorder.counters
    assert (counters.planned, counters.submitted, counters.rejected, counters.accepted) == ([4], [3], [1], [2])
    assert (counters.dropped, counters.unresolved) == ({int(ErrorClass.IN_FLIGHT_BOUND): 1}, 2)
    assert counters.examples == {
        int(ErrorClass.POOL_FULL): ["txpool is full"],
        int(ErrorClass.NO_ANSWER): ["timed out"],
    }


def test_a_refusal_that_contradicts_a_block_is_believed_less_than_the_block():
    recorder = Recorder(0, 1, 0)
    one = pending(1)
    recorder.submitted(one, 1)
    recorder.block(block(0, 1, 50, [identity(1)]), 0)
    recorder.rejected(one, ErrorClass.SEQUENCE_TOO_LOW, "nonce too low")
    (row,) = rows(recorder)
    assert row["outcome"] == Outcome.FINALIZED
    assert recorder.counters.rejected == [0]


def test_status_corrects_the_live_count_of_failures_whenever_it_comes():
    recorder = Recorder(0, 1, 0)
    for index in (1, 2, 3):
        one = pending(index)
        recorder.submitted(one, 1)
        recorder.accepted(one, 2)
    status = bytes([0, ErrorClass.REVERTED, 0])
    recorder.block(block(0, 1, 10, [identity(1), identity(2)]), 0)
    recorder.settled(0, status[:2])
    recorder.block(block(1, 2, 20, [identity(3)], status=bytes([ErrorClass.OUT_OF_GAS])), 0)
    assert recorder.counters.failed == [2]
    assert recorder.counters.committed == recorder.counters.finalized == [1]
    assert recorder.counters.errors == {int(ErrorClass.REVERTED): 1, int(ErrorClass.OUT_OF_GAS): 1}


def test_reads_are_counted_apart_and_need_no_block():
    recorder = Recorder(0, 1, 0)
    answered, refused = pending(1, due=10, kind=1), pending(2, kind=1)
    for each in (answered, refused):
        recorder.submitted(each, 20)
    recorder.read_done(answered, 40, ErrorClass.NONE, "")
    recorder.read_done(refused, 40, ErrorClass.READ_REFUSED, "no such block")
    outcomes = [Outcome(row["outcome"]) for row in rows(recorder)]
    assert outcomes == [Outcome.ANSWERED, Outcome.READ_FAILED]
    counters = recorder.counters
    assert (counters.reads_issued, counters.reads_answered, counters.reads_failed) == ([2], [1], [1])
    assert counters.submitted == [0]
    assert not recorder.open


def test_fillers_are_counted_apart_and_never_become_rows():
    recorder = Recorder(0, 1, 0)
    filler = Pending(FILLER_INDEX, 0, 0, 0, 0, 0, 5, 0, identity(5), b"")
    recorder.submitted(filler, 1)
    recorder.accepted(filler, 2)
    recorder.block(block(0, 1, 10, [identity(5)]), 0)
    assert len(rows(recorder)) == 0
    counters = recorder.counters
    assert (counters.fillers, counters.submitted, counters.accepted, counters.included) == (1, [0], [0], 1)


def test_included_but_not_final_at_the_end_stays_committed():
    recorder = Recorder(0, 1, confirmations=3)
    one = pending(1)
    recorder.submitted(one, 1)
    recorder.accepted(one, 2)
    recorder.block(block(0, 1, 10, [identity(1)]), 0)
    recorder.close_open()
    (row,) = rows(recorder)
    assert row["outcome"] == Outcome.COMMITTED
    assert row["finalized_ns"] == -1


def test_final_and_never_answered_is_not_lost_at_the_end():
    recorder = Recorder(0, 1, 0)
    one = pending(1)
    recorder.submitted(one, 1)
    recorder.block(block(0, 1, 10, [identity(1)]), 0)
    recorder.close_open()
    (row,) = rows(recorder)
    assert (row["outcome"], row["accepted_ns"], row["finalized_ns"]) == (Outcome.FINALIZED, -1, 10)


def test_every_payload_that_leaves_is_counted_in_bytes():
    recorder = Recorder(0, 1, 0)
    for one in (pending(1), pending(2, kind=1), Pending(FILLER_INDEX, 0, 0, 0, 0, 0, 5, 0, identity(5), b"filler")):
        recorder.submitted(one, 1)
    assert recorder.counters.sent_bytes == len(b"payload") * 2 + len(b"filler")
    recorder.dropped(pending(3), ErrorClass.BUFFER_EMPTY)
    assert recorder.counters.sent_bytes == 20
