"""Ledger: does it make blocks, what is in them, how does it answer, what do its nodes use, and what do they say?"""

from __future__ import annotations

from dashboards.generate.families import FAMILIES
from dashboards.generate.look import BAD, WARN
from dashboards.generate.nodes import NODES as SAID
from dashboards.generate.panels import About, heat_map, lines, tile
from dashboards.generate.queries import Query, cells, of, quantiles, rate, total
from dashboards.generate.shell import Board, line, one_run, query_variable, section

CHOSEN = 'process=~"$node"'
DATA = of("bench_node_data_bytes", 'node=~"$node"')
NODES = 'role="ledger"'
BLOCKS = rate(of("bench_blocks_total"))
NOT_OURS = "The harness does not manage this ledger's nodes"
NO_GAS = "The ledger reports no gas"
NO_SIZES = "The ledger reports no block sizes"


def _nodes(metric: str) -> str:
    return of(metric, NODES, CHOSEN)


ALIVE = section(
    1,
    "Does it make blocks?",
    line(
        4,
        tile(
            About(101, 5, "Height", "none", "Height of the last block heard."),
            Query(f"max({of('bench_block_height')})", "height", instant=True),
        ),
        tile(
            About(
                102,
                5,
                "Last block",
                "s",
                "Time since a block was last heard. Amber from 10 s, red-orange from 30 s; compare it with"
                " the ledger's own block interval.",
            ),
            Query(f"max({of('bench_block_age_seconds')})", "since last block", instant=True),
            steps=[(10, WARN), (30, BAD)],
            decimals=1,
        ),
        tile(
            About(103, 5, "Blocks", "none", "Blocks heard since the start signals of this run's trials."),
            Query(f"sum({of('bench_blocks_total')})", "blocks", instant=True),
        ),
        tile(
            About(
                104,
                5,
                "Empty blocks",
                "percentunit",
                "Share of blocks without any transaction. High under load: what is sent does not arrive.",
            ),
            Query(f"sum({of('bench_blocks_empty_total')}) / sum({of('bench_blocks_total')})", "empty", instant=True),
            steps=[(0.5, WARN)],
            decimals=1,
        ),
        tile(
            About(
                105,
                4,
                "Orphaned blocks",
                "none",
                "Blocks that left the chain again. Their transactions count only where they came back.",
            ),
            Query(f"sum({of('bench_blocks_orphaned_total')})", "orphaned", instant=True),
            steps=[(1, WARN)],
        ),
    ),
    line(
        8,
        lines(
            About(106, 8, "Height over time", "none", "A flat stretch is a ledger that stood still."),
            Query(f"max({of('bench_block_height')})", "height"),
            low=None,
        ),
        lines(
            About(
                107,
                8,
                "Block interval",
                "s",
                "From one block heard to the next. A p99 far above p50 is a ledger that stutters.",
            ),
            *quantiles("bench_block_interval_seconds"),
        ),
        lines(
            About(108, 8, "Since the last block", "s", "A saw; a tooth higher than the others is a stall."),
            Query(f"max({of('bench_block_age_seconds')})", "since last block"),
        ),
    ),
)

CONTENT = section(
    2,
    "What is in its blocks?",
    line(
        8,
        lines(
            About(
                201,
                8,
                "Transactions per block",
                "short",
                "Mean over the window: of this run (yes) and of others (no). Others on a ledger that should"
                " be ours alone spoil the figures.",
            ),
            Query(
                f"{rate(of('bench_block_transactions_total'), 'own')} / ignoring (own) group_left () {BLOCKS}",
                "own: {{own}}",
            ),
            stacked=True,
        ),
        lines(
            About(202, 8, "Bytes per block", "bytes", "Mean over the window.", NO_SIZES),
            Query(f"{rate(of('bench_block_bytes_total'))} / {BLOCKS}", "bytes per block"),
        ),
        lines(
            About(
                203,
                8,
                "Gas per block",
                "short",
                "Mean over the window. Flat at the gas limit: blocks are full, more load only waits.",
                NO_GAS,
            ),
            Query(f"{rate(of('bench_block_gas_total'))} / {BLOCKS}", "gas per block"),
        ),
    ),
    line(
        8,
        lines(
            About(204, 12, "Blocks per second", "none", "All, empty and orphaned."),
            Query(BLOCKS, "all"),
            Query(rate(of("bench_blocks_empty_total")), "empty"),
            Query(rate(of("bench_blocks_orphaned_total")), "orphaned"),
        ),
        heat_map(
            About(205, 12, "Block interval, distribution", "s", "How regular blocks are."),
            cells(of("bench_block_interval_seconds_bucket")),
        ),
    ),
)

ANSWERS = section(
    3,
    "How does it answer?",
    line(
        8,
        lines(
            About(301, 8, "Accept latency", "s", "From due to the node's answer to a write."),
            *quantiles("bench_accept_latency_seconds"),
        ),
        lines(
            About(302, 8, "Refusals by the node", "ops", "Writes the node refused before inclusion."),
            Query(rate(of("bench_rejected_total"), "operation"), "{{operation}}"),
        ),
        lines(
            About(303, 8, "Waiting on the ledger", "short", "Writes sent that are in no block yet."),
            Query(f"max({of('bench_in_flight')})", "in flight"),
        ),
    ),
)

USE = section(
    4,
    "What do its nodes use?",
    line(
        8,
        lines(
            About(401, 8, "Processor, by node", "percentunit", "100 % is one core.", NOT_OURS),
            Query(rate(_nodes("bench_process_cpu_seconds_total"), "process"), "{{process}}"),
        ),
        lines(
            About(402, 8, "Memory, by node", "bytes", "Resident. A climb without end is a leak.", NOT_OURS),
            Query(total(_nodes("bench_process_resident_bytes"), "process"), "{{process}}"),
        ),
        lines(
            About(403, 8, "Data on disk, by node", "bytes", "What each node's directory takes up.", NOT_OURS),
            Query(total(DATA, "node"), "{{node}}"),
        ),
    ),
    line(
        8,
        lines(
            About(404, 8, "Storage, by node", "Bps", "Bytes read and written per second.", NOT_OURS),
            Query(rate(_nodes("bench_process_read_bytes_total"), "process"), "{{process}} read"),
            Query(rate(_nodes("bench_process_written_bytes_total"), "process"), "{{process}} written"),
        ),
        lines(
            About(405, 8, "Growth on disk, by node", "Bps", "Bytes per second, over a minute.", NOT_OURS),
            Query(f"deriv({DATA}[1m])", "{{node}}"),
            low=None,
        ),
        lines(
            About(406, 8, "Descriptors and threads, by node", "none", "Open files and sockets; threads."),
            Query(total(_nodes("bench_process_open_fds"), "process"), "{{process}} descriptors"),
            Query(total(_nodes("bench_process_threads"), "process"), "{{process}} threads"),
        ),
    ),
)

BOARD = Board(
    uid="bench-ledger",
    title="Benchmark: ledger",
    text="The ledger under load: blocks, what is in them, how it answers, what its nodes use and say.",
    refresh="5s",
    since="now-15m",
    variables=(
        *one_run(),
        query_variable("node", "Node", "Nodes of the ledger.", of("bench_process_resident_bytes", NODES), "process"),
    ),
    sections=(ALIVE, CONTENT, ANSWERS, USE, SAID, *FAMILIES),
)
