"""Comparison: runs that have ended, side by side. Which differ is decided by `bench.py compare`, from every row."""

from __future__ import annotations

from dashboards.generate.look import AMBER, BLUE, VERMILION
from dashboards.generate.panels import About, Column, bars, rows
from dashboards.generate.queries import Query
from dashboards.generate.shell import Board, ledger_and_workload, line, query_variable, section

CHOSEN = 'ledger=~"$ledger",workload=~"$workload",run_id=~"$runs"'
NONE = "No run ended in this time range"
NO_CAPACITY = "No capacity search ended in this time range"
TO_RUN = "/d/bench-run?${datasource:queryparam}&var-run=${__data.fields.Run}&${__url_time_range}"


def _ended(metric: str, *more: str, by: str = "run_id, ledger, workload") -> str:
    """Newest value in the time range: the exporter of an ended run is gone, what it said is not."""
    return f"max by ({by}) (last_over_time({metric}{{{','.join((CHOSEN, *more))}}}[$__range]))"


def _cell(metric: str, *more: str) -> Query:
    return Query(_ended(metric, *more), instant=True)


FINDINGS = section(
    1,
    "Which runs ended, and what did they find?",
    line(
        10,
        rows(
            About(
                101,
                24,
                "Runs",
                "none",
                "Medians of trials with their intervals. Runs whose intervals overlap are not shown to"
                " differ; bench.py compare decides. Fewer than 5 trials give no interval, fewer than 1,000"
                " samples no p99. A click on a run opens it.",
                NONE,
            ),
            (
                _cell("bench_result_goodput_per_second", 'bound="low"'),
                _cell("bench_result_goodput_per_second", 'bound="median"'),
                _cell("bench_result_goodput_per_second", 'bound="high"'),
                _cell("bench_result_offered_per_second"),
                _cell("bench_result_finality_seconds", 'percentile="0.5"', 'bound="median"'),
                _cell("bench_result_finality_seconds", 'percentile="0.99"', 'bound="median"'),
                _cell("bench_result_verdict", 'status="valid"'),
            ),
            (
                Column("A", "Goodput, low", "ops"),
                Column("B", "Goodput, median", "ops"),
                Column("C", "Goodput, high", "ops"),
                Column("D", "Offered", "ops"),
                Column("E", "Finality p50", "s"),
                Column("F", "Finality p99", "s"),
                Column("G", "Valid", "none", {"0": ("NO", VERMILION), "1": ("yes", BLUE)}),
            ),
            {"run_id": "Run", "ledger": "Ledger", "workload": "Workload"},
            link=TO_RUN,
        ),
    ),
)

MEASURES = section(
    2,
    "By how much do they differ?",
    line(
        10,
        bars(
            About(201, 12, "Goodput", "ops", "Valid, final writes per second; median of the trials.", NONE),
            Query(
                _ended("bench_result_goodput_per_second", 'bound="median"'),
                "{{ledger}} {{workload}} {{run_id}}",
                instant=True,
            ),
        ),
        bars(
            About(202, 12, "Finality p99", "s", "From due to final; median of the trials.", NONE),
            Query(
                _ended("bench_result_finality_seconds", 'percentile="0.99"', 'bound="median"'),
                "{{ledger}} {{workload}} {{run_id}}",
                instant=True,
            ),
        ),
    ),
    line(
        10,
        bars(
            About(
                203,
                12,
                "Highest sustainable load",
                "ops",
                "Both ends of the interval that a capacity search found: low passed, high did not.",
                NO_CAPACITY,
            ),
            Query(
                _ended("bench_result_capacity_per_second", by="run_id, ledger, workload, bound"),
                "{{ledger}} {{workload}} {{run_id}} {{bound}}",
                instant=True,
            ),
        ),
        bars(
            About(
                204,
                12,
                "Processor time per write",
                "s",
                "Of each of the ledger's processes, for each valid write; median of the trials.",
                NONE,
            ),
            Query(
                _ended("bench_result_cpu_seconds_per_transaction", by="run_id, ledger, workload, process"),
                "{{ledger}} {{workload}} {{run_id}} {{process}}",
                instant=True,
            ),
        ),
    ),
    line(
        9,
        rows(
            About(
                205,
                24,
                "Verdicts",
                "none",
                "Valid: the method held. Invalid: the figures must not be used. Undecided: too few trials or"
                " samples to say.",
                NONE,
            ),
            (
                _cell("bench_result_verdict", 'status="valid"'),
                _cell("bench_result_verdict", 'status="invalid"'),
                _cell("bench_result_verdict", 'status="undecided"'),
            ),
            (
                Column("A", "Valid", "none", {"0": ("–", BLUE), "1": ("yes", BLUE)}),
                Column("B", "Invalid", "none", {"0": ("–", BLUE), "1": ("YES", VERMILION)}),
                Column("C", "Undecided", "none", {"0": ("–", BLUE), "1": ("yes", AMBER)}),
            ),
            {"run_id": "Run", "ledger": "Ledger", "workload": "Workload"},
        ),
    ),
)

BOARD = Board(
    uid="bench-comparison",
    title="Benchmark: comparison",
    text="Runs that have ended, side by side, as their bundles say.",
    refresh="5s",
    since="now-24h",
    variables=(
        *ledger_and_workload("bench_result_offered_per_second"),
        query_variable(
            "runs",
            "Runs",
            "Runs that ended; all of them at first.",
            'bench_result_offered_per_second{ledger=~"$ledger",workload=~"$workload"}',
            "run_id",
            newest_first=True,
        ),
    ),
    sections=(FINDINGS, MEASURES),
)
