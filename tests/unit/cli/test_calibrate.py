from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli.calibrate import HEADERS, attempt_rows, chosen_paths, conclusions, figures, show
from bench.model.errors import ConfigurationError
from bench.run.calibration_store import CalibrationStore, LatencyFloor, LoadPath, Overheads
from tests.support.calibration import MACHINE, attempt, record


@pytest.fixture
def store(tmp_path: Path) -> CalibrationStore:
    return CalibrationStore(tmp_path, MACHINE)


@pytest.mark.parametrize(
    ("adapter", "websocket", "expected"),
    [
        ("evm", False, [("evm", "http")]),
        ("evm", True, [("evm", "ws")]),
        ("sqlite", False, [("sqlite", "unix")]),
        ("all", False, [("evm", "http"), ("sqlite", "unix"), ("simulated", "unix")]),
        ("all", True, [("evm", "ws"), ("sqlite", "unix"), ("simulated", "unix")]),
    ],
)
def test_what_the_flags_ask_for(adapter: str, websocket: bool, expected: list[tuple[str, str]]) -> None:
    assert chosen_paths(adapter, 2, 50, websocket) == [LoadPath(name, scheme, 2, 50) for name, scheme in expected]


@pytest.mark.parametrize(("adapter", "websocket"), [("fabric", False), ("sqlite", True)])
def test_what_cannot_be_measured_is_refused(adapter: str, websocket: bool) -> None:
    with pytest.raises(ConfigurationError) as caught:
        chosen_paths(adapter, 1, 1, websocket)
    assert caught.value.remedy


def test_attempts_are_shown_by_rate(store: CalibrationStore) -> None:
    found = record(store, 3000).model_copy(update={"attempts": [attempt(4000, held=False), attempt(3000)]})
    rows = attempt_rows(found)
    assert [row[:5] for row in rows] == [
        ["3,000", "yes", "0.50", "1.50", "12.00"],
        ["4,000", "no", "0.50", "9.00", "12.00"],
    ]
    assert rows[0][5:] == ["30", "15", "2", "10", "0"]
    assert all(len(row) == len(HEADERS) for row in rows)


def test_the_end_is_in_plain_words(store: CalibrationStore) -> None:
    lines = conclusions(record(store, 3000))
    assert lines[0] == (
        "ceiling: 3,000 transactions/s; 3,300/s failed twice: submit lag p99 is 9.00 ms, at most 5 ms is allowed"
    )
    assert "up to 1,500 transactions per second" in lines[-1]
    assert not any("other programs" in line for line in lines)


def test_a_lower_bound_and_a_busy_machine_are_named(store: CalibrationStore) -> None:
    found = record(store, 3000, at_least=True).model_copy(update={"attempts": [attempt(3000, others=90)]})
    lines = conclusions(found)
    assert lines[0] == "ceiling: at least 3,000 transactions/s; nothing failed twice in the time there was"
    assert any("other programs used this machine" in line for line in lines)


def test_nothing_held(store: CalibrationStore) -> None:
    found = record(store, 1).model_copy(update={"ceiling_per_s": 0.0})
    assert conclusions(found) == [
        "No rate held: this machine is too busy or too slow to measure anything; free it, or use another host."
    ]


def test_figures_that_do_not_depend_on_the_rate(store: CalibrationStore, capsys: pytest.CaptureFixture[str]) -> None:
    floor = LatencyFloor(
        rate_per_s=250,
        submit_lag_p99_ms=0.4,
        accept_p50_ms=0.5,
        accept_p99_ms=None,
        commit_p50_ms=0.7,
        commit_p99_ms=1.25,
    )
    over = Overheads(recording_us_per_tx=1.44, clock_step_ns=50, sleep_late_p50_us=70, sleep_late_p99_us=120)
    found = record(store, 3000).model_copy(update={"latency_floor": floor, "overheads": over})
    assert figures(found) == [
        "latency floor at 250/s, from the due time: accept p50 0.50 p99 – ms; seen in a block p50 0.70 p99 1.25 ms",
        "recording 1.4 µs per transaction; clock step 50 ns",
        "timers: a sleep of 1 ms ends 70 µs late (p99 120 µs)",
    ]
    show(found)
    shown = capsys.readouterr().out
    assert shown.startswith("evm over http, 1 worker, single calls; a CPU, 2 cores")
    assert figures(record(store, 3000)) == []
