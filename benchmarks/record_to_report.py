"""What a million rows cost after a run: `python benchmarks/record_to_report.py [ROWS]` prints seconds and peak memory.

Writes spool files, then reads, joins, summarises and bundles them as a run does. Making the rows is not timed and
happens in a child process, so that peak memory is the product's own.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.bundle.writer import BundleWriter
from bench.measure.inputs import TrialInput
from bench.measure.record import join_statuses, read_blocks, read_rows
from bench.measure.summary import summarise
from bench.model.operation import Kind
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.record import BLOCK, ROW
from bench.model.workload import OperationInfo

S = 1_000_000_000
PER_BLOCK = 1_000
OPERATIONS = (OperationInfo("transfer", Kind.WRITE, 1, "move coin"), OperationInfo("pay", Kind.WRITE, 1, "pay"))


def main(count: int) -> None:
    """Run it once."""
    with tempfile.TemporaryDirectory() as directory:
        spool = Path(directory)
        child = multiprocessing.get_context("spawn").Process(target=make, args=(spool, count))
        child.start()
        child.join()
        measure(spool, count)


def make(spool: Path, count: int) -> None:
    """Spool files of two workers: 5,000 transactions per second, 1,000 per block."""
    random = np.random.default_rng(1)
    rows = np.zeros(count, ROW)
    rows["index"] = random.permutation(count)
    rows["intended_ns"] = rows["index"] * (S // 5_000)
    rows["submitted_ns"] = rows["intended_ns"] + random.integers(10_000, 400_000, count)
    rows["accepted_ns"] = rows["submitted_ns"] + random.integers(500_000, 4_000_000, count)
    rows["block"] = rows["index"] // PER_BLOCK
    rows["position"] = rows["index"] % PER_BLOCK
    rows["committed_ns"] = rows["finalized_ns"] = (rows["block"].astype(np.int64) + 2) * (S // 5)
    rows["operation"] = rows["index"] % 2
    rows["outcome"] = Outcome.FINALIZED
    rows["tx_id"] = np.frombuffer(random.bytes(32 * count), "V32")
    half = count // 2
    (spool / "rows-0.bin").write_bytes(rows[:half].tobytes())
    (spool / "rows-1.bin").write_bytes(rows[half:].tobytes())
    blocks = np.zeros(-(-count // PER_BLOCK), BLOCK)
    blocks["ordinal"] = blocks["height"] = np.arange(len(blocks))
    blocks["observed_ns"] = (np.arange(len(blocks)) + 2) * (S // 5)
    blocks["transactions"] = blocks["own"] = PER_BLOCK
    (spool / "blocks.bin").write_bytes(blocks.tobytes())


def measure(spool: Path, count: int) -> None:
    """The timed part."""
    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def lap(name: str) -> None:
        seconds[name] = time.perf_counter() - started - sum(seconds.values())

    rows = read_rows(spool.glob("rows-*.bin")).rows
    blocks = read_blocks(spool / "blocks.bin")
    lap("read")
    statuses: Mapping[int, bytes] = {ordinal: bytes(PER_BLOCK) for ordinal in range(len(blocks))}
    join_statuses(rows, blocks, statuses)
    lap("join")
    end = count * (S // 5_000)
    phases = (PhaseSpan(Phase.WARM_UP, 0, end // 10), PhaseSpan(Phase.MEASURE, end // 10, end))
    trial = summarise(
        TrialInput(1, 1, rows, blocks, count, (*phases, PhaseSpan(Phase.DRAIN, end, end + S)), OPERATIONS)
    )
    lap("summarise")
    bundle = spool / "bundle"
    bundle.mkdir()
    writer = BundleWriter(bundle)
    writer.add_trial(1, rows, [operation.name for operation in OPERATIONS], blocks, [])
    writer.close()
    lap("bundle")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = (bundle / "transactions.parquet").stat().st_size
    print(f"{count:,} rows, goodput {trial.rates.goodput_per_s:.1f}/s, p99 {trial.latency_ms.finality.p99} ms")
    for name, spent in seconds.items():
        print(f"{name:10} {spent:6.2f} s")
    print(f"{'total':10} {sum(seconds.values()):6.2f} s, peak {peak:,.0f} MB, parquet {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
