"""Harness: does every part of it live, is a core full or a loop late, and what does it cost the machine?"""

from __future__ import annotations

from dashboards.generate.look import BAD, GOOD, WARN
from dashboards.generate.panels import About, lines, tile, timeline
from dashboards.generate.queries import Query, of, quantiles, rate, total
from dashboards.generate.shell import Board, line, one_run, query_variable, section

PROCESSES = ('role="harness"', 'process=~"$process"')
GIB = 1024**3


def _processes(metric: str) -> str:
    return of(metric, *PROCESSES)


ALIVE = section(
    1,
    "Does every part live?",
    line(
        4,
        tile(
            About(101, 5, "Workers", "none", "Load workers that report, and load workers of the trial."),
            Query(f"sum({of('bench_worker_up')})", "up", instant=True),
            Query(f"count({of('bench_worker_up')})", "of", instant=True),
        ),
        tile(
            About(
                102,
                5,
                "Oldest report",
                "s",
                "Workers report once a second. From 3 s on one of them is late, from 5 s on it counts as lost.",
            ),
            Query(f"max({of('bench_snapshot_age_seconds')})", "oldest", instant=True),
            steps=[(3, WARN), (5, BAD)],
            decimals=1,
        ),
        tile(
            About(
                103,
                5,
                "Observer",
                "s",
                "Since the observer was last heard of a block. It grows when the ledger stands still too:"
                " look at the dashboard Ledger.",
            ),
            Query(f"max({of('bench_observer_age_seconds')})", "since a block", instant=True),
            steps=[(10, WARN), (30, BAD)],
            decimals=1,
        ),
        tile(
            About(
                104,
                5,
                "Is the harness the limit?",
                "none",
                "From the last 10 s: it sends late throughout, had nothing ready to send, or the core of a worker or"
                " the observer is full. Never during warm-up.",
            ),
            Query(f"max({of('bench_harness_bound')})", "harness", instant=True),
            mapping={"0": ("no", GOOD), "1": ("YES", BAD)},
        ),
        tile(
            About(
                105,
                4,
                "Disk free",
                "bytes",
                "The least of where results are written and where rows and managed nodes are kept meanwhile; a full"
                " disk ends the run. The alert fires below 2 GiB.",
            ),
            Query(f"min({of('bench_disk_free_bytes')})", "free", instant=True),
            steps=[(2 * GIB, WARN), (10 * GIB, GOOD)],
            base=BAD,
        ),
    ),
    line(
        7,
        timeline(
            About(106, 12, "Workers over time", "none", "Which worker was lost, and when."),
            Query(f"max by (worker) ({of('bench_worker_up')})", "{{worker}}"),
            {"0": ("lost", BAD), "1": ("up", GOOD)},
        ),
        timeline(
            About(107, 12, "Harness-bound over time", "none", "When the harness itself was the limit."),
            Query(f"max({of('bench_harness_bound')})", "harness"),
            {"0": ("no", GOOD), "1": ("bound", BAD)},
        ),
    ),
)

LATE = section(
    2,
    "Is a core full, or a loop late?",
    line(
        8,
        lines(
            About(
                201,
                8,
                "Processor, by process",
                "percentunit",
                "100 % is one core. A worker above 85 % makes the trial invalid: use more workers, or less load.",
            ),
            Query(rate(_processes("bench_process_cpu_seconds_total"), "process"), "{{process}}"),
            steps=[(0.85, BAD)],
        ),
        lines(
            About(
                202,
                8,
                "Event-loop lag, by worker",
                "s",
                "Most that a pause overran: something held the worker's core meanwhile.",
            ),
            Query(f"max by (worker) ({of('bench_worker_event_loop_lag_seconds')})", "{{worker}}"),
            steps=[(0.005, WARN)],
        ),
        lines(
            About(
                203,
                8,
                "Submit lag",
                "s",
                "Due time to sending, on a logarithmic scale. p99 above 5 ms makes the trial invalid, unless"
                " the scenario says otherwise.",
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
                204,
                8,
                "Signed ahead, by worker",
                "short",
                "Operations signed before their time. At zero the encoder is too slow, and operations drop.",
            ),
            Query(f"max by (worker) ({of('bench_encoder_buffered')})", "{{worker}}"),
        ),
        lines(
            About(
                205,
                8,
                "Age of reports, and of what the observer told",
                "s",
                "Reports come once a second; blocks come as the ledger makes them.",
            ),
            Query(f"max by (worker) ({of('bench_snapshot_age_seconds')})", "{{worker}}"),
            Query(f"max({of('bench_observer_age_seconds')})", "observer"),
        ),
        lines(
            About(
                206,
                8,
                "Observer delay",
                "s",
                "Longest time from hearing a block to handing it to a worker. It is not in any latency:"
                " blocks are stamped when heard.",
            ),
            Query(f"max({of('bench_observer_delay_seconds')})", "delay"),
            steps=[(1, BAD)],
        ),
    ),
)

COST = section(
    3,
    "What does it cost this machine?",
    line(
        8,
        lines(
            About(301, 8, "Memory, by process", "bytes", "Resident. It grows with the rows of a trial."),
            Query(total(_processes("bench_process_resident_bytes"), "process"), "{{process}}"),
        ),
        lines(
            About(302, 8, "Open descriptors, by process", "none", "Each lane is a connection and so one."),
            Query(total(_processes("bench_process_open_fds"), "process"), "{{process}}"),
        ),
        lines(
            About(303, 8, "Threads, by process", "none", "A climb is a leak."),
            Query(total(_processes("bench_process_threads"), "process"), "{{process}}"),
        ),
    ),
    line(
        8,
        lines(
            About(304, 8, "Storage, by process", "Bps", "Bytes read and written per second."),
            Query(rate(_processes("bench_process_read_bytes_total"), "process"), "{{process}} read"),
            Query(rate(_processes("bench_process_written_bytes_total"), "process"), "{{process}} written"),
        ),
        lines(
            About(305, 8, "Payload sent", "Bps", "Operations, fillers, and what was sent again."),
            Query(rate(of("bench_sent_bytes_total")), "sent"),
        ),
        lines(
            About(
                306,
                8,
                "Disk free",
                "bytes",
                "Where results are written; and the work directory, of rows and managed nodes.",
            ),
            Query(f"min by (mount) ({of('bench_disk_free_bytes')})", "{{mount}}"),
        ),
    ),
    line(
        7,
        lines(
            About(307, 12, "Lanes, by worker", "none", "Connections over which a worker sends."),
            Query(f"max by (worker) ({of('bench_lanes')})", "{{worker}}"),
        ),
        lines(
            About(
                308,
                12,
                "Fillers",
                "ops",
                "Transactions sent only to close a gap in an account's numbers; never counted as load.",
            ),
            Query(rate(of("bench_fillers_total")), "fillers"),
        ),
    ),
)

BOARD = Board(
    uid="bench-harness",
    title="Benchmark: harness",
    text="The load generator itself: whether it lives, whether it is the limit, what it costs the machine.",
    refresh="5s",
    since="now-15m",
    variables=(
        *one_run(),
        query_variable(
            "process",
            "Process",
            "Processes of the harness.",
            of("bench_process_resident_bytes", 'role="harness"'),
            "process",
        ),
    ),
    sections=(ALIVE, LATE, COST),
)
