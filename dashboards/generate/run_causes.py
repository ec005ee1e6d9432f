"""Run, its lower half: is it the harness or the ledger, and which operation is it?"""

from __future__ import annotations

from dashboards.generate.look import BAD
from dashboards.generate.panels import About, Column, lines, rows
from dashboards.generate.queries import Query, of, quantile, quantiles, rate, total
from dashboards.generate.shell import line, section

CHOSEN = 'operation=~"$operation"'
NO_READS = "The workload has no reads"

WHO = section(
    3,
    "Is it us or the ledger?",
    line(
        8,
        lines(
            About(
                301,
                8,
                "Generator deficit",
                "ops",
                "Planned minus submitted writes per second. Near zero: the generator does its part. What is"
                " missing was dropped, see beside it.",
            ),
            Query(f"{rate(of('bench_operations_planned_total'))} - {rate(of('bench_submitted_total'))}", "deficit"),
            low=None,
        ),
        lines(
            About(
                302,
                8,
                "Dropped, by cause",
                "ops",
                "Operations planned and never sent. The in-flight bound counts against the ledger; every"
                " other cause is the harness's own and makes the trial invalid.",
                "Nothing was dropped",
            ),
            Query(rate(of("bench_dropped_total"), "cause"), "{{cause}}"),
            stacked=True,
        ),
        lines(
            About(
                303,
                8,
                "Submit lag",
                "s",
                "Due time to sending: the harness's own delay, on a logarithmic scale. p99 above 5 ms makes"
                " the trial invalid, unless the scenario says otherwise.",
            ),
            *quantiles("bench_submit_lag_seconds"),
            steps=[(0.005, BAD)],
            low=None,
            log=True,
        ),
    ),
    line(
        8,
        lines(
            About(
                304,
                12,
                "Errors, by class",
                "ops",
                "Operations dropped, refused, failed (as intended, too) or never resolved, and reads without answer.",
                "No errors",
            ),
            Query(rate(of("bench_errors_total"), "error_class"), "{{error_class}}"),
            stacked=True,
        ),
        lines(
            About(
                305,
                12,
                "Where writes end badly",
                "ops",
                "Refused by the node; invalid in a block; of those, refusals the workload wants; and writes"
                " of which the ledger never told the outcome.",
            ),
            Query(rate(of("bench_rejected_total", CHOSEN)), "rejected"),
            Query(rate(of("bench_failed_total", CHOSEN)), "failed"),
            Query(rate(of("bench_failed_expected_total", CHOSEN)), "failed as intended"),
            Query(rate(of("bench_unresolved_total")), "unresolved"),
        ),
    ),
)


def _so_far(metric: str) -> Query:
    return Query(total(f"last_over_time({of(metric, CHOSEN)}[$__range])", "operation"), instant=True)


def _slow(share: float) -> Query:
    buckets = of("bench_finality_latency_seconds_bucket", CHOSEN)
    counted = total(f"last_over_time({buckets}[$__range])", "le, operation")
    return Query(f"histogram_quantile({share:g}, {counted})", instant=True)


WHICH = section(
    4,
    "Which operation is it?",
    line(
        9,
        rows(
            About(
                401,
                24,
                "Operations so far",
                "none",
                "Writes of the whole run by operation. Planned = dropped + submitted, submitted = rejected"
                " + accepted, accepted = committed + failed + unresolved.",
            ),
            (
                _so_far("bench_operations_planned_total"),
                _so_far("bench_submitted_total"),
                _so_far("bench_accepted_total"),
                _so_far("bench_committed_total"),
                _so_far("bench_finalized_total"),
                _so_far("bench_rejected_total"),
                _so_far("bench_failed_total"),
                _so_far("bench_failed_expected_total"),
                _slow(0.5),
                _slow(0.99),
            ),
            (
                Column("A", "Planned", "short"),
                Column("B", "Submitted", "short"),
                Column("C", "Accepted", "short"),
                Column("D", "Committed", "short"),
                Column("E", "Finalized", "short"),
                Column("F", "Rejected", "short"),
                Column("G", "Failed", "short"),
                Column("H", "Failed as intended", "short"),
                Column("I", "Finality p50", "s"),
                Column("J", "Finality p99", "s"),
            ),
            {"operation": "Operation"},
        ),
    ),
    line(
        8,
        lines(
            About(402, 8, "Finality p99, by operation", "s", "One slow operation hides in the overall figure."),
            Query(quantile(0.99, of("bench_finality_latency_seconds_bucket", CHOSEN), "operation"), "{{operation}}"),
        ),
        lines(
            About(403, 8, "Reads", "ops", "Reads are a record of their own and no part of goodput.", NO_READS),
            Query(rate(of("bench_reads_issued_total")), "issued"),
            Query(rate(of("bench_reads_answered_total")), "answered"),
            Query(rate(of("bench_reads_failed_total")), "failed"),
        ),
        lines(
            About(404, 8, "Read latency", "s", "From due to the answer.", NO_READS),
            *quantiles("bench_read_latency_seconds"),
        ),
    ),
)
