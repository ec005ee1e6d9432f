"""From what a trial tells its watchers to the samples of the live page. Its methods are those of
`bench.run.events.TrialWatcher`: called from the coordinator's thread, at once done, never raising.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.model.clock import NS_PER_S, Clock, monotonic_ns
from bench.model.counters import BlockCounters, Buckets, Counters
from bench.model.ledger import Node
from bench.model.phase import Phase
from bench.model.resources import ResourceSample
from bench.model.result import Result, Trial
from bench.model.transaction import ErrorClass
from bench.telemetry.live_data import FinishedTrial, LiveSeries
from bench.telemetry.live_sample import DONE, PlannedPhase, Run, Sample
from bench.telemetry.outline import TrialOutline

LATEST_NS = 3 * NS_PER_S // 2
"""When a worker is late, the others' reports are shown after so long all the same."""


@dataclass(frozen=True, slots=True)
class _Report:
    """The last one of one life of one worker."""

    heard_ns: int
    counters: Counters

    def block_age_s(self, now_ns: int) -> float:
        """Since the last block, by the worker's own count at its report."""
        blocks = self.counters.blocks
        return ((blocks.age_ns if blocks else 0) + now_ns - self.heard_ns) / NS_PER_S


class LiveFeed:
    """Feeds `series`. One sample for each round of workers' reports, about one a second."""

    def __init__(self, series: LiveSeries, clock: Clock = monotonic_ns) -> None:
        self._series = series
        self._clock = clock
        self._outline: TrialOutline | None = None
        self._start_ns: int | None = None
        self._reports: dict[tuple[int, str], _Report] = {}
        self._new: set[int] = set()
        self._cpu_s: dict[tuple[str, str], float] = {}
        self._shown_ns = 0

    def trial_began(self, outline: TrialOutline) -> None:
        """Setup begins."""
        self._outline, self._start_ns = outline, None
        self._reports, self._new, self._cpu_s = {}, set(), {}
        self._show(Phase.SETUP)

    def nodes_changed(self, nodes: Sequence[Node]) -> None:
        """Not shown on the page."""

    def load_began(self, start_ns: int, ledger_version: str | None) -> None:  # noqa: ARG002
        """From here on there is a time of the trial."""
        self._start_ns = start_ns
        self._show()

    def counted(self, worker: int, counters: Counters) -> None:
        """A worker's report; shown when everybody's is there."""
        self._reports[worker, counters.incarnation] = _Report(self._clock(), counters)
        self._new.add(worker)
        if self._outline is not None and len(self._new) >= self._outline.workers:
            self._show()

    def used(self, samples: Sequence[ResourceSample], node_bytes: Mapping[str, int]) -> None:  # noqa: ARG002
        """What processes have used. It also keeps time while workers are silent."""
        self._cpu_s.update({(sample.process, sample.role): sample.cpu_s for sample in samples})
        if self._start_ns is not None and self._clock() - self._shown_ns > LATEST_NS:
            self._show()

    def trial_ended(self, trial: Trial | None) -> None:
        """Its verdict joins the list of trials."""
        if self._outline is None:
            return
        self._show(DONE)
        if trial is not None:
            verdict, goodput = trial.verdict, trial.rates.goodput_per_s
            self._series.trial_ended(
                FinishedTrial(self._outline.ledger, trial.trial, verdict.status, goodput, tuple(verdict.reasons))
            )

    def run_ended(self, result: Result) -> None:
        """The last word."""
        partial = ", cut short" if result.partial else ""
        self._series.end(f"{result.ledger.name} {result.workload}: {result.summary.verdict.status}{partial}.")

    def _show(self, phase: str | None = None) -> None:
        outline = self._outline
        if outline is None:
            return
        self._new.clear()
        self._shown_ns = now_ns = self._clock()
        self._series.add(_run(outline), self._sample(outline, now_ns, phase or self._phase(outline, now_ns)))

    def _phase(self, outline: TrialOutline, now_ns: int) -> str:
        if self._start_ns is None:
            return Phase.SETUP
        if self._reports and all(report.counters.final for report in self._reports.values()):
            return DONE
        elapsed_ns = now_ns - self._start_ns
        if elapsed_ns < outline.warm_up_ns:
            return Phase.WARM_UP
        return Phase.MEASURE if elapsed_ns < outline.duration_ns else Phase.DRAIN

    def _sample(self, outline: TrialOutline, now_ns: int, phase: str) -> Sample:
        reports = [report.counters for report in self._reports.values()]
        present = {worker: report for (worker, _), report in self._reports.items()}
        observed = max(self._reports.values(), key=_blocks_heard, default=None)
        blocks = BlockCounters() if observed is None or observed.counters.blocks is None else observed.counters.blocks
        late = [now_ns - report.heard_ns for report in present.values() if not report.counters.final]
        return Sample(
            at_ns=now_ns,
            trial=outline.trial,
            trials=outline.trials,
            phase=phase,
            start_ns=self._start_ns,
            phases=() if self._start_ns is None else _phases(outline),
            planned=_sum(each.planned for each in reports),
            submitted=_sum(each.submitted for each in reports),
            accepted=_sum(each.accepted for each in reports),
            finalized_valid=_sum(each.finalized for each in reports),
            failed=_sum(each.failed for each in reports) - _sum(each.failed_expected for each in reports),
            failed_expected=_sum(each.failed_expected for each in reports),
            rejected=_sum(each.rejected for each in reports),
            unresolved=sum(each.unresolved for each in reports),
            dropped=_by_class(each.dropped for each in reports),
            errors=_by_class(each.errors for each in reports),
            reads_issued=_sum(each.reads_issued for each in reports),
            reads_answered=_sum(each.reads_answered for each in reports),
            in_flight=sum(report.counters.in_flight for report in present.values()),
            in_flight_bound=outline.in_flight,
            lag_buckets=_merged(each.submit_lag for each in reports),
            accept_buckets=_merged(each.accept for each in reports),
            finality_buckets=_merged(buckets for each in reports for buckets in each.finality),
            blocks=blocks.heard,
            block_height=blocks.height if blocks.heard else None,
            block_age_s=observed.block_age_s(now_ns) if observed is not None and blocks.heard else None,
            cpu_s=dict(self._cpu_s),
            snapshot_age_s=max(late) / NS_PER_S if late else None,
        )


def _run(outline: TrialOutline) -> Run:
    objective = outline.objective_ns
    return Run(
        run_id=outline.run_id,
        ledger=outline.ledger,
        workload=outline.workload,
        version=outline.version,
        seed=outline.seed,
        slo_finality_s=None if objective is None else objective / NS_PER_S,
        limits=outline.limits,
    )


def _phases(outline: TrialOutline) -> tuple[PlannedPhase, ...]:
    warm_up_s, load_s = outline.warm_up_ns / NS_PER_S, outline.duration_ns / NS_PER_S
    return (
        PlannedPhase(Phase.WARM_UP, 0.0, warm_up_s),
        PlannedPhase(Phase.MEASURE, warm_up_s, load_s),
        PlannedPhase(Phase.DRAIN, load_s, None),
    )


def _blocks_heard(report: _Report) -> int:
    return -1 if report.counters.blocks is None else report.counters.blocks.heard


def _sum(by_operation: Iterable[Sequence[int]]) -> int:
    return sum(sum(counts) for counts in by_operation)


def _by_class(counted: Iterable[Mapping[int, int]]) -> dict[str, int]:
    total: Counter[int] = Counter()
    for counts in counted:
        total.update(counts)
    return {ErrorClass(code).label: count for code, count in total.items()}


def _merged(several: Iterable[Buckets]) -> tuple[int, ...]:
    known = [buckets.counts for buckets in several if buckets.counts]
    return tuple(sum(counts) for counts in zip(*known, strict=True))
