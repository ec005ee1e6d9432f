"""The end of a sweep: a table of its cells as CSV and as a page, with charts where one key varies."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.bundle.files import write_whole
from bench.model.result import Interval, Result
from bench.model.version import __version__
from bench.report import format as fmt
from bench.report import judgement, render
from bench.report.figure import Chart
from bench.report.judgement import METRICS
from bench.report.sweep_charts import Point, goodput_chart, latency_chart

SWEEP_HTML, SWEEP_CSV = "sweep.html", "sweep.csv"
_GOODPUT, _, _P99 = METRICS
_FIGURES = (
    "cell ledger verdict trials offered_per_s goodput_per_s goodput_low goodput_high "
    "finality_p50_ms finality_p99_ms finality_p99_low finality_p99_high exit_code bundle"
)


@dataclass(frozen=True, slots=True)
class CellResult:
    """One cell on one ledger. Without a result it was not run, or nothing came of it; `problem` then says why."""

    cell: int
    settings: Mapping[str, object]
    exit_code: int | None
    result: Result | None = None
    bundle: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the page's table."""

    settings: tuple[str, ...]
    ledger: str
    verdict: str
    tone: str
    offered: str
    goodput: str
    goodput_below: str
    p99: str
    p99_below: str
    link: str


@dataclass(frozen=True, slots=True)
class SweepPage:
    """Everything the template prints."""

    title: str
    subtitle: str
    keys: tuple[str, ...]
    rows: tuple[Row, ...]
    charts: tuple[Chart, ...]
    bench_version: str


def write_sweep(directory: Path, name: str, cells: Sequence[CellResult]) -> Path:
    """Write `sweep.csv` and `sweep.html` into `directory`; the path of the page. `bundle`s are relative to it."""
    write_whole(directory / SWEEP_CSV, as_csv(cells).encode())
    path = directory / SWEEP_HTML
    write_whole(path, render.html("sweep.html.j2", page(name, cells)).encode())
    return path


def as_csv(cells: Sequence[CellResult]) -> str:
    """One line per cell and ledger; unknown figures are empty."""
    keys = _keys(cells)
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow([*keys, *_FIGURES.split()])
    for cell in cells:
        lines.writerow([*(_text(cell.settings[key]) for key in keys), *_csv_figures(cell)])
    return out.getvalue()


def as_table(cells: Sequence[CellResult]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headers and rows for a terminal."""
    headers = (*_keys(cells), "LEDGER", "VERDICT", "OFFERED", "GOODPUT", "P99")
    rows = []
    for row in map(_row, cells):
        goodput = f"{row.goodput} ({row.goodput_below})" if row.goodput_below else row.goodput
        p99 = f"{row.p99} ({row.p99_below})" if row.p99_below else row.p99
        rows.append((*row.settings, row.ledger, row.verdict, row.offered, goodput, p99))
    return headers, rows


def page(name: str, cells: Sequence[CellResult]) -> SweepPage:
    """The page of a sweep that may not be complete."""
    done = sum(cell.result is not None for cell in cells)
    varied = _varied(cells)
    return SweepPage(
        title=f"Sweep {name}",
        subtitle=f"{fmt.count(done)} of {fmt.counted(len(cells), 'result')} · {fmt.listed(varied)} varied",
        keys=_keys(cells),
        rows=tuple(_row(cell) for cell in cells),
        charts=_charts(varied[0], cells) if len(varied) == 1 else (),
        bench_version=__version__,
    )


def _row(cell: CellResult) -> Row:
    settings = tuple(_text(value) for value in cell.settings.values())
    result = cell.result
    if result is None:
        unknown = fmt.UNKNOWN
        return Row(settings, unknown, cell.problem or "not run", "fault", unknown, unknown, "", unknown, "", "")
    status = result.summary.verdict.status + (", cut short" if result.partial else "")
    return Row(
        settings=settings,
        ledger=result.ledger.name,
        verdict=status,
        tone="ok" if status == "valid" else "fault",
        offered=fmt.rate(result.summary.offered_per_s.median),
        goodput=judgement.shown_value(result, _GOODPUT),
        goodput_below=judgement.shown_interval(result, _GOODPUT),
        p99=judgement.shown_value(result, _P99),
        p99_below=judgement.shown_interval(result, _P99),
        link=f"{cell.bundle}/report.html",
    )


def _charts(key: str, cells: Sequence[CellResult]) -> tuple[Chart, ...]:
    """Of the results that may be used: an invalid one measured the harness."""
    goodput: dict[str, list[Point]] = {}
    latency: dict[str, list[Point]] = {}
    offered: dict[str, Point] = {}
    for cell in cells:
        if cell.result is None or cell.result.summary.verdict.status == "invalid":
            continue
        summary, ledger, at = cell.result.summary, cell.result.ledger.name, _plain(cell.settings[key])
        _add(goodput.setdefault(ledger, []), at, summary.goodput_per_s)
        _add(latency.setdefault(ledger, []), at, _p(cell.result, "p99"))
        if summary.offered_per_s.median is not None:
            offered.setdefault(_text(at), Point(at, summary.offered_per_s.median, None, None))
    known = {ledger: line for ledger, line in latency.items() if line}
    found = (goodput_chart(key, goodput, list(offered.values())), latency_chart(key, known))
    return tuple(chart for chart in found if chart is not None)


def _add(line: list[Point], at: object, value: Interval) -> None:
    if value.median is not None:
        line.append(Point(at, value.median, value.ci_low, value.ci_high))


def _p(result: Result, key: str) -> Interval:
    return result.summary.latency_ms.get("finality", {}).get(key) or Interval(median=None, trials=len(result.trials))


def _csv_figures(cell: CellResult) -> list[object]:
    result = cell.result
    if result is None:
        return [cell.cell, "", cell.problem or "not run", *[""] * 9, _empty(cell.exit_code), ""]
    summary, p99 = result.summary, _p(result, "p99")
    figures = (
        summary.offered_per_s.median,
        summary.goodput_per_s.median,
        summary.goodput_per_s.ci_low,
        summary.goodput_per_s.ci_high,
        _p(result, "p50").median,
        p99.median,
        p99.ci_low,
        p99.ci_high,
    )
    head = [cell.cell, result.ledger.name, summary.verdict.status, len(result.trials)]
    return [*head, *(_empty(figure) for figure in figures), _empty(cell.exit_code), cell.bundle]


def _empty(value: float | None) -> object:
    return "" if value is None else value


def _keys(cells: Sequence[CellResult]) -> tuple[str, ...]:
    return tuple(cells[0].settings) if cells else ()


def _varied(cells: Sequence[CellResult]) -> list[str]:
    """Keys that have more than one value in the cells that are left."""
    return [key for key in _keys(cells) if len({_text(cell.settings[key]) for cell in cells}) > 1]


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | str) else _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
