"""What a trial leaves behind when its load is over: everything a summary and a verdict are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.measure.record import Blocks, Rows
from bench.model.phase import Phase, PhaseSpan
from bench.model.result import Headroom, ProcessResources, WarmUp
from bench.model.transaction import ErrorClass
from bench.model.workload import OperationInfo


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the verdict; a value at `worker_cpu_percent` breaks it, one at the others does not. `headroom_share` is
    how much of the harness's own ceiling the offered load may take.
    """

    submit_lag_p99_ns: int = 5_000_000
    worker_cpu_percent: float = 85.0
    sent_share: float = 0.99
    headroom_share: float = 0.5


@dataclass(frozen=True, slots=True)
class Incidents:
    """What went wrong while the trial ran, as short sentences; empty means it did not. `observer_pause_ns` is the
    longest time that an observer stood still while blocks of the measure phase's load could come.
    """

    harness_failure: str = ""
    ledger_failure: str = ""
    partial: bool = False
    truncated_bytes: int = 0
    observer_pause_ns: int = 0


@dataclass(frozen=True, slots=True)
class TrialInput:
    """`rows` have their statuses joined. `planned` counts all operations of the plan, reads included.

    `phases` must hold MEASURE; the end of DRAIN (or of the last phase) is when unresolved rows were given up. They are
    the phases as applied: where the check of the warm-up moved the start of MEASURE, `warm_up` says so and `resources`
    follow it. `operations` are in the order of the rows' operation codes. `steady_load` says that the arrivals have one
    rate throughout. `blocks` are those that the first of `hosts` load hosts saw. `disk_growth` is in bytes over the
    whole trial, for every node of the ledger (None: not known); `sent_bytes` likewise, of all requests of all workers.
    `processors` are those that the load could run on.
    """

    trial: int
    seed: int
    rows: Rows
    blocks: Blocks
    planned: int
    phases: Sequence[PhaseSpan]
    operations: Sequence[OperationInfo]
    examples: Mapping[ErrorClass, Sequence[str]] = field(default_factory=dict)
    resources: Sequence[ProcessResources] = ()
    limits: Limits = field(default_factory=Limits)
    incidents: Incidents = field(default_factory=Incidents)
    fillers: int = 0
    unmatched_commits: int = 0
    fresh_ledger: bool = True
    warm_up: WarmUp | None = None
    steady_load: bool = True
    headroom: Headroom | None = None
    setup_s: Mapping[str, float] = field(default_factory=dict)
    hosts: int = 1
    sent_bytes: int | None = None
    disk_growth: Mapping[str, int | None] = field(default_factory=dict)
    processors: int = 1

    @property
    def measure(self) -> PhaseSpan:
        """The span that rates and latencies are taken from."""
        return next(span for span in self.phases if span.phase is Phase.MEASURE)

    @property
    def end_ns(self) -> int:
        """When waiting ended: whatever had not been decided by then is unresolved."""
        return max(span.end_ns for span in self.phases)
