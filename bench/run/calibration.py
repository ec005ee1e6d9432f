"""How much the harness can send on this machine, so that no run takes the harness's limit for the ledger's.

`calibrate` measures one way of sending in full. `Calibrations` is asked before a run: it looks up what is known, and
where nothing is, tries once whether twice the run's highest rate can be sent.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from bench.model.clock import NS_PER_S, Clock, monotonic_ns, utc_now
from bench.model.errors import BenchError
from bench.model.result import CalibrationPart
from bench.run.calibration_store import Attempt, CalibrationRecord, CalibrationStore, LoadPath
from bench.run.ceiling import MOST_RATE, SearchPlan, find_ceiling
from bench.run.events import RunListener
from bench.run.interrupts import InterruptedRunError, Interrupts
from bench.run.null_trial import NULL_LEDGERS, Prober, Shape, null_trial
from bench.run.overheads import measure_overheads
from bench.run.targets import Target
from bench.scenario.arrival import highest_rate
from bench.scenario.schema import EndpointChoice, Scenario

SWITCH = "BENCH_CALIBRATION"
HEADROOM = 2.0
"""A run may offer at most the ceiling divided by this."""

DISTURBED_PERCENT = 25.0
"""Of one core, by programs that are not ours: above it a machine is not at rest."""

_CHECK_BUDGET_S = 35.0
_CHECK_PRECISION = 0.25
_LEAST_CHECK = 1_000.0  # per second: slower runs share one check
_FLOOR_RATE = 250.0
_FLOOR = Shape(measure_s=4.2, warm_up_s=0.3, at_once=True)  # a 99th percentile wants 1,000 samples


@dataclass(frozen=True, slots=True)
class Method:
    """How thoroughly to measure."""

    name: Literal["full", "quick"]
    budget_s: float
    shape: Shape
    precision: float
    floor: bool


FULL = Method("full", 85.0, Shape(), 0.10, floor=True)
QUICK = Method("quick", 20.0, Shape(measure_s=1.5, warm_up_s=0.3), 0.25, floor=False)


def calibrate(
    path: LoadPath,
    method: Method,
    store: CalibrationStore,
    listener: RunListener,
    interrupted: Interrupts,
    prober: Prober = null_trial,
    clock: Clock = monotonic_ns,
) -> CalibrationRecord:
    """Measure `path`; nothing is kept yet. Raises BenchError, and InterruptedRunError when a person ends it."""
    more = _Budget(method.budget_s, clock)
    overheads = measure_overheads()
    floor = None
    if method.floor:
        listener.step(f"{path}: the latency floor, at {_FLOOR_RATE:,.0f}/s")
        floor = prober(path, _FLOOR_RATE, _FLOOR, listener, interrupted).latency

    def probe(rate: float) -> Attempt:
        attempt = prober(path, rate, method.shape, listener, interrupted).attempt
        listener.step(f"{path}: {rate:,.0f}/s {'holds' if attempt.held else 'does not hold'}, {_told(attempt)}")
        return attempt

    start = (1_000.0 if path.batch == 1 else 4_000.0) * path.workers
    found = find_ceiling(probe, SearchPlan(start, method.precision), more)
    record = store.new(
        path,
        method=method.name,
        made_at=utc_now().isoformat(timespec="seconds"),
        ceiling_per_s=found.held or 0.0,
        at_least=found.open(method.precision),
        failed_per_s=found.failed,
        attempts=found.attempts,
    )
    return record.model_copy(update={"latency_floor": floor, "overheads": overheads})


class Calibrations:
    """See `bench.run.execution.Ceilings`. What a check finds is kept for the runs that follow, but not a low ceiling
    that was found while other programs used the machine: that one is held against this run only.
    """

    def __init__(
        self, store_dir: Path | None = None, prober: Prober = null_trial, store: CalibrationStore | None = None
    ) -> None:
        self._store = store or CalibrationStore(store_dir)
        self._prober = prober

    def __call__(
        self, target: Target, scenario: Scenario, listener: RunListener, interrupted: Interrupts
    ) -> CalibrationPart | None:
        """What `scenario` on `target` is held against; None where that is not known."""
        path = load_path(target, scenario)
        if path is None:
            return None
        needed = HEADROOM * highest_rate(scenario.process, scenario.phases.duration_ns)
        try:
            record = self._known(path, needed) or self._check(path, needed, listener, interrupted)
        except InterruptedRunError:
            return None
        except BenchError as error:
            listener.warn(f"this machine's headroom could not be checked: {error}")
            return None
        if record.ceiling_per_s <= 0:
            return _less_than(record, needed, listener)
        if record.ceiling_per_s < needed:
            listener.warn(
                f"this machine's ceiling is {record.ceiling_per_s:,.0f}/s ({path}; found {record.made_at}), and this "
                f"run needs {needed:,.0f}/s; `bench.py calibrate --adapter {path.adapter}` measures it again"
            )
        return record.part()

    def _known(self, path: LoadPath, needed: float) -> CalibrationRecord | None:
        """What is kept, unless it leaves open what is needed."""
        record = self._store.find(path)
        if record is None or (record.at_least and record.ceiling_per_s < needed):
            return None
        return record

    def _check(
        self, path: LoadPath, needed: float, listener: RunListener, interrupted: Interrupts
    ) -> CalibrationRecord:
        known = self._store.find(path)
        start = min(max(needed, _LEAST_CHECK), MOST_RATE)
        listener.step(
            f"checking this machine's headroom at {start:,.0f}/s (once; `bench.py calibrate` does it in full)"
        )

        def probe(rate: float) -> Attempt:
            attempt = self._prober(path, rate, Shape(), listener, interrupted).attempt
            if not attempt.held:
                listener.step(f"{rate:,.0f}/s does not hold, {_told(attempt)}")
            return attempt

        plan = SearchPlan(start, _CHECK_PRECISION, needed, None if known is None else known.ceiling_per_s)
        found = find_ceiling(probe, plan, _Budget(_CHECK_BUDGET_S, monotonic_ns))
        enough = found.held is not None and found.held >= needed
        record = self._store.new(
            path,
            method="check",
            made_at=utc_now().isoformat(timespec="seconds"),
            ceiling_per_s=found.held or 0.0,
            at_least=enough or found.open(_CHECK_PRECISION),
            failed_per_s=found.failed,
            attempts=found.attempts,
        )
        if enough or (found.held is not None and not _disturbed(found.attempts)):
            self._store.keep(record)
        return record


def _less_than(record: CalibrationRecord, needed: float, listener: RunListener) -> CalibrationPart | None:
    """Where no rate held before the time was up: the ceiling lies below the lowest that failed. None where that leaves
    open whether what is needed holds.
    """
    failed = record.failed_per_s
    if failed is None or failed > needed:
        listener.warn(f"no rate held in the check of this machine's headroom ({record.path}); is the machine busy?")
        return None
    listener.warn(
        f"this machine's ceiling is less than {failed:,.0f}/s ({record.path}), and this run needs {needed:,.0f}/s; "
        f"`bench.py calibrate --adapter {record.adapter}` finds it"
    )
    return record.part().model_copy(update={"ceiling_per_s": math.nextafter(failed, 0.0)})


def ceilings_in_use() -> Calibrations | None:
    """What runs are held against, unless `BENCH_CALIBRATION=off` turns it off."""
    return None if os.environ.get(SWITCH, "").lower() == "off" else Calibrations()


def load_path(target: Target, scenario: Scenario) -> LoadPath | None:
    """The way `scenario` sends to `target`; None where this machine alone does not decide, or no null ledger exists."""
    load = scenario.load
    if load.remote_workers or target.adapter_name not in NULL_LEDGERS:
        return None
    return LoadPath(target.adapter_name, _scheme(target), load.workers, load.batch)


def _scheme(target: Target) -> str:
    if target.adapter_name != "evm":
        return "unix"
    scheme = urlsplit(target.choice.url).scheme if isinstance(target.choice, EndpointChoice) else "http"
    return "ws" if scheme in ("ws", "wss") else "http"


class _Budget:
    """Says whether a further attempt, as long as the longest so far, still fits."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._clock = clock
        self._asked_ns = clock()
        self._deadline_ns = self._asked_ns + int(seconds * NS_PER_S)
        self._longest_ns = 0

    def __call__(self) -> bool:
        now = self._clock()
        self._longest_ns = max(self._longest_ns, now - self._asked_ns)
        self._asked_ns = now
        return now + self._longest_ns <= self._deadline_ns


def _disturbed(attempts: Sequence[Attempt]) -> bool:
    return any((one.other_cpu_percent or 0.0) > DISTURBED_PERCENT for one in attempts if not one.held)


def _told(attempt: Attempt) -> str:
    lag, worker = attempt.submit_lag_p99_ms, attempt.worker_cpu_percent
    parts = [
        "submit lag p99 " + ("unknown" if lag is None else f"{lag:.1f} ms"),
        "worker " + ("unknown" if worker is None else f"{worker:.0f} % of a core"),
    ]
    if attempt.other_cpu_percent is not None and attempt.other_cpu_percent > DISTURBED_PERCENT:
        parts.append(f"other programs {attempt.other_cpu_percent:.0f} %")
    return ", ".join(parts)
