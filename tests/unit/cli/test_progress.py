from __future__ import annotations

import io
from dataclasses import replace

import pytest

from bench.cli.progress import PlainProgress, shown_progress
from bench.model.clock import NS_PER_S
from bench.model.phase import Phase
from bench.run.events import LiveView

VIEW = LiveView(
    ledger="anvil",
    workload="transfer",
    trial=2,
    trials=5,
    phase=Phase.MEASURE,
    elapsed_s=12.0,
    total_s=80.0,
    planned=16_000,
    submitted=2_400,
    committed=2_200,
    dropped=3,
    errors=4,
    in_flight=1_200,
    offered_per_s=1_200.4,
    submitted_per_s=199.0,
    committed_per_s=180.0,
    submit_lag_max_ms=1.0,
)
LINE = (
    "anvil transfer 2/5 measure: 12 s, offered 1,200/s, committed 180/s, "
    "in flight 1,200, dropped 3, errors 4, 1:08 left"
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_plain_line_says_phase_rates_errors_and_time_left() -> None:
    lines: list[str] = []
    PlainProgress(lines.append, lambda: 0).live(VIEW)
    assert lines == [LINE]


def test_plain_lines_come_every_five_seconds_and_at_each_new_phase() -> None:
    lines: list[str] = []
    now = 0
    progress = PlainProgress(lines.append, lambda: now)
    for second in range(12):
        now = second * NS_PER_S
        progress.live(replace(VIEW, elapsed_s=float(second)))
    assert [line.split()[4] for line in lines] == ["0", "5", "10"]
    progress.live(replace(VIEW, phase=Phase.DRAIN))
    assert len(lines) == 4
    progress.live(replace(VIEW, phase=Phase.DRAIN, trial=3))
    assert len(lines) == 5


def test_piped_output_is_plain_text() -> None:
    stream = io.StringIO()
    with shown_progress(stream) as listener:
        listener.step("anvil: starting")
        listener.live(VIEW)
        listener.warn("the disk is slow")
    assert stream.getvalue() == f"anvil: starting\n{LINE}\nwarning: the disk is slow\n"


def test_a_terminal_gets_a_bar_and_keeps_the_steps() -> None:
    stream = Terminal()
    with shown_progress(stream) as listener:
        listener.step("anvil: starting [1 of 2]")
        listener.live(VIEW)
        listener.warn("the disk is slow")
    shown = stream.getvalue()
    assert "anvil: starting [1 of 2]" in shown
    assert "anvil transfer 2/5 measure" in shown
    assert "1:08 left" in shown
    assert "offered 1,200/s, committed 180/s, in flight 1,200, dropped 3, errors 4" in shown, "fits into 80 columns"
    assert "warning: the disk is slow" in shown


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with shown_progress(stream) as listener:
        listener.warn("x")
    assert "\x1b[33m" not in stream.getvalue()


def test_more_than_planned_is_not_negative_time() -> None:
    lines: list[str] = []
    PlainProgress(lines.append, lambda: 0).live(replace(VIEW, elapsed_s=90.0))
    assert lines[0].endswith("0:00 left")
