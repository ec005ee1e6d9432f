"""From workers' cumulative counters to one second of a run as people see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.model.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns
from bench.model.counters import Counters
from bench.model.phase import Phase
from bench.run.events import LiveView

PATIENCE_NS = NS_PER_S * 3 // 2


@dataclass(slots=True)
class LiveCounts:
    """Sums of the workers' last snapshots, and what they were a second ago."""

    ledger: str
    workload: str
    trial: int
    trials: int
    warm_up_ns: int
    duration_ns: int
    workers: int
    start_ns: int = 0
    clock: Clock = monotonic_ns
    latest: dict[int, Counters] = field(default_factory=dict)
    _before: tuple[float, int, int, int] = (0.0, 0, 0, 0)
    _heard: set[int] = field(default_factory=set)
    _viewed_ns: int = 0

    def take(self, worker: int, counters: Counters) -> LiveView | None:
        """Take a worker's report in. When all have reported since the last view, or one of them is late, a new view."""
        self.latest[worker] = counters
        self._heard.add(worker)
        waited_ns = self.clock() - max(self._viewed_ns, self.start_ns)
        return self.view() if len(self._heard) >= self.workers or waited_ns >= PATIENCE_NS else None

    def view(self) -> LiveView:
        """What a watcher should see now."""
        self._heard.clear()
        self._viewed_ns = now = self.clock()
        elapsed = (now - self.start_ns) / NS_PER_S
        planned = self.sum("planned") + self.sum("reads_issued")
        submitted = self.sum("submitted") + self.sum("reads_issued")
        committed = self.sum("finalized") + self.sum("reads_answered")
        before, self._before = self._before, (elapsed, planned, submitted, committed)
        span = max(elapsed - before[0], 1e-3)
        return LiveView(
            ledger=self.ledger,
            workload=self.workload,
            trial=self.trial,
            trials=self.trials,
            phase=self._phase(elapsed * NS_PER_S),
            elapsed_s=elapsed,
            total_s=self.duration_ns / NS_PER_S,
            planned=planned,
            submitted=submitted,
            committed=committed,
            dropped=sum(sum(worker.dropped.values()) for worker in self.latest.values()),
            errors=self.sum("rejected") + self.sum("failed") + self.sum("reads_failed"),
            in_flight=self.sum("in_flight"),
            offered_per_s=(planned - before[1]) / span,
            submitted_per_s=(submitted - before[2]) / span,
            committed_per_s=(committed - before[3]) / span,
            submit_lag_max_ms=max((w.submit_lag_max_ns for w in self.latest.values()), default=0) / NS_PER_MS,
        )

    def sum(self, counter: str) -> int:
        """A counter over all workers, and over all operations where it is by operation."""
        values = [getattr(worker, counter) for worker in self.latest.values()]
        return sum(sum(value) if isinstance(value, list) else value for value in values)

    def error_examples(self) -> dict[int, list[str]]:
        """Example messages per `ErrorClass` value, over all workers."""
        merged: dict[int, list[str]] = {}
        for worker in self.latest.values():
            for code, messages in worker.examples.items():
                known = merged.setdefault(code, [])
                known.extend(message for message in messages if message not in known)
        return {code: messages[:3] for code, messages in merged.items()}

    def _phase(self, elapsed_ns: float) -> Phase:
        if elapsed_ns < self.warm_up_ns:
            return Phase.WARM_UP
        return Phase.MEASURE if elapsed_ns < self.duration_ns else Phase.DRAIN
