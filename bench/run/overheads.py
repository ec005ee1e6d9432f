"""What the harness costs whatever the ledger is: recording a transaction, reading the clock, sleeping."""

from __future__ import annotations

import gc
import time
from itertools import pairwise

from bench.load.recorder import Pending, Recorder
from bench.run.calibration_store import Overheads

IN_FLIGHT = 2_000
_TRANSACTIONS = 20_000
_REPEATS = 3
_CLOCK_READS = 20_000
_SLEEPS = 200
_SLEEP_NS = 1_000_000


def measure_overheads() -> Overheads:
    """Takes about half a second."""
    late = sorted(_oversleep_ns() for _ in range(_SLEEPS))
    return Overheads(
        recording_us_per_tx=min(recording_us(_TRANSACTIONS) for _ in range(_REPEATS)),
        clock_step_ns=clock_step_ns(),
        sleep_late_p50_us=late[len(late) // 2] / 1000,
        sleep_late_p99_us=late[len(late) * 99 // 100] / 1000,
    )


def recording_us(count: int) -> float:
    """CPU microseconds of the recorder per transaction: stamps, counters, histogram, matching with a block, packed row.
    In rounds of `IN_FLIGHT`, each of which is then found in one block.
    """
    recorder = Recorder(0, 1, 0)
    rounds = max(1, count // IN_FLIGHT)
    spent = 0
    collecting = gc.isenabled()
    gc.disable()
    try:
        for number in range(rounds):
            base = number * IN_FLIGHT
            pending = [
                Pending(base + k, 1000 * k, 0, 0, 0, k, k, 0, (base + k).to_bytes(32, "big"), b"")
                for k in range(IN_FLIGHT)
            ]
            ids = b"".join(one.tx_id for one in pending)
            began = time.process_time_ns()
            for one in pending:
                recorder.submitted(one, one.due + 500)
                recorder.accepted(one, one.due + 900)
            recorder.block(["block", number, number, 10**9, ids, 32, bytes(IN_FLIGHT), -1, -1], 0)
            recorder.take_rows()
            _ = recorder.counters
            spent += time.process_time_ns() - began
    finally:
        if collecting:
            gc.enable()
    return spent / 1000 / (rounds * IN_FLIGHT)


def clock_step_ns() -> int:
    """The smallest difference between two readings of the monotonic clock."""
    stamps = [time.monotonic_ns() for _ in range(_CLOCK_READS)]
    return min((after - before for before, after in pairwise(stamps) if after > before), default=_SLEEP_NS)


def _oversleep_ns() -> int:
    began = time.monotonic_ns()
    time.sleep(_SLEEP_NS / 1e9)
    return time.monotonic_ns() - began - _SLEEP_NS
