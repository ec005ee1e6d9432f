"""Calibration without processes: a machine with a known ceiling, and the records it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.run.calibration_store import Attempt, CalibrationRecord, CalibrationStore, LatencyFloor, LoadPath, Machine
from bench.run.events import LiveView, RunListener
from bench.run.interrupts import InterruptedRunError, Interrupts
from bench.run.null_trial import Probed, Shape

MACHINE = Machine("a CPU", 2, "Linux 6")
EVM = LoadPath("evm", "http", 1, 1)


@dataclass
class Heard:
    steps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)

    def live(self, view: LiveView) -> None:
        raise AssertionError("a check shows no live view")

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def attempt(rate: float, *, held: bool = True, others: float = 0.0) -> Attempt:
    return Attempt(
        rate_per_s=rate,
        held=held,
        reasons=[] if held else ["submit lag p99 is 9.00 ms, at most 5 ms is allowed; lower the rate"],
        sent_per_s=rate,
        submit_lag_p50_ms=0.5,
        submit_lag_p99_ms=1.5 if held else 9.0,
        submit_lag_max_ms=12.0,
        worker_cpu_percent=rate / 100,
        encoder_cpu_percent=rate / 200,
        observer_cpu_percent=2.0,
        ledger_cpu_percent=rate / 300,
        other_cpu_percent=others,
    )


@dataclass
class ScriptedMachine:
    """Holds every rate up to `ceiling`; fails the first `stumbles` probes whatever their rate. `error` is raised by
    every probe. Remembers what it was asked.
    """

    ceiling: float
    stumbles: int = 0
    others: float = 0.0
    error: Exception | None = None
    asked: list[float] = field(default_factory=list)

    def __call__(
        self, path: LoadPath, rate: float, shape: Shape, listener: RunListener, interrupted: Interrupts
    ) -> Probed:
        if interrupted():
            raise InterruptedRunError
        if self.error is not None:
            raise self.error
        if not shape.at_once:
            self.asked.append(rate)
        held = rate <= self.ceiling and len(self.asked) > self.stumbles
        floor = LatencyFloor(
            rate_per_s=rate,
            submit_lag_p99_ms=0.4,
            accept_p50_ms=0.5,
            accept_p99_ms=1.0,
            commit_p50_ms=0.7,
            commit_p99_ms=1.25,
        )
        return Probed(attempt(rate, held=held, others=self.others), floor)


def record(
    store: CalibrationStore, ceiling: float, *, at_least: bool = False, path: LoadPath = EVM
) -> CalibrationRecord:
    return store.new(
        path,
        method="full",
        made_at="2026-03-14T09:15:00+00:00",
        ceiling_per_s=ceiling,
        at_least=at_least,
        failed_per_s=None if at_least else 1.1 * ceiling,
        attempts=[attempt(ceiling), attempt(1.1 * ceiling, held=False)],
    )
