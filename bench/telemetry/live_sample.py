"""What the live page is fed with: which run it is, and the cumulative counts of one trial at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.measure.inputs import Limits

DONE = "done"
"""What the trial is in after its last phase."""
LOADED = ("warm_up", "measure", "drain")
"""Phases in which workers report; the others are `setup` and `done`."""


@dataclass(frozen=True, slots=True)
class Run:
    """Which run. `slo_finality_s` is the scenario's objective, None without one; `limits` are those of its verdict."""

    run_id: str
    ledger: str
    workload: str
    version: str
    seed: int
    slo_finality_s: float | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """A phase as the scenario plans it, in seconds since the start signal. A drain ends when all is final: None."""

    phase: str
    start_s: float
    end_s: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of a trial; counts are cumulative since its start and never go back. `at_ns` and `start_ns` are of one
    monotonic clock; `start_ns` is None until the start signal. Counts are of writes, unless they say otherwise.

    Buckets are those of `bench.model.buckets` and one more for what lies above, each with its own count; `()` while
    nothing is known. `dropped` is by cause, `errors` by class, `cpu_s` by (process, role). `blocks` heard;
    `block_age_s` is None before the first, `snapshot_age_s`, the age of the oldest worker's report, before the first.
    """

    at_ns: int
    trial: int
    trials: int
    phase: str
    start_ns: int | None = None
    phases: tuple[PlannedPhase, ...] = ()
    planned: int = 0
    submitted: int = 0
    accepted: int = 0
    finalized_valid: int = 0
    failed: int = 0
    failed_expected: int = 0
    rejected: int = 0
    unresolved: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    reads_issued: int = 0
    reads_answered: int = 0
    in_flight: int = 0
    in_flight_bound: int = 0
    lag_buckets: tuple[int, ...] = ()
    accept_buckets: tuple[int, ...] = ()
    finality_buckets: tuple[int, ...] = ()
    blocks: int = 0
    block_height: int | None = None
    block_age_s: float | None = None
    cpu_s: Mapping[tuple[str, str], float] = field(default_factory=dict)
    snapshot_age_s: float | None = None

    @property
    def elapsed_s(self) -> float | None:
        """Since the start signal."""
        return None if self.start_ns is None else (self.at_ns - self.start_ns) / 1e9

    @property
    def dropped_total(self) -> int:
        """Whatever the cause."""
        return sum(self.dropped.values())
