"""`result.json` as types: the contract between measuring and everything that reads a bundle.

Keys that DESIGN calls fixed keep their names. The JSON Schema in `docs/bundle-schema.json` is generated from here.
History of `schema`: 1 first published layout; 2 adds warm-up check, drift, latencies from the time of
sending, efficiency, calibration and capacity (all absent in a bundle of 1); 3 adds the ledger's nodes and links;
4 adds the class's remarks, and fault model and durability are among fixed values (free text in older bundles).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.model.ledger_part import LedgerPart

SCHEMA_VERSION = 4


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Verdict(_Part):
    """`reasons` are sentences with value, bound and remedy; empty when valid."""

    status: Literal["valid", "invalid", "undecided"]
    reasons: list[str] = []


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


class SendLatencies(_Part):
    """From the time of *sending*, ms: what a generator that forgets its own lateness would print. Beside ours, never
    instead of them.
    """

    accept: Percentiles
    commit: Percentiles
    finality: Percentiles


class WarmUp(_Part):
    """The declared warm-up, checked by MSER-5 on block-aligned goodput, which may only lengthen it. Seconds since the
    start signal; `cut_s` is where MSER-5 would cut, null when it cannot say; `applied_s` is where measuring began.
    """

    declared_s: float
    cut_s: float | None
    applied_s: float
    note: str


class Drift(_Part):
    """Theil–Sen slopes over the measure phase, and the upper 95 % bound of the in-flight slope (block bootstrap).

    In-flight: transactions per second. Goodput: transactions per second, per second. Null where too few points are.
    """

    in_flight_per_s: float | None
    in_flight_upper_per_s: float | None
    goodput_per_s2: float | None
    note: str


class Efficiency(_Part):
    """What one valid transaction of the measure phase cost; null where it was not or could not be measured.

    `node` names one process of the ledger; "network" is the sum over all of them, "harness" over ours. Gas and bytes on
    chain are of the network only. `disk_growth_bytes` is over the whole trial, per valid transaction of the trial.
    """

    node: str
    cpu_s_per_tx: float | None = None
    written_bytes_per_tx: float | None = None
    read_bytes_per_tx: float | None = None
    sent_bytes_per_tx: float | None = None  # requests of our client, payload on the wire without TCP/IP headers
    disk_growth_bytes_per_tx: float | None = None
    gas_per_tx: float | None = None
    block_bytes_per_tx: float | None = None


class Headroom(_Part):
    """The offered load of a trial against what this machine's harness can send (see `bench.py calibrate`).

    `ceiling_per_s` is proven only as a lower bound where `at_least` is set. `share` = offered / ceiling.
    """

    ceiling_per_s: float
    at_least: bool
    share: float
    offered_per_s: float


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
    latency_from_send_ms: SendLatencies | None = None
    warm_up: WarmUp | None = None
    drift: Drift | None = None
    efficiency: list[Efficiency] = []
    headroom: Headroom | None = None
    setup_s: dict[str, float] = {}  # "ledger_up", "prepare": how long the steps before the load took


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


class CapacityAttempt(_Part):
    """One trial of the search. `kind` is "probe" (short), "confirm" (full length, on a fresh ledger) or "curve" (at a
    stated share of the result). `trial` is its number in this bundle's tables; null for one taken over from an earlier
    bundle whose rows are there.
    """

    trial: int | None
    kind: Literal["probe", "confirm", "curve"]
    offered_per_s: float
    goodput_per_s: float
    served_share: float  # (goodput + expected refusals) / offered, over block-aligned windows
    finality_p50_ms: float | None
    finality_p99_ms: float | None
    finality_p99_at_least_ms: float | None = None
    in_flight_slope_upper_per_s: float | None
    in_flight_mean: float | None = None
    duration_s: float  # planned length of the measure phase
    passed: bool
    reasons: list[str] = []
    harness_bound: bool = False  # it measured the harness: no evidence about the ledger
    block_interval_s: float | None = None  # median; the lengths of later trials follow it
    undecided: bool = False  # nothing became final, or too late to be held against the load: alone it shows nothing
    warm_up_needed_s: float | None = (
        None  # where the warm-up was shorter than finality; that of later trials follows it
    )


class ScalabilityFit(_Part):
    """X(N) = γN / (1 + αN + βN²) over the attempts' (offered, goodput), N in transactions per second offered.

    `r_squared` and `rmse_per_s` are of goodput. Null coefficients: not fitted, `note` says why. `peak_per_s` only if
    the fitted maximum lies inside the offered range.
    """

    gamma: float | None
    alpha: float | None
    beta: float | None
    r_squared: float | None
    rmse_per_s: float | None
    points: int
    lowest_offered_per_s: float | None
    highest_offered_per_s: float | None
    peak_per_s: float | None
    note: str


class Capacity(_Part):
    """Highest sustainable load, as an interval: `low_per_s` passed, `high_per_s` failed (null: nothing failed up to the
    harness's own ceiling or the budget). `pass_probability_low` is the one-sided 95 % lower bound of the chance that a
    trial at the confirmed rate passes; that several rates were tried is allowed for. `estimate` marks shortened trials.
    """

    low_per_s: float | None
    high_per_s: float | None
    confirmed_trials: int
    confirmed_passes: int = 0
    pass_probability_low: float | None = None
    goodput_per_s: Interval
    slo: dict[str, float]
    estimate: bool
    ended: Literal["converged", "budget", "harness-bound", "interrupted", "nothing-passed", "undecided", "failed"]
    attempts: list[CapacityAttempt]
    fit: ScalabilityFit | None = None
    latency_at: dict[str, dict[str, float | None]] = {}  # {"50": {"p50": ms, "p99": ms}, "80": …, "95": …}
    notes: list[str] = []


def full_length_rates(attempts: Sequence[CapacityAttempt]) -> int:
    """How many rates were tried in full-length trials that measured the ledger; any could have passed by luck."""
    return len({one.offered_per_s for one in attempts if one.kind == "confirm" and not one.harness_bound})


class CalibrationPart(_Part):
    """What the run was held against; the whole record is kept beside the machine's cache."""

    key: str
    made_at: str
    adapter: str
    workers: int
    batch: int
    ceiling_per_s: float
    at_least: bool


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
    capacity: Capacity | None = None
    calibration: CalibrationPart | None = None

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)
