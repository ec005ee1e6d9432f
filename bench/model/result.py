"""`result.json` as types: the contract between measuring and everything that reads a bundle.

Keys that DESIGN calls fixed keep their names. The JSON Schema in `docs/bundle-schema.json` is generated from here.
History of `schema`: 1 first published layout.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Verdict(_Part):
    """`reasons` are sentences with value, bound and remedy; empty when valid."""

    status: Literal["valid", "invalid", "undecided"]
    reasons: list[str] = []


class FinalityInfo(_Part):
    """What the ledger calls final, and how many further blocks it takes."""

    name: str
    confirmations: int


class ClassInfo(_Part):
    """The ledger's declared class; see `bench.model.ledger.LedgerClass`."""

    fault_model: str
    tolerated_faults: int
    durability: str
    crypto: str
    operators: str


class LedgerPart(_Part):
    """Which ledger ran. `managed` says that we started it."""

    name: str
    family: str
    version: str
    nodes: int
    finality: FinalityInfo
    ledger_class: ClassInfo
    flags: list[str] = []
    managed: bool = True


class PhasePart(_Part):
    """Seconds since the start signal; setup is negative."""

    phase: str
    start_s: float
    end_s: float


class Counts(_Part):
    """Writes only. planned = dropped + submitted; submitted = rejected + accepted;
    accepted = committed + failed + unresolved; finalized ⊆ committed; failed_expected ⊆ failed.
    """

    planned: int
    dropped: int
    dropped_by: dict[str, int] = {}
    submitted: int
    rejected: int
    accepted: int
    committed: int
    finalized: int
    failed: int
    failed_expected: int
    unresolved: int
    fillers: int = 0
    unmatched_commits: int = 0


class Percentiles(_Part):
    """Milliseconds. A percentile that reaches into censored rows or has too few samples is null; `lower_bound` then
    holds what is known ("at least"). `count` is the sample size, `censored` how many of it never resolved.
    """

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p999: float | None
    max: float | None
    mean: float | None
    count: int
    censored: int = 0
    lower_bound: dict[str, float] = {}


class Latencies(_Part):
    """All from the intended time."""

    submit_lag: Percentiles
    accept: Percentiles
    commit: Percentiles
    finality: Percentiles


class Reads(_Part):
    """issued = answered + failed; what was planned as a read and never sent is `dropped`."""

    issued: int
    answered: int
    failed: int
    latency_ms: Percentiles
    dropped: int = 0


class Rates(_Part):
    """Per second in the measure phase. Goodput counts finalizations by their own time in a whole number of blocks."""

    offered_per_s: float
    submitted_per_s: float
    accepted_per_s: float
    goodput_per_s: float
    expected_refusals_per_s: float = 0.0
    blocks: int = 0
    window_s: float = 0.0


class OperationPart(_Part):
    """One row of the per-operation table; latency is finality (reads: answer)."""

    kind: Literal["write", "read"]
    planned: int
    submitted: int
    valid: int
    failed: int
    failed_expected: int
    rejected: int
    unresolved: int
    latency_ms: Percentiles


class ErrorPart(_Part):
    """`expected` of the `count` are business refusals that the workload asked for."""

    count: int
    stage: Literal["dropped", "rejected", "failed", "unresolved", "read"]
    examples: list[str] = []
    expected: int = 0


class ProcessResources(_Part):
    """Means and peaks over one phase. CPU in percent of one core."""

    process: str
    role: Literal["harness", "ledger", "host"]
    phase: str
    cpu_percent_mean: float
    cpu_percent_max: float
    rss_bytes_max: int
    cpu_s: float
    read_bytes: int
    write_bytes: int


class BlocksPart(_Part):
    """Blocks seen from start to end of the trial."""

    count: int
    empty: int
    orphaned: int
    interval_s_median: float | None
    transactions_per_block_median: float | None
    receipts_settled: bool = True


class Trial(_Part):
    """One repeat."""

    trial: int
    verdict: Verdict
    phases: list[PhasePart]
    counts: Counts
    reads: Reads
    rates: Rates
    latency_ms: Latencies
    operations: dict[str, OperationPart]
    errors: dict[str, ErrorPart]
    resources: list[ProcessResources] = []
    blocks: BlocksPart
    partial: bool = False
    fresh_ledger: bool = True
    seed: int
    notes: list[str] = []


class Interval(_Part):
    """Median of the trials; the interval is null below 5 trials (MEASUREMENT rule 9)."""

    median: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    confidence: float | None = None
    trials: int


class Summary(_Part):
    """Over the trials."""

    verdict: Verdict
    goodput_per_s: Interval
    offered_per_s: Interval
    latency_ms: dict[str, dict[str, Interval]]  # {"finality": {"p50": …, "p99": …}, …}


class InvariantPart(_Part):
    """One audited statement about the ledger's state."""

    name: str
    status: Literal["held", "broken", "not checked"]
    detail: str


class Audit(_Part):
    """Invariants computed from the ledger's own state after the drain."""

    invariants: list[InvariantPart] = []


class Result(_Part):
    """The whole of `result.json`."""

    schema_version: int = Field(default=SCHEMA_VERSION, alias="schema")
    run_id: str
    started_at: str
    bench_version: str
    command: list[str]
    ledger: LedgerPart
    workload: str
    scenario_sha256: str
    load_sha256: str = ""  # equal for runs that may be compared: the scenario without name, target and trials
    seed: int
    trials: list[Trial]
    summary: Summary
    audit: Audit = Audit()
    partial: bool = False
    notes: list[str] = []
    capacity: None = None

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)
