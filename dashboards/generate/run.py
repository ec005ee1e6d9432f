"""Run: is it alive, does it keep up, and if not, is it us or the ledger?"""

from __future__ import annotations

from dashboards.generate.look import AMBER, BAD, BLUE, GOOD, VERMILION, WARN
from dashboards.generate.panels import About, heat_map, lines, rows, tile
from dashboards.generate.queries import Query, cells, of, quantiles, rate
from dashboards.generate.run_causes import CHOSEN, WHICH, WHO
from dashboards.generate.shell import Board, line, one_run, query_variable, section

BUDGET = 0.01
"""The objective is on the 99th percentile: one write in a hundred may be late."""

FINALITY = of("bench_finality_latency_seconds_bucket")
OBJECTIVE = of("bench_slo_finality_seconds")
FIRING = of("ALERTS", 'alertstate="firing"')
NO_OBJECTIVE = "The scenario sets no finality objective"


INSIDE = (
    f"(histogram_quantile(0.99, {rate(FINALITY, 'le, run_id')}) >= 0) <= bool on (run_id) max by (run_id) ({OBJECTIVE})"
)

ALIVE = section(
    1,
    "Is it alive?",
    line(
        4,
        tile(
            About(
                101,
                3,
                "Phase",
                "none",
                "What the trial is doing: setup, warm_up, measure, drain, done. Only the measure phase"
                " counts for rates and latencies of the report.",
            ),
            Query(f"{of('bench_phase')} == 1", "{{phase}}", instant=True),
            names={"measure": BLUE, "done": BLUE},
        ),
        tile(
            About(102, 3, "Trial", "none", "The trial that is on, and how many there may be at most."),
            Query(f"max({of('bench_trial')})", "trial", instant=True),
            Query(f"max({of('bench_trials')})", "of at most", instant=True),
        ),
        tile(
            About(
                103,
                3,
                "Last block",
                "s",
                "Time since a block was last heard. Far above the ledger's block interval: the ledger stands"
                " still, or the observer does not hear it. Amber from 10 s, red-orange from 30 s.",
            ),
            Query(f"max({of('bench_block_age_seconds')})", "since last block", instant=True),
            steps=[(10, WARN), (30, BAD)],
            decimals=1,
        ),
        tile(
            About(
                104,
                3,
                "Workers",
                "none",
                "Whether every load worker of the trial reports. A lost worker ends the trial as invalid.",
            ),
            Query(f"min({of('bench_worker_up')})", "workers", instant=True),
            mapping={"0": ("LOST", BAD), "1": ("all up", GOOD)},
        ),
        tile(
            About(
                105,
                3,
                "Last verdict",
                "none",
                "Verdict of the last trial that ended. Invalid: the harness or the method failed, not"
                " necessarily the ledger; the bundle's report names the reason and the remedy.",
                "No trial has ended yet",
            ),
            Query(f"{of('bench_verdict')} == 1", "{{status}}", instant=True),
            names={"valid": BLUE, "undecided": AMBER, "invalid": VERMILION},
        ),
        tile(
            About(
                106,
                3,
                "Finality objective",
                "none",
                "Whether the 99th percentile of finality latency, over the last seconds, is within the"
                " scenario's objective.",
                NO_OBJECTIVE,
            ),
            Query(INSIDE, "objective", instant=True),
            mapping={"0": ("MISSED", BAD), "1": ("met", GOOD)},
        ),
        tile(
            About(
                107,
                3,
                "Is the harness the limit?",
                "none",
                "YES: it sends late or a worker's core is full, and figures say more about the harness than"
                " about the ledger. See the dashboard Harness.",
            ),
            Query(f"max({of('bench_harness_bound')})", "harness", instant=True),
            mapping={"0": ("no", GOOD), "1": ("YES", BAD)},
        ),
        tile(
            About(
                109,
                3,
                "Alerts firing",
                "none",
                "Alerts of this run, by the rules of docker/prometheus/rules. Red-orange marks on the panels say which"
                " and when; docs/operate.md says what to do.",
                "none",
            ),
            Query(f"count({FIRING})", "firing", instant=True),
            steps=[(1, BAD)],
        ),
    ),
    line(
        4,
        rows(
            About(108, 24, "What runs here", "none", "The ledger, the workload and the versions of this run."),
            [Query(f"last_over_time({of('bench_run_info')}[$__range])", instant=True)],
            [],
            {
                "ledger": "Ledger",
                "family": "Family",
                "ledger_version": "Ledger version",
                "workload": "Workload",
                "scenario": "Scenario",
                "seed": "Seed",
                "version": "Harness version",
                "run_id": "Run",
            },
        ),
    ),
)

KEEPING_UP = section(
    2,
    "Is it keeping up?",
    line(
        10,
        lines(
            About(
                201,
                14,
                "Rates",
                "ops",
                "Writes per second at each step. All lines together: it keeps up. Submitted below planned:"
                " the generator lags. Finalized below accepted: a backlog grows on the ledger. Finalized is"
                " goodput; it comes in blocks, so short windows show steps.",
            ),
            Query(f"max({of('bench_offered_rate')})", "asked for by the schedule"),
            Query(rate(of("bench_operations_planned_total", CHOSEN)), "planned"),
            Query(rate(of("bench_submitted_total", CHOSEN)), "submitted"),
            Query(rate(of("bench_accepted_total", CHOSEN)), "accepted"),
            Query(rate(of("bench_committed_total", CHOSEN)), "committed"),
            Query(rate(of("bench_finalized_total", CHOSEN)), "finalized"),
        ),
        lines(
            About(
                202,
                10,
                "In flight",
                "short",
                "Writes sent that are in no block yet. A line that climbs without end is overload; at the"
                " bound, writes are dropped and count against the ledger.",
            ),
            Query(f"max({of('bench_in_flight')})", "in flight"),
            Query(f"max({of('bench_in_flight_bound')})", "bound"),
        ),
    ),
    line(
        9,
        heat_map(
            About(
                203,
                12,
                "Finality latency, distribution",
                "s",
                "How many writes became final after how long; time counts from when a write was due. Two"
                " bands mean two kinds of operation or of block.",
            ),
            cells(of("bench_finality_latency_seconds_bucket", CHOSEN)),
        ),
        lines(
            About(
                204,
                12,
                "Finality latency",
                "s",
                "Percentiles read from buckets, so within a third of the truth; reports use every row.",
            ),
            *quantiles("bench_finality_latency_seconds", CHOSEN),
            Query(f"max({OBJECTIVE})", "objective for p99"),
        ),
    ),
    line(
        8,
        lines(
            About(205, 8, "Accept latency", "s", "From due to the node's answer: the node's front door."),
            *quantiles("bench_accept_latency_seconds"),
        ),
        lines(
            About(
                206,
                8,
                "Commit latency",
                "s",
                "From due to the block that holds it. Finality adds confirmations to it.",
            ),
            *quantiles("bench_commit_latency_seconds"),
        ),
        lines(
            About(
                207,
                8,
                "Backlog slope",
                "percentunit",
                "Growth of in-flight writes per second, as a share of the offered rate, over a minute."
                " Above 1 % for long, the load is not sustainable.",
            ),
            Query(
                f"deriv({of('bench_in_flight')}[1m]) / on (run_id) (max by (run_id) ({of('bench_offered_rate')}) > 0)",
                "slope",
            ),
            steps=[(0.01, BAD)],
            low=None,
        ),
    ),
    line(
        7,
        lines(
            About(
                208,
                16,
                "Error-budget burn",
                "none",
                "Share of operations that failed or missed the objective, over the 1 % allowed. 1 spends exactly the"
                " budget. From 2 (slow) and 6 (fast) on, the alert ErrorBudgetBurning fires when the next longer window"
                " is as high. Only the short one high: a blip.",
                "No data: nothing has ended yet, or Prometheus runs without docker/prometheus/rules",
            ),
            *(
                Query(f"max({of(f'bench:error_share:rate{window}')}) / {BUDGET}", f"last {window}")
                for window in ("1m", "5m", "30m")
            ),
            steps=[(2, WARN), (6, BAD)],
        ),
        tile(
            About(
                209,
                8,
                "Late so far",
                "percentunit",
                "Share of this run's writes that became final later than the objective. More than 1 %: the"
                " objective is missed.",
                NO_OBJECTIVE,
            ),
            Query(
                f"sum({of('bench_finality_over_slo_total')}) / sum({of('bench_finality_latency_seconds_count')})",
                "late",
                instant=True,
            ),
            steps=[(BUDGET, BAD)],
            decimals=2,
        ),
    ),
)

BOARD = Board(
    uid="bench-run",
    title="Benchmark: run",
    text="One run, live: is it alive, does it keep up, and if not, is it the harness or the ledger?",
    refresh="2s",
    since="now-15m",
    variables=(
        *one_run(),
        query_variable(
            "operation",
            "Operation",
            "Operations of the workload; narrows what is counted by operation.",
            of("bench_operations_planned_total"),
            "operation",
        ),
    ),
    sections=(ALIVE, KEEPING_UP, WHO, WHICH),
)
