"""Every metric the harness exposes, declared once: exporter, dashboards, rules and docs use this table.

Base units (seconds, bytes) throughout, `bench_` before and, for counters, `_total` behind. Label values come from
closed or small sets; never a transaction id, an account, a block number or the text of a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique

from bench.model.buckets import LAG_BUCKETS_NS, LATENCY_BUCKETS_NS

RUN_LABELS = ("run_id", "ledger", "workload")
"""Every metric carries these, before its own labels."""

PHASES = ("setup", "warm_up", "measure", "drain", "done")
"""Values of the label `phase`, in order."""

VERDICTS = ("valid", "invalid", "undecided")
"""Values of the label `status`."""


@unique
class Kind(StrEnum):
    """The type Prometheus is told."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@unique
class Unit(StrEnum):
    """What one of it is."""

    NONE = ""
    OPERATIONS = "operations"
    OPERATIONS_PER_SECOND = "operations/s"
    SECONDS = "seconds"
    BYTES = "bytes"
    BLOCKS = "blocks"
    TRANSACTIONS = "transactions"
    GAS = "gas"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `labels` are its own, after `RUN_LABELS`. `when` says under which condition it exists; empty: always,
    from the first block of the first trial on at the latest. `buckets_ns` are a histogram's upper bounds.
    """

    name: str
    kind: Kind
    unit: Unit
    labels: tuple[str, ...]
    help: str
    when: str = ""
    buckets_ns: tuple[int, ...] = ()

    @property
    def family(self) -> str:
        """The name without the `_total` of a counter, as the text format's parser reports it."""
        return self.name.removesuffix("_total") if self.kind is Kind.COUNTER else self.name

    @property
    def label_names(self) -> tuple[str, ...]:
        """All labels, in the order of exposition."""
        return (*RUN_LABELS, *self.labels)


def _counter(name: str, unit: Unit, labels: tuple[str, ...], text: str, when: str = "") -> Metric:
    return Metric(name, Kind.COUNTER, unit, labels, text, when)


def _gauge(name: str, unit: Unit, labels: tuple[str, ...], text: str, when: str = "") -> Metric:
    return Metric(name, Kind.GAUGE, unit, labels, text, when)


def _histogram(
    name: str, labels: tuple[str, ...], text: str, when: str = "", buckets_ns: tuple[int, ...] = LATENCY_BUCKETS_NS
) -> Metric:
    return Metric(name, Kind.HISTOGRAM, Unit.SECONDS, labels, text, when, buckets_ns)


_OPERATION = ("operation",)
_WORKER = ("worker",)
_PROCESS = ("process", "role")
_READS = "the workload has reads"
_SLO = "the scenario sets a finality objective"
_MANAGED = "the harness manages the ledger's nodes"
_COORDINATED = "a coordinator runs the trial: not under plain `locust -f`"
_TELLING = "the ledger is up, and its nodes have metrics of their own"
_RESULT = "a run of this process has ended"
_TRIAL_ENDED = "a trial has ended"
_BLOCKS_SEEN = "two blocks were heard"

_RUN = (
    _gauge(
        "bench_run_info",
        Unit.NONE,
        ("version", "seed", "scenario", "ledger_version", "family"),
        "1 for the run that is on, and for each that this process ran before; what was run with what.",
    ),
    _gauge("bench_phase", Unit.NONE, ("phase",), "1 for the phase the trial is in, 0 for the others."),
    _gauge("bench_trial", Unit.NONE, (), "Number of the trial that is on, from 1."),
    _gauge("bench_trials", Unit.NONE, (), "Most trials this run may take."),
    _gauge("bench_offered_rate", Unit.OPERATIONS_PER_SECOND, (), "Arrivals per second that the schedule asks for now."),
    _gauge("bench_verdict", Unit.NONE, ("status",), "1 for the verdict of the last trial that ended.", _TRIAL_ENDED),
    _gauge(
        "bench_harness_bound",
        Unit.NONE,
        (),
        "1 while the harness itself is the limit, from the last 10 s: it sends late throughout, had nothing ready to"
        " send, or the core of a worker or the observer is full. 0 before the measure phase.",
    ),
)

_OPERATIONS = (
    _counter("bench_operations_planned_total", Unit.OPERATIONS, _OPERATION, "Writes whose turn has come."),
    _counter("bench_dropped_total", Unit.OPERATIONS, ("cause",), "Writes that were planned and never sent, by cause."),
    _counter("bench_submitted_total", Unit.OPERATIONS, _OPERATION, "Writes that were sent."),
    _counter(
        "bench_accepted_total",
        Unit.OPERATIONS,
        _OPERATION,
        "Writes the node took; one it left unanswered counts when its fate is known.",
    ),
    _counter("bench_rejected_total", Unit.OPERATIONS, _OPERATION, "Writes the node refused before inclusion."),
    _counter("bench_committed_total", Unit.OPERATIONS, _OPERATION, "Writes found in a block and known to be valid."),
    _counter(
        "bench_finalized_total", Unit.OPERATIONS, _OPERATION, "Valid writes whose block is final; its rate is goodput."
    ),
    _counter(
        "bench_failed_total",
        Unit.OPERATIONS,
        _OPERATION,
        "Writes found in a block and invalid there, those that the workload intends among them.",
    ),
    _counter(
        "bench_failed_expected_total",
        Unit.OPERATIONS,
        _OPERATION,
        "Writes that the ledger refused in a block as the workload intends.",
    ),
    _counter("bench_unresolved_total", Unit.OPERATIONS, (), "Writes sent of which the ledger never told the outcome."),
    _counter("bench_reads_issued_total", Unit.OPERATIONS, _OPERATION, "Reads that were sent.", _READS),
    _counter("bench_reads_answered_total", Unit.OPERATIONS, _OPERATION, "Reads that were answered.", _READS),
    _counter("bench_reads_failed_total", Unit.OPERATIONS, _OPERATION, "Reads refused or not answered in time.", _READS),
    _counter(
        "bench_errors_total",
        Unit.OPERATIONS,
        ("error_class",),
        "Operations that were dropped, rejected, failed (as intended, too), unresolved, or reads without answer.",
    ),
    _counter("bench_fillers_total", Unit.TRANSACTIONS, (), "Transactions sent only to close a gap in an account."),
    _counter("bench_sent_bytes_total", Unit.BYTES, (), "Payload sent: operations, fillers, and what was sent again."),
    _gauge("bench_in_flight", Unit.OPERATIONS, (), "Writes sent that are in no block yet."),
    _gauge("bench_in_flight_bound", Unit.OPERATIONS, (), "Most writes that may be in flight; above it they drop."),
)

_LATENCIES = (
    _histogram(
        "bench_submit_lag_seconds", (), "Intended time to sending: the harness's own delay.", buckets_ns=LAG_BUCKETS_NS
    ),
    _histogram("bench_accept_latency_seconds", (), "Intended time to the node's answer, writes."),
    _histogram("bench_commit_latency_seconds", (), "Intended time to the block that holds it, valid writes."),
    _histogram(
        "bench_finality_latency_seconds", _OPERATION, "Intended time to the moment its block is final, valid writes."
    ),
    _histogram("bench_read_latency_seconds", _OPERATION, "Intended time to a read's answer.", _READS),
    _gauge("bench_slo_finality_seconds", Unit.SECONDS, (), "The finality latency the scenario asks for.", _SLO),
    _counter(
        "bench_finality_over_slo_total",
        Unit.OPERATIONS,
        (),
        "Valid writes that became final later than the scenario asks for.",
        _SLO,
    ),
)

_HARNESS = (
    _gauge("bench_worker_up", Unit.NONE, _WORKER, "1 while this worker of the trial reports, 0 when it is lost."),
    _gauge("bench_snapshot_age_seconds", Unit.SECONDS, _WORKER, "Since this worker's last report; 0 when it is done."),
    _gauge(
        "bench_worker_event_loop_lag_seconds",
        Unit.SECONDS,
        _WORKER,
        "Most that a pause of this worker overran in the second before its last report.",
    ),
    _gauge("bench_encoder_buffered", Unit.OPERATIONS, _WORKER, "Signed operations that wait for their time."),
    _gauge("bench_lanes", Unit.NONE, _WORKER, "Connections over which this worker sends."),
    _gauge("bench_observer_age_seconds", Unit.SECONDS, (), "Since the observer was last heard of a block."),
    _gauge(
        "bench_observer_delay_seconds",
        Unit.SECONDS,
        (),
        "Longest time from hearing a block to handing it to a worker, in the second before the last report.",
    ),
    _gauge(
        "bench_disk_free_bytes",
        Unit.BYTES,
        ("mount",),
        'Free where results are written (mount="results"), and where rows and managed nodes are until then ("work").',
        _COORDINATED,
    ),
)

_PROCESSES = (
    _counter(
        "bench_process_cpu_seconds_total",
        Unit.SECONDS,
        _PROCESS,
        "Processor time since it was first looked at in a trial, by process and role (harness or ledger).",
        _COORDINATED,
    ),
    _gauge("bench_process_resident_bytes", Unit.BYTES, _PROCESS, "Resident memory.", _COORDINATED),
    _counter(
        "bench_process_read_bytes_total",
        Unit.BYTES,
        _PROCESS,
        "Read from storage; from when on, as for processor time.",
        _COORDINATED,
    ),
    _counter(
        "bench_process_written_bytes_total",
        Unit.BYTES,
        _PROCESS,
        "Written to storage; from when on, as for processor time.",
        _COORDINATED,
    ),
    _gauge("bench_process_open_fds", Unit.NONE, _PROCESS, "Open file descriptors.", _COORDINATED),
    _gauge("bench_process_threads", Unit.NONE, _PROCESS, "Threads.", _COORDINATED),
    _gauge("bench_node_data_bytes", Unit.BYTES, ("node",), "What a node's directory takes up on disk.", _MANAGED),
    _gauge(
        "bench_node_expected",
        Unit.NONE,
        ("node", "role", "trial"),
        "1 for each node that should answer Prometheus now: while its ledger is up, until just before it is stopped.",
        _TELLING,
    ),
)

_BLOCKS = (
    _counter("bench_blocks_total", Unit.BLOCKS, (), "Blocks heard since the start signal."),
    _counter("bench_blocks_empty_total", Unit.BLOCKS, (), "Blocks without a transaction."),
    _counter("bench_blocks_orphaned_total", Unit.BLOCKS, (), "Blocks that left the chain again."),
    _gauge("bench_block_height", Unit.NONE, (), "Height of the last block heard."),
    _counter(
        "bench_block_transactions_total",
        Unit.TRANSACTIONS,
        ("own",),
        'Transactions in blocks; own="yes" for those of this run.',
    ),
    _counter("bench_block_gas_total", Unit.GAS, (), "Gas used by blocks.", "the ledger reports gas"),
    _counter("bench_block_bytes_total", Unit.BYTES, (), "Size of blocks.", "the ledger reports block sizes"),
    _histogram("bench_block_interval_seconds", (), "From one block heard to the next."),
    _gauge("bench_block_age_seconds", Unit.SECONDS, (), "Since the last block was heard."),
)

_BOUND = ("bound",)
_RESULTS = (
    _gauge(
        "bench_result_goodput_per_second",
        Unit.OPERATIONS_PER_SECOND,
        _BOUND,
        'Goodput of a run that has ended: bound="median", or "low" and "high" of its interval.',
        _RESULT,
    ),
    _gauge(
        "bench_result_offered_per_second", Unit.OPERATIONS_PER_SECOND, (), "Offered writes, median of trials.", _RESULT
    ),
    _gauge(
        "bench_result_finality_seconds",
        Unit.SECONDS,
        ("percentile", "bound"),
        "Finality latency of a run that has ended.",
        _RESULT,
    ),
    _gauge("bench_result_verdict", Unit.NONE, ("status",), "1 for the verdict of a run that has ended.", _RESULT),
    _gauge(
        "bench_result_capacity_per_second",
        Unit.OPERATIONS_PER_SECOND,
        _BOUND,
        'Highest sustainable load: bound="low" or "high".',
        "a capacity search has ended",
    ),
    _gauge(
        "bench_result_cpu_seconds_per_transaction",
        Unit.SECONDS,
        ("process",),
        "Processor time of a ledger's process for each valid write, median of trials.",
        _RESULT,
    ),
)

METRICS: tuple[Metric, ...] = (
    *_RUN,
    *_OPERATIONS,
    *_LATENCIES,
    *_HARNESS,
    *_PROCESSES,
    *_BLOCKS,
    *_RESULTS,
)
"""In the order of exposition."""

BY_NAME = {metric.name: metric for metric in METRICS}
