"""What is known of a run while it goes on: the trial that is on, its workers and processes, and the run's totals."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.model.buckets import LAG_BUCKETS_NS
from bench.model.clock import NS_PER_S
from bench.model.counters import Counters
from bench.model.resources import ResourceSample
from bench.model.result import Result
from bench.model.transaction import HARNESS_CAUSED_DROPS
from bench.telemetry.live_lights import surely_late
from bench.telemetry.metrics import PHASES
from bench.telemetry.outline import TrialOutline
from bench.telemetry.readings import FOREIGN, foreign, of_blocks, of_process, of_worker
from bench.telemetry.totals import Key, Source, Totals

LOST_AFTER_NS = 5 * NS_PER_S
"""Workers report every second; one that was not heard for so long counts as lost."""
WINDOW_NS = 10 * NS_PER_S
"""What "now" means for the harness's own limits."""
WATCHER = 0
"""The worker whose observer counts blocks: the first one always has one."""
_BLOCKS_BACK = 30
_OWN_DROPS = tuple(Key("bench_dropped_total", (cause.label,)) for cause in sorted(HARNESS_CAUSED_DROPS))


class _Sends(NamedTuple):
    """Up to a moment: how late sends were, in buckets, and how many the harness itself did not send."""

    at_ns: int
    lags: list[int]
    unsent: int


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
    telling: tuple[tuple[str, str], ...] = ()  # name and role of nodes that are up and have metrics of their own
    _busy: dict[str, deque[tuple[int, float]]] = field(default_factory=dict)
    _sends: deque[_Sends] = field(default_factory=deque)
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
        self._sends.append(_Sends(start_ns, [0] * (len(LAG_BUCKETS_NS) + 1), 0))

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

    def note_sends(self, now_ns: int) -> None:
        """Remember how sending went up to now. What the warm-up did is only the beginning to compare with; so is the
        first second after it, in which workers still report of it.
        """
        lags = self.totals.buckets("bench_submit_lag_seconds", len(LAG_BUCKETS_NS))
        if self._warming_up(now_ns - NS_PER_S):
            self._sends.clear()
        self._sends.append(_Sends(now_ns, lags, sum(self.totals[key] for key in _OWN_DROPS)))
        while len(self._sends) > 1 and self._sends[1].at_ns <= now_ns - WINDOW_NS:
            self._sends.popleft()

    def harness_bound(self, now_ns: int) -> bool:
        """Whether the harness itself was the limit in the last ten seconds; never before the measure phase."""
        if self.ended_ns or self.start_ns is None or self._warming_up(now_ns):
            return False
        return self._core_full() or self._sending_badly()

    def _warming_up(self, now_ns: int) -> bool:
        warm_up_ns = self.outline.warm_up_ns
        return bool(warm_up_ns) and self.start_ns is not None and now_ns < self.start_ns + warm_up_ns

    def _core_full(self) -> bool:
        for name, recent in self._busy.items():
            mean = sum(percent for _, percent in recent) / len(recent)
            if (name.startswith("worker-") or name == "observer") and mean >= self.outline.limits.worker_cpu_percent:
                return True
        return False

    def _sending_badly(self) -> bool:
        """Something was not ready to be sent, or sends are late beyond doubt."""
        if not self._sends:
            return False
        first, last = self._sends[0], self._sends[-1]
        if last.unsent > first.unsent:
            return True
        half_ns = last.at_ns - WINDOW_NS // 2
        middle = next((one for one in reversed(self._sends) if one.at_ns <= half_ns), first)
        return surely_late(first.lags, middle.lags, last.lags, self.outline.limits)

    def up(self, state: WorkerState, now_ns: int) -> bool:
        """Whether a worker reports, or has reported everything."""
        if state.done:
            return True
        return not self.ended_ns and now_ns - state.heard_ns <= LOST_AFTER_NS

    def live(self, now_ns: int) -> list[tuple[int, Counters]]:
        """When each worker that is up was heard, and what it said: a lost one's last word is no longer so."""
        return [
            (state.heard_ns, state.newest)
            for state in self.workers.values()
            if state.newest is not None and self.up(state, now_ns)
        ]


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
        trial.note_sends(now_ns)

    def use(self, sample: ResourceSample) -> None:
        """A sample of one process."""
        self.trial.use(sample)
        self.totals.take_since_first(Source(self.outline.trial, sample.process, str(sample.pid)), of_process(sample))
