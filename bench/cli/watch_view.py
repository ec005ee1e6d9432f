"""How `bench.py watch` looks: one renewed picture on a terminal, lines elsewhere. What it shows came over the network
and may be anything, so that no control character of it reaches the terminal.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from bench.model.clock import NS_PER_S, Clock, monotonic_ns

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

    from bench.telemetry.live_data import LiveData
    from bench.telemetry.live_lights import Light
    from bench.telemetry.live_window import Point

PLAIN_INTERVAL_S = 5.0
MOST_ERRORS = 6
UNDER_MS = 10.0
"""The first bucket of latencies reaches up to here: what is inside cannot be told apart."""
_BARS = "▁▂▃▄▅▆▇█"
_MARKS = {"good": ("✓", "green"), "warn": ("!", "yellow"), "bad": ("✕", "red"), "unknown": ("?", "dim")}
_PHASES = {"warm_up": "warm-up", "done": "ended"}


@contextlib.contextmanager
def shown_live(stream: TextIO | None = None) -> Iterator[Callable[[LiveData], None]]:
    """Takes each picture as it comes; what suits `stream` (default: standard output)."""
    stream = stream or sys.stdout
    if not stream.isatty():
        yield PlainWatch(lambda text: print(text, file=stream, flush=True)).show
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=stream), auto_refresh=False) as live:
        yield lambda data: live.update(picture(data, live.console.width), refresh=True)


class PlainWatch:
    """A line every `PLAIN_INTERVAL_S`, and at once when the phase or a light changes."""

    def __init__(self, write: Callable[[str], None], clock: Clock = monotonic_ns) -> None:
        self._write = write
        self._clock = clock
        self._told: tuple[object, ...] | None = None
        self._next_ns = 0

    def show(self, data: LiveData) -> None:
        """Perhaps a line."""
        phase = (data.trial.number, data.trial.phase) if data.trial else None
        told = (data.run, phase, data.stale, data.ended, *(light.state for light in data.lights))
        now = self._clock()
        if told == self._told and now < self._next_ns:
            return
        self._told, self._next_ns = told, now + int(PLAIN_INTERVAL_S * NS_PER_S)
        self._write(plain_line(data))


def plain_line(data: LiveData) -> str:
    """Everything that matters in one line."""
    if data.run is None or not data.points:
        return "no data yet"
    last = data.points[-1]
    figures = [
        f"planned {_number(last.planned_per_s)}/s",
        f"valid and final {_number(last.valid_per_s)}/s",
        f"finality p99 {latency(last.finality_ms_p99)}",
        f"in flight {last.in_flight:,}",
    ]
    lights = [f"{light.question} {light.answer}" + _why(light) for light in data.lights]
    state = (
        [f"ENDED: {data.outcome}"] if data.ended else [f"STALE for {data.snapshot_age_s:.0f} s"] if data.stale else []
    )
    return _plain(f"{_title(data)}: {'; '.join([*state, ', '.join(figures), *lights])}")


def picture(data: LiveData, width: int) -> Group:
    """The whole screen, for a terminal of `width` columns."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(_plain(_title(data)), style="bold")]
    if data.run is not None:
        parts.append(Text(_plain(f"{data.run.run_id}, version {data.run.version}, seed {data.run.seed}"), style="dim"))
    parts += [*_banner(data), _lights(data.lights)]
    if data.points:
        parts += _figures(data, width)
    return Group(*parts)


def sparkline(values: Sequence[float | None], width: int, top: float) -> str:
    """At most `width` columns, the newest at the right, each the mean of its share of `values`; what is not known is
    blank.
    """
    if not values:
        return ""
    size = -(-len(values) // width)
    first = len(values) % size
    groups = [values[:first]] if first else []
    groups += [values[start : start + size] for start in range(first, len(values), size)]
    return "".join(_bar([value for value in group if value is not None], top) for group in groups)


def latency(milliseconds: float | None) -> str:
    """In the unit that reads well."""
    if milliseconds is None:
        return "–"
    if milliseconds < UNDER_MS:
        return f"< {UNDER_MS:.0f} ms"
    return f"{milliseconds / 1_000:.1f} s" if milliseconds >= 1_000 else f"{milliseconds:.0f} ms"


def _bar(values: Sequence[float], top: float) -> str:
    if not values:
        return " "
    share = sum(values) / len(values) / top if top > 0 else 0.0
    return _BARS[min(len(_BARS) - 1, max(0, int(share * len(_BARS))))]


def _title(data: LiveData) -> str:
    run, trial = data.run, data.trial
    if run is None or trial is None:
        return "waiting for a run"
    words = [
        f"{run.workload} on {run.ledger}, trial {trial.number} of {trial.of}, {_PHASES.get(trial.phase, trial.phase)}"
    ]
    if trial.elapsed_s is not None:
        words.append(_minutes(trial.elapsed_s))
    if trial.left_s:
        words.append(f"{_minutes(trial.left_s)} of load left")
    return ", ".join(words)


def _banner(data: LiveData) -> list[Text]:
    from rich.text import Text

    if data.ended:
        return [Text(_plain(f" The run has ended. {data.outcome} "), style="bold reverse")]
    if data.stale:
        return [Text(f" STALE: nothing was reported for {data.snapshot_age_s:.0f} s ", style="bold white on red")]
    if data.run is None:
        return [Text("No data yet.", style="bold")]
    return []


def _lights(lights: Sequence[Light]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for light in lights:
        mark, colour = _MARKS[light.state]
        answer = Text(_plain(f"{mark} {light.answer}"), style=f"bold {colour}")
        table.add_row(Text(_plain(light.question)), answer, Text(_plain(light.reason)))
    return table


def _figures(data: LiveData, width: int) -> list[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    last = data.points[-1]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, told in _rows(data, last):
        table.add_row(name, Text(_plain(told)))
    top = max((rate for point in data.points for rate in (point.planned_per_s, point.valid_per_s) if rate), default=0.0)
    bars = sparkline([point.valid_per_s for point in data.points], max(10, width - 2), top)
    minutes = _minutes(data.points[-1].at_s - data.points[0].at_s)
    head = Text(f"goodput over the last {minutes}, up to {_number(top)}/s", style="dim")
    return [Text(), table, Text(), head, Text(bars, no_wrap=True)]


def _rows(data: LiveData, last: Point) -> Iterator[tuple[str, str]]:
    yield (
        "writes/s",
        f"planned {_number(last.planned_per_s)}, submitted {_number(last.submitted_per_s)}, "
        f"accepted {_number(last.accepted_per_s)}, valid and final {_number(last.valid_per_s)}",
    )
    yield (
        "lost/s",
        f"rejected {_number(last.rejected_per_s)}, failed {_number(last.failed_per_s)}, "
        f"dropped {_number(last.dropped_per_s)}",
    )
    if last.reads_per_s:
        yield "reads/s", f"answered {_number(last.reads_per_s)}"
    for name, three in (
        ("finality", (last.finality_ms_p50, last.finality_ms_p95, last.finality_ms_p99)),
        ("answer", (last.accept_ms_p50, last.accept_ms_p95, last.accept_ms_p99)),
    ):
        yield (
            name,
            ", ".join(f"{label} {latency(value)}" for label, value in zip(("p50", "p95", "p99"), three, strict=True)),
        )
    yield "in flight", f"{last.in_flight:,}, at most {last.in_flight_bound:,}"
    if last.block_height is not None and last.block_age_s is not None:
        yield "block", f"{last.block_height:,}, {last.block_age_s:.1f} s old"
    lag = "–" if last.submit_lag_ms_p99 is None else f"{last.submit_lag_ms_p99:.1f} ms"
    used = (
        ("worker", last.worker_cpu_percent),
        ("observer", last.observer_cpu_percent),
        ("ledger", last.ledger_cpu_percent),
    )
    yield "harness", f"submit lag p99 {lag}; " + ", ".join(f"{name} {_number(share)} %" for name, share in used)
    errors = [f"{name.replace('_', ' ')} {count:,}" for name, count in data.errors[:MOST_ERRORS]]
    more = len(data.errors) - MOST_ERRORS
    yield "errors", ", ".join([*errors, *([f"{more} classes more"] if more > 0 else [])]) or "none so far"
    if data.finished:
        ended = data.finished[-1]
        told = f"trial {ended.trial} on {ended.ledger} {ended.status}, goodput {ended.goodput_per_s:,.1f}/s"
        yield "last ended", "; ".join([told, *ended.reasons])


def _why(light: Light) -> str:
    return "" if light.state == "good" else f" ({light.reason})"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.1f}"


def _minutes(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
