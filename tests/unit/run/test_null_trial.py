from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from bench import registry
from bench.measure.summary import summarise
from bench.model.errors import HarnessError
from bench.model.phase import Outcome
from bench.model.result import ProcessResources
from bench.model.transaction import ErrorClass
from bench.run.interrupts import Interrupts
from bench.run.null_trial import NULL_LEDGERS, Shape, attempt_of, null_trial
from tests.support.calibration import EVM, Heard
from tests.support.rows import Row, chain, trial_input, worker_cpu, write

CALM = [
    worker_cpu(40),
    worker_cpu(20, "worker-1"),
    worker_cpu(30, "encoder-0"),
    worker_cpu(5, "observer"),
    worker_cpu(10, "null-evm"),
    worker_cpu(125, "host"),
    worker_cpu(99, "worker-0", "drain"),
]


def rows(*, late_ms: float = 1.0, lost: int = 0, dropped: int = 0) -> list[Row]:
    found = [
        write(1_000 + 5 * k, submitted=1_000 + 5 * k + late_ms, committed=5 * k + 1_100, block=k % 3)
        for k in range(2_000 - lost - dropped)
    ]
    found += [write(9_000, outcome=Outcome.UNRESOLVED) for _ in range(lost)]
    found += [write(9_000, outcome=Outcome.DROPPED, error=ErrorClass.IN_FLIGHT_BOUND) for _ in range(dropped)]
    return found


def judged(table: list[Row], resources: list[ProcessResources]) -> tuple[bool, str]:
    trial = summarise(trial_input(table, chain([2_000, 6_000, 10_900]), resources=resources))
    attempt = attempt_of(200, trial)
    return attempt.held, "; ".join(attempt.reasons)


@pytest.mark.parametrize(
    ("table", "resources", "held", "reason"),
    [
        pytest.param(rows(), CALM, True, "", id="holds"),
        pytest.param(rows(late_ms=6.0), CALM, False, "submit lag p99", id="late"),
        pytest.param(rows(), [worker_cpu(86)], False, "worker-0 used 86 %", id="worker busy"),
        pytest.param(rows(), [*CALM, worker_cpu(90, "observer")], False, "observer used 90 %", id="observer busy"),
        pytest.param(rows(dropped=40), CALM, False, "were not seen in a block", id="no lane was free"),
        pytest.param(rows(lost=40), CALM, False, "were not seen in a block", id="not observed"),
        pytest.param(rows(), [], False, "worker CPU was not sampled", id="nothing sampled"),
    ],
)
def test_when_a_rate_holds(table: list[Row], resources: list[ProcessResources], held: bool, reason: str) -> None:
    found, reasons = judged(table, resources)
    assert found is held, reasons
    assert reason in reasons


def test_the_busiest_process_of_each_kind_is_told_and_what_others_used() -> None:
    attempt = attempt_of(200, summarise(trial_input(rows(), chain([2_000, 6_000, 10_900]), resources=CALM)))
    assert attempt.worker_cpu_percent == 40
    assert attempt.encoder_cpu_percent == 30
    assert attempt.observer_cpu_percent == 5
    assert attempt.ledger_cpu_percent == 10
    assert attempt.other_cpu_percent == 125 - 40 - 20 - 30 - 5 - 10
    assert attempt.submit_lag_p99_ms == 1.0


def test_null_ledgers_are_no_candidates() -> None:
    for adapter, make in NULL_LEDGERS.items():
        info = make("http").info
        assert info.adapter == adapter
        assert info.name not in registry.names("ledgers")


def test_an_adapter_without_a_null_ledger_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(HarnessError, match="no null ledger"):
        null_trial(replace(EVM, adapter="a-strangers"), 10, Shape(), Heard(), Interrupts())
    assert list(tmp_path.iterdir()) == []
