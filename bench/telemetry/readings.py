"""Reports of workers and processes as counts under the names of `bench.telemetry.metrics`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.model.clock import NS_PER_S
from bench.model.counters import BlockCounters, Buckets, Counters
from bench.model.operation import Kind
from bench.model.resources import ResourceSample
from bench.model.transaction import ErrorClass
from bench.telemetry.metrics import BY_NAME
from bench.telemetry.outline import TrialOutline
from bench.telemetry.totals import SUM, Key

OWN = Key("bench_block_transactions_total", ("yes",))
FOREIGN = Key("bench_block_transactions_total", ("no",))
_DROP_CAUSES = tuple(error_class for error_class in ErrorClass if 0 < error_class < ErrorClass.UNREACHABLE)
_OF_WRITES = (
    ("bench_operations_planned_total", "planned"),
    ("bench_submitted_total", "submitted"),
    ("bench_accepted_total", "accepted"),
    ("bench_rejected_total", "rejected"),
    ("bench_committed_total", "committed"),
    ("bench_finalized_total", "finalized"),
    ("bench_failed_total", "failed"),
    ("bench_failed_expected_total", "failed_expected"),
)
_OF_READS = (
    ("bench_reads_issued_total", "reads_issued"),
    ("bench_reads_answered_total", "reads_answered"),
    ("bench_reads_failed_total", "reads_failed"),
)
_PLAIN = (
    ("bench_unresolved_total", "unresolved"),
    ("bench_fillers_total", "fillers"),
    ("bench_sent_bytes_total", "sent_bytes"),
)
_HISTOGRAMS = (
    ("bench_submit_lag_seconds", "submit_lag"),
    ("bench_accept_latency_seconds", "accept"),
    ("bench_commit_latency_seconds", "commit"),
)


def of_worker(counters: Counters, outline: TrialOutline) -> dict[Key, int]:
    """Everything that one worker has counted in a trial. Times are in ns."""
    counts = {Key(metric): getattr(counters, name) for metric, name in _PLAIN}
    counts[OWN] = counters.included
    if outline.objective_ns is not None:
        counts[Key("bench_finality_over_slo_total")] = counters.over_objective
    for code, operation in enumerate(outline.operations):
        label = (operation.name,)
        reads = operation.kind is Kind.READ
        for metric, name in _OF_READS if reads else _OF_WRITES:
            counts[Key(metric, label)] = getattr(counters, name)[code]
        latency = "bench_read_latency_seconds" if reads else "bench_finality_latency_seconds"
        counts.update(_histogram(latency, label, (counters.reads if reads else counters.finality)[code]))
    for cause, count in counters.dropped.items():
        counts[Key("bench_dropped_total", (ErrorClass(cause).label,))] = count
    for error_class, count in counters.errors.items():
        counts[Key("bench_errors_total", (ErrorClass(error_class).label,))] = count
    for metric, name in _HISTOGRAMS:
        counts.update(_histogram(metric, (), getattr(counters, name)))
    return counts


def of_blocks(blocks: BlockCounters) -> dict[Key, int]:
    """What an observer has seen."""
    counts = {
        Key("bench_blocks_total"): blocks.heard,
        Key("bench_blocks_empty_total"): blocks.empty,
        Key("bench_blocks_orphaned_total"): blocks.orphaned,
        **dict(_histogram("bench_block_interval_seconds", (), blocks.interval)),
    }
    if blocks.tells_gas:
        counts[Key("bench_block_gas_total")] = blocks.gas
    if blocks.tells_size:
        counts[Key("bench_block_bytes_total")] = blocks.size_bytes
    return counts


def of_process(sample: ResourceSample) -> dict[Key, int]:
    """What a process has used since it began, trial or not; what the system would not tell is left out."""
    label = (sample.process, sample.role)
    counts = {
        Key("bench_process_cpu_seconds_total", label): round(sample.cpu_s * NS_PER_S),
        Key("bench_process_read_bytes_total", label): sample.read_bytes,
        Key("bench_process_written_bytes_total", label): sample.write_bytes,
    }
    return {key: count for key, count in counts.items() if count >= 0}


def declared(outline: TrialOutline) -> Iterator[Key]:
    """Counts that exist from the start of a run's first trial, whether anything of the kind happens or not."""
    for metric, _ in _PLAIN:
        yield Key(metric)
    for cause in _DROP_CAUSES:
        yield Key("bench_dropped_total", (cause.label,))
    for error_class in ErrorClass:
        if error_class is not ErrorClass.NONE:
            yield Key("bench_errors_total", (error_class.label,))
    if outline.objective_ns is not None:
        yield Key("bench_finality_over_slo_total")
    for name in outline.names(Kind.WRITE):
        for metric, _ in _OF_WRITES:
            yield Key(metric, (name,))
        yield from _empty("bench_finality_latency_seconds", (name,))
    for name in outline.names(Kind.READ):
        for metric, _ in _OF_READS:
            yield Key(metric, (name,))
        yield from _empty("bench_read_latency_seconds", (name,))
    for metric, _ in _HISTOGRAMS:
        yield from _empty(metric, ())
    yield from (OWN, FOREIGN)
    for metric in ("bench_blocks_total", "bench_blocks_empty_total", "bench_blocks_orphaned_total"):
        yield Key(metric)
    yield from _empty("bench_block_interval_seconds", ())


def foreign(seen: Sequence[tuple[int, int]], handed: int, own: int) -> int:
    """At least how many transactions of the blocks heard so far are not ours, from `seen` (ordinal of the last block,
    transactions up to it; oldest first), the ordinal of the last block that every worker was handed, and how many
    transactions of ours the workers have found. Workers report at different times, so the sum of blocks is taken from
    a time before; never too many, and exact when everybody has reported.
    """
    known = [transactions for ordinal, transactions in seen if ordinal <= handed]
    return max(0, known[-1] - own) if known else 0


def _histogram(metric: str, labels: tuple[str, ...], buckets: Buckets) -> Iterator[tuple[Key, int]]:
    for part, count in enumerate(buckets.counts):
        yield Key(metric, labels, part), count
    yield Key(metric, labels, SUM), buckets.sum_ns


def _empty(metric: str, labels: tuple[str, ...]) -> Iterator[Key]:
    for part in range(SUM, len(BY_NAME[metric].buckets_ns) + 1):
        yield Key(metric, labels, part)
