"""One short trial of the whole load path against a null ledger: what the harness can do when the ledger costs nothing.

Workers, encoder, adapter, recorder and observer are those of every run, and so are the rules that judge the trial.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import registry
from bench.ledgers.null_evm import NullEvmLedger
from bench.ledgers.null_socket import NullSocketLedger
from bench.ledgers.protocol import Ledger
from bench.measure.inputs import Limits
from bench.model.clock import NS_PER_S
from bench.model.errors import HarnessError
from bench.model.phase import Phase
from bench.model.result import Trial
from bench.monitors.processes import HOST
from bench.run.assemble import Assembled, assemble
from bench.run.calibration_store import Attempt, LatencyFloor, LoadPath
from bench.run.events import LiveView, RunListener
from bench.run.interrupts import InterruptedRunError, Interrupts
from bench.run.trial import TrialFacts, TrialRequest, TrialRunner
from bench.scenario.schema import Load

WORKLOAD = "transfer"
NULL_LEDGERS: dict[str, Callable[[str], Ledger]] = {
    "evm": lambda scheme: NullEvmLedger(websocket=scheme == "ws"),
    "sqlite": lambda _: NullSocketLedger("sqlite"),
    "simulated": lambda _: NullSocketLedger("simulated"),
}
"""By adapter; called with the scheme."""

_BUFFER_S = 0.5
"""Little is signed ahead, as in the middle of a long run: a full buffer would hide what signing costs."""
_DRAIN_NS = 2 * NS_PER_S
_AT_ONCE = {"block_interval_ms": 0.0}


@dataclass(frozen=True, slots=True)
class Shape:
    """How long a trial is. `at_once`: a block is made as soon as a transaction has come."""

    measure_s: float = 3.0
    warm_up_s: float = 0.5
    at_once: bool = False

    @property
    def duration_ns(self) -> int:
        """Warm-up and measure phase."""
        return round((self.warm_up_s + self.measure_s) * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Probed:
    """What one trial showed: whether its rate holds, and its latencies."""

    attempt: Attempt
    latency: LatencyFloor


Prober = Callable[[LoadPath, float, Shape, RunListener, Interrupts], Probed]
"""One trial at one rate. Raises BenchError when it could not be run, InterruptedRunError when a person ended it."""


class _Muted:
    """Passes warnings on: the steps of a trial that lasts three seconds are of no interest."""

    def __init__(self, listener: RunListener) -> None:
        self._listener = listener

    def step(self, text: str) -> None:
        """Say nothing."""

    def live(self, view: LiveView) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """As it is."""
        self._listener.warn(text)


def null_trial(
    path: LoadPath, rate_per_s: float, shape: Shape, listener: RunListener, interrupted: Interrupts
) -> Probed:
    """See `Prober`. Nothing is left behind."""
    request, limits = _request(path, rate_per_s, shape)
    made: list[Assembled] = []
    work = Path(tempfile.mkdtemp(prefix="bench-calibrate-"))

    def measure(_: object, facts: TrialFacts) -> None:
        made.append(assemble(request, facts, limits))

    try:
        facts = TrialRunner(request, work, _Muted(listener), interrupted).run(registry.adapter, measure)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if facts.failure is not None:
        raise facts.failure
    if facts.interrupted or not made:
        raise InterruptedRunError
    return Probed(attempt_of(rate_per_s, made[0].trial), _latency(rate_per_s, made[0].trial))


def attempt_of(rate_per_s: float, trial: Trial) -> Attempt:
    """What a trial says about its rate. It held when no rule of the verdict is broken and the null ledger, which takes
    everything, got everything and showed it in blocks.
    """
    counts, lag = trial.counts, trial.latency_ms.submit_lag
    reasons = [*trial.verdict.reasons] if trial.verdict.status == "invalid" else []
    missed = counts.planned - counts.finalized
    if not reasons and missed > 0.01 * counts.planned:
        reasons.append(f"{missed:,} of {counts.planned:,} transactions were not seen in a block in time")
    cpu = {kind: _busiest(trial, kind) for kind in ("worker", "encoder", "observer", "null-")}
    if not reasons and cpu["worker"] is None:
        reasons.append("worker CPU was not sampled")
    return Attempt(
        rate_per_s=rate_per_s,
        held=not reasons,
        reasons=reasons,
        sent_per_s=trial.rates.submitted_per_s,
        submit_lag_p50_ms=lag.p50,
        submit_lag_p99_ms=lag.p99,
        submit_lag_max_ms=lag.max,
        worker_cpu_percent=cpu["worker"],
        encoder_cpu_percent=cpu["encoder"],
        observer_cpu_percent=cpu["observer"],
        ledger_cpu_percent=cpu["null-"],
        other_cpu_percent=_others(trial),
    )


def _latency(rate_per_s: float, trial: Trial) -> LatencyFloor:
    latency = trial.latency_ms
    return LatencyFloor(
        rate_per_s=rate_per_s,
        submit_lag_p99_ms=latency.submit_lag.p99,
        accept_p50_ms=latency.accept.p50,
        accept_p99_ms=latency.accept.p99,
        commit_p50_ms=latency.commit.p50,
        commit_p99_ms=latency.commit.p99,
    )


def _busiest(trial: Trial, prefix: str) -> float | None:
    return max((used for name, used in _cpu(trial) if name.startswith(prefix)), default=None)


def _others(trial: Trial) -> float | None:
    used = dict(_cpu(trial))
    whole = used.pop(HOST, None)
    return None if whole is None else max(0.0, whole - sum(used.values()))


def _cpu(trial: Trial) -> list[tuple[str, float]]:
    return [(one.process, one.cpu_percent_mean) for one in trial.resources if one.phase == Phase.MEASURE]


def _request(path: LoadPath, rate_per_s: float, shape: Shape) -> tuple[TrialRequest, Limits]:
    if path.adapter not in NULL_LEDGERS:
        raise HarnessError("there is no null ledger for this adapter", value=path.adapter)
    workload = registry.workload(WORKLOAD)
    load = Load(workers=path.workers, batch=path.batch, accounts=200 * path.workers)
    planned = math.ceil(rate_per_s * shape.duration_ns / NS_PER_S)
    request = TrialRequest(
        ledger_name="calibration",
        workload=workload,
        parameters=dict(workload.defaults),
        adapter_name=path.adapter,
        endpoint=None,
        ledger=NULL_LEDGERS[path.adapter](path.scheme),
        ledger_options=_AT_ONCE if shape.at_once else {},
        secrets={},
        arrival={"process": "constant", "rate": rate_per_s},
        seed=1,
        trial=1,
        trials=1,
        planned=planned,
        duration_ns=shape.duration_ns,
        warm_up_ns=round(shape.warm_up_s * NS_PER_S),
        drain_ns=_DRAIN_NS,
        workers=path.workers,
        batch=path.batch,
        linger_ns=load.linger_ns,
        accounts=load.accounts,
        lanes=load.lanes,
        max_lanes=load.max_lanes,
        in_flight=planned,
        buffer_s=_BUFFER_S,
    )
    waiting = load.linger_ns if path.batch > 1 else 0
    return request, Limits(submit_lag_p99_ns=Limits().submit_lag_p99_ns + waiting)
