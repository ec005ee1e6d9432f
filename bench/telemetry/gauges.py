"""Everything a run shows that is not a count: what holds now, and what came out."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.model.result import Interval, Result
from bench.telemetry.metrics import PHASES, VERDICTS
from bench.telemetry.state import RunState, TrialState

TOGETHER = ("network", "harness")
"""Names in `Efficiency.node` that stand for several processes."""
_QUANTILES = {"p50": "0.5", "p99": "0.99"}


class Gauge(NamedTuple):
    """One value of a metric, with the metric's own labels."""

    metric: str
    labels: tuple[str, ...]
    value: float


def gauges(run: RunState, now_ns: int) -> Iterator[Gauge]:
    """All of one run."""
    yield from _run(run, now_ns)
    yield from _load(run.trial, now_ns)
    yield from _workers(run.trial, now_ns)
    yield from _chain(run.trial, now_ns)
    yield from _processes(run)
    if run.result is not None:
        yield from _result(run.result)


def disk_free(results: Path) -> Iterator[Gauge]:
    """Where bundles are made; and where workers spool rows and nodes that the harness started keep their data."""
    for mount, path in (("results", results), ("work", Path(tempfile.gettempdir()))):
        with contextlib.suppress(OSError):
            yield Gauge("bench_disk_free_bytes", (mount,), shutil.disk_usage(path).free)


def _run(run: RunState, now_ns: int) -> Iterator[Gauge]:
    outline = run.outline
    info = (outline.version, str(outline.seed), outline.scenario, run.ledger_version, outline.family)
    yield Gauge("bench_run_info", info, 1)
    yield from _one_hot("bench_phase", PHASES, run.trial.phase(now_ns))
    yield Gauge("bench_trial", (), outline.trial)
    yield Gauge("bench_trials", (), outline.trials)
    if run.verdict is not None:
        yield from _one_hot("bench_verdict", VERDICTS, run.verdict)


def _load(trial: TrialState, now_ns: int) -> Iterator[Gauge]:
    outline = trial.outline
    on = trial.start_ns is not None and not trial.ended_ns and now_ns - trial.start_ns < outline.duration_ns
    rate = outline.process.rate_at(max(0, now_ns - (trial.start_ns or 0))) if on else 0.0
    yield Gauge("bench_offered_rate", (), rate)
    in_flight = sum(report.in_flight for _, report in trial.live(now_ns))
    yield Gauge("bench_in_flight", (), 0 if trial.ended_ns else in_flight)
    yield Gauge("bench_in_flight_bound", (), outline.in_flight)
    if outline.objective_ns is not None:
        yield Gauge("bench_slo_finality_seconds", (), outline.objective_ns / NS_PER_S)
    yield Gauge("bench_harness_bound", (), trial.harness_bound(now_ns))


def _workers(trial: TrialState, now_ns: int) -> Iterator[Gauge]:
    for worker, state in sorted(trial.workers.items()):
        name = (f"worker-{worker}",)
        yield Gauge("bench_worker_up", name, trial.up(state, now_ns))
        age = 0 if state.done else now_ns - state.heard_ns
        yield Gauge("bench_snapshot_age_seconds", name, max(0, age) / NS_PER_S)
        if (newest := state.newest) is not None:
            yield Gauge("bench_worker_event_loop_lag_seconds", name, newest.loop_lag_ns / NS_PER_S)
            yield Gauge("bench_encoder_buffered", name, newest.buffered)
            yield Gauge("bench_lanes", name, newest.lanes)


def _chain(trial: TrialState, now_ns: int) -> Iterator[Gauge]:
    """What the workers that are up know of it; of several observers the one that heard last."""
    live = [(max(0, trial.seen_until(now_ns) - heard_ns), report) for heard_ns, report in trial.live(now_ns)]
    if not live:
        return
    yield Gauge("bench_observer_age_seconds", (), min(since + one.observer_age_ns for since, one in live) / NS_PER_S)
    yield Gauge("bench_observer_delay_seconds", (), max(one.observer_delay_ns for _, one in live) / NS_PER_S)
    blocks = [(since + one.blocks.age_ns, one.blocks) for since, one in live if one.blocks and one.blocks.heard]
    if blocks:
        age_ns, newest = min(blocks, key=lambda seen: seen[0])
        yield Gauge("bench_block_height", (), newest.height)
        yield Gauge("bench_block_age_seconds", (), age_ns / NS_PER_S)


def _processes(run: RunState) -> Iterator[Gauge]:
    for name, sample in sorted(run.trial.processes.items()):
        sizes = (("resident_bytes", sample.rss_bytes), ("open_fds", sample.fds), ("threads", sample.threads))
        for what, size in sizes:
            if size >= 0:
                yield Gauge(f"bench_process_{what}", name, size)
    for node, size in sorted(run.node_bytes.items()):
        yield Gauge("bench_node_data_bytes", (node,), size)
    for node, role in run.trial.telling:
        yield Gauge("bench_node_expected", (node, role, str(run.outline.trial)), 1)


def _result(result: Result) -> Iterator[Gauge]:
    summary = result.summary
    yield from _interval("bench_result_goodput_per_second", (), summary.goodput_per_s, 1)
    if summary.offered_per_s.median is not None:
        yield Gauge("bench_result_offered_per_second", (), summary.offered_per_s.median)
    for name, quantile in _QUANTILES.items():
        if (found := summary.latency_ms.get("finality", {}).get(name)) is not None:
            yield from _interval("bench_result_finality_seconds", (quantile,), found, NS_PER_S // NS_PER_MS)
    yield from _one_hot("bench_result_verdict", VERDICTS, summary.verdict.status)
    if result.capacity is not None:
        for bound, value in (("low", result.capacity.low_per_s), ("high", result.capacity.high_per_s)):
            if value is not None:
                yield Gauge("bench_result_capacity_per_second", (bound,), value)
    used: dict[str, list[float]] = {}
    for part in (part for trial in result.trials for part in trial.efficiency):
        if part.node not in TOGETHER and part.cpu_s_per_tx is not None:
            used.setdefault(part.node, []).append(part.cpu_s_per_tx)
    for node, values in sorted(used.items()):
        yield Gauge("bench_result_cpu_seconds_per_transaction", (node,), median(values))


def _interval(metric: str, labels: tuple[str, ...], interval: Interval, divisor: int) -> Iterator[Gauge]:
    for bound, value in (("median", interval.median), ("low", interval.ci_low), ("high", interval.ci_high)):
        if value is not None:
            yield Gauge(metric, (*labels, bound), value / divisor)


def _one_hot(metric: str, values: tuple[str, ...], now: str) -> Iterator[Gauge]:
    for value in values:
        yield Gauge(metric, (value,), value == now)
