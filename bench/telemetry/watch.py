"""`Watch`: hears the figures of runs while they come, and keeps what the exporter shows of them.

It is a `bench.run.events.TrialWatcher`. It is told from one thread and read from others, under one lock; nothing here
takes longer than a millisecond or two, and nothing touches files or the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from bench.model.clock import Clock, monotonic_ns
from bench.model.counters import Counters
from bench.model.ledger import Node
from bench.model.resources import ResourceSample
from bench.model.result import Result, Trial
from bench.telemetry.gauges import Gauge, disk_free, gauges
from bench.telemetry.outline import TrialOutline
from bench.telemetry.readings import declared
from bench.telemetry.state import RunState, TrialState
from bench.telemetry.totals import Key

ROLES = ("harness", "ledger")
"""Of processes; the whole host is no process."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One run as it is now. `run_labels` are the values of `bench.telemetry.metrics.RUN_LABELS`."""

    run_labels: tuple[str, str, str]
    counts: list[tuple[Key, int]]
    gauges: list[Gauge]


class Watch:
    """Keeps every run it has heard of, because their last values stay true."""

    def __init__(self, clock: Clock = monotonic_ns) -> None:
        self._clock = clock
        self._lock = Lock()
        self._runs: dict[str, RunState] = {}
        self._current: RunState | None = None

    # --- what happens (see TrialWatcher)

    def trial_began(self, outline: TrialOutline) -> None:
        """A new trial, of a known run or of a new one."""
        with self._lock:
            trial = TrialState(outline)
            run = self._runs.get(outline.run_id)
            if run is None:
                run = self._runs[outline.run_id] = RunState(trial, outline.ledger_version)
            else:
                run.trial = trial
            run.totals.declare(declared(outline))
            run.totals.keep_from(outline.trial - 1)
            self._current = run

    def nodes_changed(self, nodes: Sequence[Node]) -> None:
        """The current trial's nodes are up, or (none) about to be stopped."""
        with self._lock:
            if (run := self._current) is not None:
                run.trial.telling = tuple((node.name, node.role) for node in nodes if node.metrics_url is not None)

    def load_began(self, start_ns: int, ledger_version: str | None) -> None:
        """The start signal of the current trial."""
        with self._lock:
            if (run := self._current) is not None:
                run.trial.begin_load(start_ns)
                run.ledger_version = ledger_version or run.ledger_version

    def counted(self, worker: int, counters: Counters) -> None:
        """A worker's report."""
        with self._lock:
            if (run := self._current) is None:
                return
            run.count(worker, counters, self._clock())

    def used(self, samples: Sequence[ResourceSample], node_bytes: Mapping[str, int]) -> None:
        """Samples of processes, and sizes of nodes' directories."""
        with self._lock:
            if (run := self._current) is not None:
                run.node_bytes.update(node_bytes)
                for sample in samples:
                    if sample.role in ROLES:
                        run.use(sample)

    def trial_ended(self, trial: Trial | None) -> None:
        """The current trial is over."""
        with self._lock:
            if (run := self._current) is not None:
                run.trial.ended_ns = self._clock()
                run.verdict = run.verdict if trial is None else trial.verdict.status

    def run_ended(self, result: Result) -> None:
        """One of the runs has its bundle."""
        with self._lock:
            if (run := self._runs.get(result.run_id)) is not None:
                run.result = result

    # --- what is shown

    def shown(self) -> list[Shown]:
        """All runs, the oldest first. What concerns none of them in particular is with the newest."""
        with self._lock:
            now = self._clock()
            shown = [
                Shown(
                    (run.outline.run_id, run.outline.ledger, run.outline.workload),
                    list(run.totals),
                    list(gauges(run, now)),
                )
                for run in self._runs.values()
            ]
            results = None if self._current is None else self._current.outline.results
        if shown and results is not None:  # without the lock: a file system that hangs must not hold up the run
            shown[-1].gauges.extend(disk_free(results))
        return shown
