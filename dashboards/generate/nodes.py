"""Ledger, its lower half: what nodes say of themselves. One row for every family of nodes, by the recorded names of
docker/prometheus/rules/nodes.yml, and one folded row for each family with what only it tells.
"""

from __future__ import annotations

from dashboards.generate.look import BAD, GOOD, WARN
from dashboards.generate.panels import About, lines, tile, timeline
from dashboards.generate.queries import Query, of, total
from dashboards.generate.shell import line, section

NODE = 'node=~"$node"'
SILENT = "These nodes have no metrics of their own, or Prometheus does not find them: docs/operate.md"
NOT_TOLD = "This family of nodes does not tell it"


def said(metric: str, *more: str) -> str:
    """The series of the chosen nodes of the chosen run."""
    return of(metric, NODE, *more)


def by_node(metric: str) -> Query:
    """A recorded series, a line for each node."""
    return Query(f"max by (node) ({said(metric)})", "{{node}}")


NODES = section(
    5,
    "What do its nodes say?",
    line(
        6,
        tile(
            About(
                501,
                4,
                "Nodes that answer",
                "none",
                "Nodes whose own metrics Prometheus reads, of those that should answer now.",
                SILENT,
            ),
            Query(f"sum({of('bench:node_up')})", "answer", instant=True),
            Query(f"sum({of('bench_node_expected')})", "of", instant=True),
        ),
        timeline(
            About(
                502,
                14,
                "Answers, by node",
                "none",
                "Silent for long within a trial: the node hangs. In the seconds after a trial it means nothing:"
                " the node was stopped in order.",
                SILENT,
            ),
            by_node("bench:node_up"),
            {"0": ("silent", BAD), "1": ("up", GOOD)},
        ),
        lines(
            About(
                503,
                6,
                "Spread of heights",
                "none",
                "Highest less lowest. Growing: a node is left behind. Etcd counts revisions, not blocks.",
                SILENT,
            ),
            Query(f"max({of('bench:node_height:spread')})", "spread"),
        ),
    ),
    line(
        8,
        lines(
            About(504, 8, "Height, by node", "none", "As the node says, at each reading.", SILENT),
            by_node("bench:node_height"),
            low=None,
        ),
        lines(
            About(
                505,
                8,
                "Work waiting, by node",
                "short",
                "Transactions in the pool: those that could be executed, and those that wait for one before them."
                " With etcd proposals, with Fabric's peers blocks.",
                SILENT,
            ),
            Query(f"max by (node) ({said('bench:node_pending')})", "{{node}} pending"),
            Query(f"max by (node) ({said('bench:node_queued')})", "{{node}} queued"),
        ),
        lines(
            About(
                506,
                8,
                "Time to process a block, by node",
                "s",
                "Mean over 10 s; of geth the median of recent blocks; with etcd the commit of its database. Near the"
                " block interval: the node is full.",
                SILENT,
            ),
            by_node("bench:node_block_seconds"),
        ),
    ),
    line(
        8,
        lines(
            About(507, 8, "Calls, by node", "reqps", "Calls that clients made, over 10 s.", NOT_TOLD),
            by_node("bench:node_calls:rate10s"),
        ),
        lines(
            About(
                508,
                8,
                "Failed calls, by node",
                "reqps",
                "Calls that ended in an error; with etcd proposals that failed.",
                NOT_TOLD,
            ),
            by_node("bench:node_failed_calls:rate10s"),
        ),
        lines(
            About(
                509,
                8,
                "Upsets, by node",
                "none",
                "In a minute: leaders elected (Raft), reorganisations (geth), most rounds added to a height"
                " (CometBFT).",
                NOT_TOLD,
            ),
            by_node("bench:node_upsets:increase1m"),
            steps=[(1, WARN)],
        ),
    ),
    line(
        8,
        lines(
            About(
                510, 8, "Peers, by node", "none", "Fewer than usual: the network is split, or a node is gone.", SILENT
            ),
            by_node("bench:node_peers"),
        ),
        lines(
            About(511, 8, "Traffic between nodes", "Bps", "Bytes to and from peers, over 10 s.", NOT_TOLD),
            Query(f"max by (node) ({said('bench:node_received:rate10s')})", "{{node}} received"),
            Query(f"max by (node) ({said('bench:node_sent:rate10s')})", "{{node}} sent"),
        ),
        lines(
            About(
                512,
                8,
                "Time to read a node's metrics",
                "s",
                "From 900 ms on a reading is given up. Climbing: the node has no time left, not even for this.",
                SILENT,
            ),
            Query(f"max by (node) ({said('scrape_duration_seconds')})", "{{node}}"),
            steps=[(0.9, BAD)],
        ),
    ),
    line(
        7,
        lines(
            About(513, 12, "Series on a node's page", "none", "How many it offers.", SILENT),
            Query(total(said("scrape_samples_scraped"), "node"), "{{node}}"),
        ),
        lines(
            About(
                514,
                12,
                "Series kept of it",
                "none",
                "How many are stored: those of the table of native metrics in docs/dashboards.md.",
                SILENT,
            ),
            Query(total(said("scrape_samples_post_metric_relabeling"), "node"), "{{node}}"),
        ),
    ),
)
