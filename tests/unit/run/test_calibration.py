from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.model.errors import LedgerError
from bench.run import calibration
from bench.run.calibration import FULL, QUICK, Calibrations, calibrate, ceilings_in_use, load_path
from bench.run.calibration_store import CalibrationStore, LoadPath
from bench.run.ceiling import Search
from bench.run.interrupts import InterruptedRunError, Interrupts
from bench.run.targets import Target, headroom_of
from bench.scenario.loader import scenario_from_mapping
from bench.scenario.schema import EndpointChoice, LedgerChoice, Scenario
from tests.support.calibration import EVM, MACHINE, Heard, ScriptedMachine, record

ANVIL = Target("anvil", LedgerChoice(name="anvil"), None, "evm", None)


@pytest.fixture
def store(tmp_path: Path) -> CalibrationStore:
    return CalibrationStore(tmp_path, MACHINE)


def scenario(rate: float, **load: object) -> Scenario:
    return scenario_from_mapping(
        {
            "name": "t",
            "ledgers": ["anvil"],
            "workload": "transfer",
            "arrival": {"process": "constant", "rate": rate},
            "phases": {"duration": "10s"},
            "load": load,
        }
    )


def endpoint(adapter: str, url: str) -> Target:
    return Target(adapter, EndpointChoice(adapter=adapter, url=url), None, adapter, None)


@pytest.mark.parametrize(
    ("known", "at_least", "machine", "rate", "asked", "ceiling", "open_end"),
    [
        pytest.param(8000, False, 0, 4000, [], 8000, False, id="full record, enough"),
        pytest.param(5000, False, 9999, 4000, [], 5000, False, id="full record, too low: used as it is"),
        pytest.param(8000, True, 0, 4000, [], 8000, True, id="lower bound, enough"),
        pytest.param(2000, True, 9999, 4000, [8000], 8000, True, id="lower bound, extended"),
        pytest.param(None, False, 9999, 4000, [8000], 8000, True, id="nothing known, holds"),
        pytest.param(None, False, 9999, 20, [1000], 1000, True, id="slow runs share one check"),
        pytest.param(None, False, 5500, 4000, [8000, 8000, 4000, 5660, 5660, 4760], 4760, False, id="nothing known"),
        pytest.param(2000, True, 3000, 4000, [8000, 8000, 4000, 4000, 2830, 3360, 3360], 2830, False, id="bound, low"),
        pytest.param(None, False, 600, 200, [1000, 1000, 400], 400, True, id="enough although the first did not hold"),
    ],
)
def test_what_a_run_is_held_against(
    store: CalibrationStore,
    known: float | None,
    at_least: bool,
    machine: float,
    rate: float,
    asked: list[float],
    ceiling: float,
    open_end: bool,
) -> None:
    if known is not None:
        store.keep(record(store, known, at_least=at_least))
    scripted, heard = ScriptedMachine(machine), Heard()
    part = Calibrations(prober=scripted, store=store)(ANVIL, scenario(rate), heard, Interrupts())
    assert part is not None
    assert scripted.asked == asked
    assert (part.ceiling_per_s, part.at_least) == (ceiling, open_end)
    kept = store.find(EVM)
    assert kept is not None
    assert kept.part() == part
    assert bool(heard.warnings) is (ceiling < 2 * rate)


def test_a_slow_moment_is_no_failure(store: CalibrationStore) -> None:
    scripted = ScriptedMachine(9000, stumbles=1)
    part = Calibrations(prober=scripted, store=store)(ANVIL, scenario(4000), Heard(), Interrupts())
    assert part is not None
    assert (part.ceiling_per_s, part.at_least, scripted.asked) == (8000, True, [8000, 8000])


def test_the_check_says_what_it_does_and_why_it_is_low(store: CalibrationStore) -> None:
    heard = Heard()
    Calibrations(prober=ScriptedMachine(5500), store=store)(ANVIL, scenario(4000), heard, Interrupts())
    assert heard.steps[0] == (
        "checking this machine's headroom at 8,000/s (once; `bench.py calibrate` does it in full)"
    )
    assert heard.steps[1] == "8,000/s does not hold, submit lag p99 9.0 ms, worker 80 % of a core"
    (warning,) = heard.warnings
    assert "4,760/s" in warning
    assert "needs 8,000/s" in warning
    assert "`bench.py calibrate --adapter evm`" in warning


def test_a_low_ceiling_of_a_busy_machine_is_not_kept(store: CalibrationStore) -> None:
    scripted = ScriptedMachine(5500, others=120.0)
    part = Calibrations(prober=scripted, store=store)(ANVIL, scenario(4000), Heard(), Interrupts())
    assert part is not None
    assert part.ceiling_per_s == 4760
    assert store.find(EVM) is None


class Slow:
    """Probes of 8 s each, on a clock of their own."""

    def __init__(self, machine: ScriptedMachine) -> None:
        self.machine, self.now = machine, 0

    def clock(self) -> int:
        return self.now

    def __call__(self, *asked: Any) -> Any:
        self.now += 8_000_000_000
        return self.machine(*asked)


@pytest.mark.parametrize(
    ("rate", "asked", "ceiling"),
    [
        pytest.param(25_000, [50_000, 50_000, 25_000, 25_000], 25_000, id="far too weak"),
        pytest.param(200, [1000, 1000, 400, 400], 400, id="too weak even for a slow run"),
    ],
)
def test_a_harness_known_to_be_too_weak_is_held_against_what_failed(
    store: CalibrationStore, monkeypatch: pytest.MonkeyPatch, rate: float, asked: list[float], ceiling: float
) -> None:
    slow, heard = Slow(ScriptedMachine(300)), Heard()
    monkeypatch.setattr(calibration, "monotonic_ns", slow.clock)
    part = Calibrations(prober=slow, store=store)(ANVIL, scenario(rate), heard, Interrupts())
    assert part is not None
    assert slow.machine.asked == asked
    assert not part.at_least
    assert part.ceiling_per_s == pytest.approx(ceiling)
    headroom = headroom_of(scenario(rate), part)
    assert headroom is not None
    assert headroom.share > 0.5, "also where just twice the rate failed"
    assert f"less than {ceiling:,.0f}/s" in heard.warnings[0]
    assert store.find(EVM) is None, "it is no ceiling that was found"


def test_failures_above_what_is_needed_say_nothing(store: CalibrationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, heard = Slow(ScriptedMachine(0)), Heard()
    readings = iter([0, 0, 8])
    monkeypatch.setattr(calibration, "monotonic_ns", lambda: next(readings, 34) * 1_000_000_000)
    assert Calibrations(prober=slow, store=store)(ANVIL, scenario(200), heard, Interrupts()) is None
    assert slow.machine.asked == [1000, 1000]
    assert "no rate held" in heard.warnings[0]


@pytest.mark.parametrize(
    ("held", "failed", "precision", "open_end"),
    [(4000, 4900, 0.25, False), (4000, 5000, 0.25, False), (4000, 5001, 0.25, True), (4000, None, 0.1, True)],
)
def test_a_bracket_wider_than_the_precision_is_open(
    held: float, failed: float | None, precision: float, open_end: bool
) -> None:
    assert Search(held, failed).open(precision) is open_end


def test_a_quick_calibration_that_ends_in_its_bracket_is_a_lower_bound(store: CalibrationStore) -> None:
    found = calibrate(EVM, QUICK, store, Heard(), Interrupts(), ScriptedMachine(3900), Clock(4.0))
    assert (found.ceiling_per_s, found.failed_per_s, found.at_least) == (2000, 4000, True)


def test_a_check_that_fails_is_a_warning(store: CalibrationStore) -> None:
    heard = Heard()
    scripted = ScriptedMachine(1, error=LedgerError("null-evm ended while starting"))
    assert Calibrations(prober=scripted, store=store)(ANVIL, scenario(4000), heard, Interrupts()) is None
    assert "null-evm ended while starting" in heard.warnings[0]


def test_an_interrupt_ends_the_check_without_a_word(store: CalibrationStore) -> None:
    interrupted, heard = Interrupts(), Heard()
    interrupted.note(signal.SIGINT, None)
    assert Calibrations(prober=ScriptedMachine(9999), store=store)(ANVIL, scenario(4000), heard, interrupted) is None
    assert heard.warnings == []
    assert store.find(EVM) is None


@pytest.mark.parametrize(
    ("target", "load", "expected"),
    [
        (ANVIL, {}, EVM),
        (ANVIL, {"workers": 2, "batch": 50}, LoadPath("evm", "http", 2, 50)),
        (endpoint("evm", "https://node.example:8545"), {}, EVM),
        (endpoint("evm", "ws://127.0.0.1:8546"), {}, replace(EVM, scheme="ws")),
        (endpoint("evm", "wss://node.example/rpc"), {}, replace(EVM, scheme="ws")),
        (endpoint("sqlite", "unix:///run/node.sock"), {}, LoadPath("sqlite", "unix", 1, 1)),
        (Target("sqlite", LedgerChoice(name="sqlite"), None, "sqlite", None), {}, LoadPath("sqlite", "unix", 1, 1)),
        (endpoint("a-strangers", "http://127.0.0.1:1"), {}, None),
        (ANVIL, {"workers": 2, "remote_workers": 1, "master": "127.0.0.1:5557"}, None),
    ],
)
def test_the_way_a_scenario_sends(target: Target, load: dict[str, object], expected: LoadPath | None) -> None:
    assert load_path(target, scenario(10, **load)) == expected


def test_without_a_null_ledger_nothing_is_asked(store: CalibrationStore) -> None:
    scripted, heard = ScriptedMachine(9999), Heard()
    held = Calibrations(prober=scripted, store=store)
    assert held(endpoint("a-strangers", "http://127.0.0.1:1"), scenario(10), heard, Interrupts()) is None
    assert (scripted.asked, heard.steps, heard.warnings) == ([], [], [])


@pytest.mark.parametrize(("value", "wanted"), [("off", False), ("OFF", False), ("on", True), ("", True)])
def test_the_switch(value: str, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CALIBRATION", value)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    assert (ceilings_in_use() is not None) is wanted


class Clock:
    """Each reading is `step_s` later."""

    def __init__(self, step_s: float) -> None:
        self.now, self.step = 0, int(step_s * 1e9)

    def __call__(self) -> int:
        self.now += self.step
        return self.now


def test_a_full_calibration(store: CalibrationStore) -> None:
    heard = Heard()
    found = calibrate(EVM, FULL, store, heard, Interrupts(), ScriptedMachine(5500), Clock(7.0))
    assert (found.ceiling_per_s, found.failed_per_s, found.at_least, found.method) == (5190, 5660, False, "full")
    assert [one.rate_per_s for one in found.attempts] == [1000, 2000, 4000, 8000, 8000, 5660, 5660, 4760, 5190]
    assert found.latency_floor is not None
    assert (found.latency_floor.rate_per_s, found.latency_floor.commit_p99_ms) == (250, 1.25)
    assert found.overheads is not None
    assert 0 < found.overheads.recording_us_per_tx < 200
    assert found.overheads.clock_step_ns > 0
    assert found.overheads.sleep_late_p50_us <= found.overheads.sleep_late_p99_us
    assert store.find(EVM) is None, "keeping it is the caller's decision"
    assert "5,190/s holds, submit lag p99 1.5 ms, worker 52 % of a core" in heard.steps[-1]


def test_a_calibration_ends_in_time_and_says_that_it_is_a_lower_bound(store: CalibrationStore) -> None:
    found = calibrate(EVM, QUICK, store, Heard(), Interrupts(), ScriptedMachine(5500), Clock(6.0))
    assert len(found.attempts) == 2
    assert (found.ceiling_per_s, found.at_least, found.failed_per_s) == (2000, True, None)
    assert found.latency_floor is None


def test_a_calibration_can_be_interrupted(store: CalibrationStore) -> None:
    interrupted = Interrupts()
    interrupted.note(signal.SIGINT, None)
    with pytest.raises(InterruptedRunError):
        calibrate(EVM, QUICK, store, Heard(), interrupted, ScriptedMachine(5500))
