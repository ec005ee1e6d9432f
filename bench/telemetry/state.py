"""What is known of a run while it goes on: the trial that is on, its workers and processes, and the run's totals."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bench.model.buckets import LAG_BUCKETS_NS
from bench.model.clock import NS_PER_S
from bench.model.counters import Counters
from bench.model.resources import ResourceSample
from bench.model.result import Result
from bench.telemetry.live_window import bucket_percentile
from bench.telemetry.metrics import PHASES
from bench.telemetry.outline import TrialOutline
from bench.telemetry.readings import FOREIGN, foreign, of_blocks, of_process, of_worker
from bench.telemetry.totals import Source, Totals

LOST_AFTER_NS = 5 * NS_PER_S
"""Workers report every second; one that was not heard for so long counts as lost."""
WINDOW_NS = 10 * NS_PER_S
"""What "now" means for the harness's own limits."""
WATCHER = 0
"""The worker whose observer counts blocks: the first one always has one."""
_BLOCKS_BACK = 30


@dataclass(slots=True)
class WorkerState:
    """The newest report; None before the first. `heard_ns` is then the start signal."""

    heard_ns: int
    newest: Counters | None = None

    @property
    def done(self) -> bool:
        """Whether it has said its last word."""
        return self.newest is not None and self.newest.final


@dataclass(slots=True)
class TrialState:
    """One trial. Times are of the coordinator's monotonic clock; `ended_ns` is 0 while it is on."""

    outline: TrialOutline
    start_ns: int | None = None
    ended_ns: int = 0
    workers: dict[int, WorkerState] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    processes: dict[tuple[str, str], ResourceSample] = field(default_factory=dict)
    _busy: dict[str, deque[tuple[int, float]]] = field(default_factory=dict)
    _lags: deque[tuple[int, list[int]]] = field(default_factory=deque)
    _blocks: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_BLOCKS_BACK))

    def phase(self, now_ns: int) -> str:
        """One of `PHASES`."""
        setup, warm_up, measure, drain, done = PHASES
        if self.ended_ns:
            return done
        if self.start_ns is None or now_ns < self.start_ns:
            return setup
        elapsed = now_ns - self.start_ns
        if elapsed < self.outline.warm_up_ns:
            return warm_up
        return measure if elapsed < self.outline.duration_ns else drain

    def seen_until(self, now_ns: int) -> int:
        """When ages stop to grow: nothing is waited for after the trial."""
        return self.ended_ns or now_ns

    def begin_load(self, start_ns: int) -> None:
        """The start signal."""
        self.start_ns = start_ns
        self.workers = {worker: WorkerState(start_ns) for worker in range(self.outline.workers)}

    def count(self, worker: int, counters: Counters, now_ns: int) -> None:
        """A worker's report. An older one of the same life changes no gauge; counts look after themselves."""
        state = self.workers.setdefault(worker, WorkerState(now_ns))
        newest = state.newest
        if newest is not None and newest.incarnation == counters.incarnation and counters.sequence <= newest.sequence:
            return
        state.newest, state.heard_ns = counters, now_ns
        if worker == WATCHER and counters.blocks is not None:
            self._blocks.append((counters.blocks.ordinal, counters.blocks.transactions))

    def foreign(self) -> int:
        """Transactions of blocks that are surely not ours."""
        reports = [state.newest for state in self.workers.values() if state.newest is not None]
        if len(reports) < len(self.workers) or not reports:
            return 0
        handed = min(report.last_block for report in reports)
        return foreign(self._blocks, handed, sum(report.included for report in reports))

    def use(self, sample: ResourceSample) -> None:
        """A sample of one process."""
        self.processes[sample.process, sample.role] = sample
        recent = self._busy.setdefault(sample.process, deque())
        recent.append((sample.at_ns, sample.cpu_percent))
        while recent[0][0] < sample.at_ns - WINDOW_NS:
            recent.popleft()

    def note_lag(self, now_ns: int) -> None:
        """Remember how late sends were up to now."""
        self._lags.append((now_ns, self.totals.buckets("bench_submit_lag_seconds", len(LAG_BUCKETS_NS))))
        while len(self._lags) > 1 and self._lags[1][0] <= now_ns - WINDOW_NS:
            self._lags.popleft()

    def harness_bound(self) -> bool:
        """Whether the harness itself was the limit in the last ten seconds."""
        if self.ended_ns or self.start_ns is None:
            return False
        limits = self.outline.limits
        for name, recent in self._busy.items():
            mean = sum(percent for _, percent in recent) / len(recent)
            if name.startswith("worker-") and mean >= limits.worker_cpu_percent:
                return True
        lag = self._lag_p99_ns()
        return lag is not None and lag > limits.submit_lag_p99_ns

    def _lag_p99_ns(self) -> float | None:
        if not self._lags:
            return None
        before, now = self._lags[0][1] if len(self._lags) > 1 else [0] * len(self._lags[0][1]), self._lags[-1][1]
        return bucket_percentile(LAG_BUCKETS_NS, [b - a for a, b in zip(before, now, strict=True)], 0.99)

    def up(self, state: WorkerState, now_ns: int) -> bool:
        """Whether a worker reports, or has reported everything."""
        if state.done:
            return True
        return not self.ended_ns and now_ns - state.heard_ns <= LOST_AFTER_NS


@dataclass(slots=True)
class RunState:
    """One run: the trials of one scenario on one ledger. `totals` are over all its trials."""

    trial: TrialState
    ledger_version: str
    totals: Totals = field(default_factory=Totals)
    node_bytes: dict[str, int] = field(default_factory=dict)
    verdict: str | None = None
    result: Result | None = None

    @property
    def outline(self) -> TrialOutline:
        """Of the trial that is on, or was last."""
        return self.trial.outline

    def count(self, worker: int, counters: Counters, now_ns: int) -> None:
        """A worker's report, into the trial's and the run's totals."""
        trial = self.trial
        trial.count(worker, counters, now_ns)
        values = of_worker(counters, trial.outline)
        if worker == WATCHER and counters.blocks is not None:
            values.update(of_blocks(counters.blocks))
        for totals in (trial.totals, self.totals):
            totals.take(Source(trial.outline.trial, f"worker-{worker}", counters.incarnation), values)
        others = {FOREIGN: trial.foreign()}
        self.totals.take(Source(trial.outline.trial, "chain", ""), others)
        trial.note_lag(now_ns)

    def use(self, sample: ResourceSample) -> None:
        """A sample of one process."""
        self.trial.use(sample)
        self.totals.take(Source(self.outline.trial, sample.process, str(sample.pid)), of_process(sample))
