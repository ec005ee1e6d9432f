"""`bench.py calibrate`: what the harness itself can send on this machine, before any ledger is blamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import JsonWhenDone
from bench.cli.output import note, print_json, print_table, say
from bench.cli.progress import shown_progress
from bench.model.errors import ConfigurationError, ExitCode, worst

if TYPE_CHECKING:
    from bench.run.calibration_store import CalibrationRecord, CalibrationStore, LoadPath

ALL = "all"
_EXAMPLE = """\b
Examples:
  bench.py calibrate
  bench.py calibrate --adapter evm --workers 2 --batch 50
  bench.py calibrate --adapter evm --websocket --quick --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate", epilog=_EXAMPLE)(calibrate)


def calibrate(
    adapter: Annotated[
        str, typer.Option("--adapter", metavar="NAME", help="evm, sqlite, simulated, or all of them.")
    ] = ALL,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, max=64, help="Processes that send.")] = 1,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", min=1, max=1000, help="Most transactions in one request.")
    ] = 1,
    websocket: Annotated[bool, typer.Option("--websocket", help="Send over WebSocket (evm).")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Some 20 s instead of 90 s per adapter; coarser.")] = False,
    as_json: JsonWhenDone = False,
) -> None:
    """Measure how much this machine's harness can send.

    The whole load path runs against ledgers that cost nothing. What is found is kept, and every run is held against it:
    a run that offers more than half of the ceiling is invalid. Leave the machine alone meanwhile.
    """
    from bench.run.calibration_store import CalibrationStore

    paths = chosen_paths(adapter, workers, batch, websocket)
    store = CalibrationStore()
    records, codes = _measure(paths, store, quick=quick)
    if as_json:
        shown = [record.model_dump(mode="json") for record in records]
        print_json({"exit_code": int(worst(codes)), "directory": str(store.directory), "calibrations": shown})
    else:
        for record in records:
            show(record)
            say()
        say(f"kept in {store.directory}")
    raise typer.Exit(worst(codes))


def chosen_paths(adapter: str, workers: int, batch: int, websocket: bool) -> list[LoadPath]:
    """What the flags ask to measure, one after the other."""
    from bench.run.calibration_store import LoadPath
    from bench.run.null_trial import NULL_LEDGERS

    if adapter not in (ALL, *NULL_LEDGERS):
        raise ConfigurationError(
            "there is no null ledger for this adapter",
            value=adapter,
            remedy=f"choose {', '.join(NULL_LEDGERS)} or {ALL}; the harness is not held against a ceiling with others",
        )
    if websocket and adapter not in (ALL, "evm"):
        raise ConfigurationError("only evm speaks WebSocket", value=adapter, remedy="leave --websocket out")
    names = list(NULL_LEDGERS) if adapter == ALL else [adapter]
    schemes = {"evm": "ws" if websocket else "http"}
    return [LoadPath(name, schemes.get(name, "unix"), workers, batch) for name in names]


def show(record: CalibrationRecord) -> None:
    """The table, the figures beside it, and what they mean in words."""
    say(f"{record.path}; {record.cpu or 'unknown CPU'}, {record.usable_cores or '?'} cores; CPU in % of one core")
    print_table(HEADERS, attempt_rows(record))
    for line in figures(record):
        say(f"  {line}")
    for line in conclusions(record):
        say(line)


HEADERS = (
    *("rate/s", "holds", "lag p50 ms", "p99 ms", "max ms"),
    *("worker %", "encoder %", "observer %", "null ledger %", "other programs %"),
)
"""Lag is submit lag; percent are of one core, of the busiest process of its kind."""


def attempt_rows(record: CalibrationRecord) -> list[list[str]]:
    """Cells of every attempt, by rate."""
    return [
        [
            f"{one.rate_per_s:,.0f}",
            "yes" if one.held else "no",
            *(_number(lag, 2) for lag in (one.submit_lag_p50_ms, one.submit_lag_p99_ms, one.submit_lag_max_ms)),
            *(_number(cpu) for cpu in (one.worker_cpu_percent, one.encoder_cpu_percent, one.observer_cpu_percent)),
            *(_number(cpu) for cpu in (one.ledger_cpu_percent, one.other_cpu_percent)),
        ]
        for one in sorted(record.attempts, key=lambda one: one.rate_per_s)
    ]


def figures(record: CalibrationRecord) -> list[str]:
    """What does not depend on the rate."""
    lines = []
    if (floor := record.latency_floor) is not None:
        accept = f"accept p50 {_number(floor.accept_p50_ms, 2)} p99 {_number(floor.accept_p99_ms, 2)} ms"
        seen = f"seen in a block p50 {_number(floor.commit_p50_ms, 2)} p99 {_number(floor.commit_p99_ms, 2)} ms"
        lines.append(f"latency floor at {floor.rate_per_s:,.0f}/s, from the due time: {accept}; {seen}")
    if (over := record.overheads) is not None:
        late = f"a sleep of 1 ms ends {over.sleep_late_p50_us:.0f} µs late (p99 {over.sleep_late_p99_us:.0f} µs)"
        lines.append(f"recording {over.recording_us_per_tx:.1f} µs per transaction; clock step {over.clock_step_ns} ns")
        lines.append(f"timers: {late}")
    return lines


def conclusions(record: CalibrationRecord) -> list[str]:
    """For the engineer: the ceiling and what ends it. For the buyer: what may be measured here."""
    from bench.run.calibration import DISTURBED_PERCENT, HEADROOM

    ceiling = record.ceiling_per_s
    if ceiling <= 0:
        return ["No rate held: this machine is too busy or too slow to measure anything; free it, or use another host."]
    bound = "at least " if record.at_least else ""
    lines = [f"ceiling: {bound}{ceiling:,.0f} transactions/s"]
    if record.failed_per_s is not None:
        lines[0] += f"; {record.failed_per_s:,.0f}/s failed twice: {_limit(record)}"
        lines.append("to raise it: more workers where cores are free, batches, or another host for harness or ledger")
    else:
        lines[0] += "; nothing failed twice in the time there was"
    if max((one.other_cpu_percent or 0.0 for one in record.attempts), default=0.0) > DISTURBED_PERCENT:
        lines.append("other programs used this machine meanwhile, so the true ceiling may be higher: repeat it at rest")
    lines.append(
        f"In one sentence: on this machine, results up to {ceiling / HEADROOM:,.0f} transactions per second (half the "
        "ceiling) say something about the ledger, and above that the tool itself calls a run invalid."
    )
    return lines


def _measure(
    paths: Sequence[LoadPath], store: CalibrationStore, *, quick: bool
) -> tuple[list[CalibrationRecord], list[ExitCode]]:
    from bench.run.calibration import FULL, QUICK
    from bench.run.calibration import calibrate as measure
    from bench.run.execution import interrupts
    from bench.run.interrupts import InterruptedRunError

    records: list[CalibrationRecord] = []
    codes: list[ExitCode] = []
    with interrupts() as interrupted, shown_progress() as listener:
        for path in paths:
            try:
                record = measure(path, QUICK if quick else FULL, store, listener, interrupted)
            except InterruptedRunError:
                note("interrupted; what was measured before is kept")
                codes.append(ExitCode.INTERRUPTED)
                break
            records.append(record)
            if record.ceiling_per_s > 0:
                store.keep(record)
            else:
                codes.append(ExitCode.INVALID)
    return records, codes


def _limit(record: CalibrationRecord) -> str:
    """The first broken rule at the lowest rate that failed, without its remedy."""
    reasons = [one.reasons for one in record.attempts if one.rate_per_s == record.failed_per_s and one.reasons]
    return reasons[-1][0].removeprefix("harness-bound: ").split(";")[0] if reasons else "see the table"


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
