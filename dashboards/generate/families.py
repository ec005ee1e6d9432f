"""Ledger, folded rows: what only one family of nodes tells, by its own names (bench/telemetry/native.py)."""

from __future__ import annotations

from dashboards.generate.look import BAD, GOOD, GREY, WARN
from dashboards.generate.nodes import said
from dashboards.generate.panels import About, lines, timeline
from dashboards.generate.queries import WINDOW, Query, rate, total
from dashboards.generate.shell import folded, line

NS = 1e9
MEAN = "Mean over the window."


def _none(family: str) -> str:
    return f"No node of {family} here, or nothing of it yet"


def _mean(histogram: str, by: str = "node") -> str:
    """What one took: sum over count."""
    return f"{rate(said(f'{histogram}_sum'), by)} / ({rate(said(f'{histogram}_count'), by)} > 0)"


def _recent(metric: str, quantile: str) -> str:
    """A percentile as geth gives it, in seconds."""
    matcher = f'quantile="{quantile}"'
    return f"max by (node) ({said(metric, matcher)}) / {NS:.0f}"


def _grown(metric: str) -> str:
    return total(f"increase({said(metric)}[{WINDOW}])", "node")


_NO_GETH = _none("geth")
GETH = folded(
    6,
    "Only geth",
    line(
        8,
        lines(
            About(601, 8, "Block work, p95", "s", "Of recent blocks: all of it, execution, writing.", _NO_GETH),
            Query(_recent("chain_inserts", "0.95"), "{{node}} all"),
            Query(_recent("chain_execution", "0.95"), "{{node}} execution"),
            Query(_recent("chain_write", "0.95"), "{{node}} writing"),
        ),
        lines(
            About(
                602,
                8,
                "Pool: taken and refused",
                "ops",
                "Per second, over all nodes. Underpriced and overflowed: the pool is full. Discarded: it was thrown out"
                " after it had been taken.",
                _NO_GETH,
            ),
            Query(rate(said("txpool_valid")), "taken"),
            Query(rate(said("txpool_invalid")), "invalid"),
            Query(rate(said("txpool_known")), "known already"),
            Query(rate(said("txpool_underpriced")), "underpriced"),
            Query(rate(said("txpool_overflowed")), "no place"),
            Query(rate(said("txpool_pending_discard")), "discarded, pending"),
            Query(rate(said("txpool_queued_discard")), "discarded, queued"),
        ),
        lines(
            About(603, 8, "Answers to calls", "s", "Of recent calls of any kind.", _NO_GETH),
            Query(_recent("rpc_duration_all", "0.5"), "{{node}} p50"),
            Query(_recent("rpc_duration_all", "0.99"), "{{node}} p99"),
        ),
    ),
    line(
        8,
        lines(
            About(604, 6, "Database writes", "Bps", "Bytes per second that the database writes.", _NO_GETH),
            Query(rate(said("eth_db_chaindata_disk_write"), "node"), "{{node}}"),
        ),
        lines(
            About(
                605,
                6,
                "Held up by compaction",
                "percentunit",
                "Share of the time in which the database let writes wait.",
                _NO_GETH,
            ),
            Query(f"{rate(said('eth_db_chaindata_compact_writedelay_duration'), 'node')} / {NS:.0f}", "{{node}}"),
            steps=[(0.1, WARN)],
        ),
        lines(
            About(606, 6, "Live memory", "bytes", "Bytes of live objects.", _NO_GETH),
            Query(f"max by (node) ({said('system_memory_used')})", "{{node}}"),
        ),
        lines(
            About(607, 6, "Pauses to collect memory, p99", "s", "Of recent ones.", _NO_GETH),
            Query(_recent("system_memory_pauses", "0.99"), "{{node}}"),
        ),
    ),
    line(
        7,
        lines(
            About(608, 24, "Reorganisations", "none", "In the window: how many, and blocks they took out.", _NO_GETH),
            Query(_grown("chain_reorg_executes"), "{{node}} reorganisations"),
            Query(_grown("chain_reorg_drop"), "{{node}} blocks"),
        ),
    ),
)

_NO_COMET = _none("CometBFT")
COMETBFT = folded(
    7,
    "Only CometBFT",
    line(
        8,
        lines(
            About(
                701,
                6,
                "Rounds added",
                "none",
                "Rounds beyond the first, of the height in work. Above 0: a proposal did not get its votes in time.",
                _NO_COMET,
            ),
            Query(f"max by (node) ({said('cometbft_consensus_rounds')})", "{{node}}"),
            steps=[(1, WARN)],
        ),
        lines(
            About(702, 6, "Length of a round", "s", MEAN, _NO_COMET),
            Query(_mean("cometbft_consensus_round_duration_seconds"), "{{node}}"),
        ),
        lines(
            About(703, 6, "Length of each step", "s", "Mean over all nodes: where a block's time goes.", _NO_COMET),
            Query(_mean("cometbft_consensus_step_duration_seconds", "step"), "{{step}}"),
        ),
        lines(
            About(704, 6, "Block interval, by node", "s", MEAN, _NO_COMET),
            Query(_mean("cometbft_consensus_block_interval_seconds"), "{{node}}"),
        ),
    ),
    line(
        8,
        lines(
            About(705, 6, "Transactions in the last block", "short", "Flat at the top: blocks are full.", _NO_COMET),
            Query(f"max by (node) ({said('cometbft_consensus_num_txs')})", "{{node}}"),
        ),
        lines(
            About(706, 6, "Size of the last block", "bytes", "Beside it: the bytes that wait.", _NO_COMET),
            Query(f"max by (node) ({said('cometbft_consensus_block_size_bytes')})", "{{node}} block"),
            Query(f"max by (node) ({said('cometbft_mempool_size_bytes')})", "{{node}} pool"),
        ),
        lines(
            About(
                707,
                6,
                "Validators",
                "none",
                "All, and those that did not sign the last block. A third of them missing: no more blocks.",
                _NO_COMET,
            ),
            Query(f"max({said('cometbft_consensus_validators')})", "all"),
            Query(f"max({said('cometbft_consensus_missing_validators')})", "missing"),
        ),
        lines(
            About(708, 6, "Late votes", "ops", "Votes per second of rounds gone by: the network is slow.", _NO_COMET),
            Query(rate(said("cometbft_consensus_late_votes"), "vote_type"), "{{vote_type}}"),
        ),
    ),
    line(
        8,
        lines(
            About(
                709,
                8,
                "Pool: refused and checked again",
                "ops",
                "Transactions per second that the application refused, and that were checked again after a block.",
                _NO_COMET,
            ),
            Query(rate(said("cometbft_mempool_failed_txs")), "refused"),
            Query(rate(said("cometbft_mempool_recheck_times")), "checked again"),
        ),
        lines(
            About(710, 8, "Calls of the application", "s", "Mean over all nodes, by method.", _NO_COMET),
            Query(_mean("cometbft_abci_connection_method_timing_seconds", "method"), "{{method}}"),
        ),
        lines(
            About(711, 8, "Sent, by kind of message", "Bps", "Bytes per second, over all nodes.", _NO_COMET),
            Query(rate(said("cometbft_p2p_message_send_bytes_total"), "message_type"), "{{message_type}}"),
        ),
    ),
)

_NO_ETCD = _none("etcd")
ETCD = folded(
    8,
    "Only etcd",
    line(
        6,
        timeline(
            About(801, 12, "Leader", "none", "Which node leads, and since when.", _NO_ETCD),
            Query(f"max by (node) ({said('etcd_server_is_leader')})", "{{node}}"),
            {"0": ("follows", GREY), "1": ("leads", GOOD)},
        ),
        timeline(
            About(802, 12, "Knows a leader", "none", "Without one nothing is written.", _NO_ETCD),
            Query(f"max by (node) ({said('etcd_server_has_leader')})", "{{node}}"),
            {"0": ("no leader", BAD), "1": ("yes", GOOD)},
        ),
    ),
    line(
        8,
        lines(
            About(
                803,
                12,
                "Proposals",
                "ops",
                "Per second. Applied below committed: the store does not keep up with the log.",
                _NO_ETCD,
            ),
            Query(rate(said("etcd_server_proposals_committed_total"), "node"), "{{node}} committed"),
            Query(rate(said("etcd_server_proposals_applied_total"), "node"), "{{node}} applied"),
        ),
        lines(
            About(804, 12, "Writes to disk", "s", "Mean: flushing the log, and committing the database.", _NO_ETCD),
            Query(_mean("etcd_disk_wal_fsync_duration_seconds"), "{{node}} log"),
            Query(_mean("etcd_disk_backend_commit_duration_seconds"), "{{node}} database"),
        ),
    ),
    line(
        7,
        lines(
            About(
                806,
                12,
                "Size of the database",
                "bytes",
                "At its quota, 8 GiB as the harness sets it, no more is written.",
                _NO_ETCD,
            ),
            Query(f"max by (node) ({said('etcd_mvcc_db_total_size_in_bytes')})", "{{node}}"),
        ),
        lines(
            About(807, 12, "Slow applies", "ops", "Requests per second that took long to apply.", _NO_ETCD),
            Query(rate(said("etcd_server_slow_apply_total"), "node"), "{{node}}"),
        ),
    ),
)

_NO_FABRIC = _none("Fabric")
FABRIC = folded(
    9,
    "Only Fabric",
    line(
        6,
        timeline(
            About(901, 12, "Leader of the orderers", "none", "Which orderer leads, and since when.", _NO_FABRIC),
            Query(f"max by (node) ({said('consensus_etcdraft_is_leader')})", "{{node}}"),
            {"0": ("follows", GREY), "1": ("leads", GOOD)},
        ),
        lines(
            About(902, 12, "Orderers active", "none", "As each of them sees it.", _NO_FABRIC),
            Query(f"max by (node) ({said('consensus_etcdraft_active_nodes')})", "{{node}}"),
        ),
    ),
    line(
        8,
        lines(
            About(
                903,
                8,
                "Transactions, by how they were validated",
                "ops",
                "Per second, over all peers: each transaction counts once at each peer.",
                _NO_FABRIC,
            ),
            Query(rate(said("ledger_transaction_count"), "validation_code"), "{{validation_code}}"),
            stacked=True,
        ),
        lines(
            About(904, 8, "Endorsements", "ops", "Proposals per second: received, and endorsed.", _NO_FABRIC),
            Query(rate(said("endorser_proposals_received"), "node"), "{{node}} received"),
            Query(rate(said("endorser_successful_proposals"), "node"), "{{node}} endorsed"),
        ),
        lines(
            About(905, 8, "To endorse a proposal", "s", MEAN, _NO_FABRIC),
            Query(_mean("endorser_proposal_duration"), "{{node}}"),
        ),
    ),
    line(
        8,
        lines(
            About(906, 8, "Work on a block, by peer", "s", "Mean: all of it, storing, writing state.", _NO_FABRIC),
            Query(_mean("ledger_block_processing_time"), "{{node}} all"),
            Query(_mean("ledger_blockstorage_commit_time"), "{{node}} storing"),
            Query(_mean("ledger_statedb_commit_time"), "{{node}} state"),
        ),
        lines(
            About(907, 8, "Given to be ordered, by answer", "ops", "Per second, over all orderers.", _NO_FABRIC),
            Query(rate(said("broadcast_processed_count"), "status"), "{{status}}"),
        ),
        lines(
            About(908, 8, "To fill a block", "s", "Mean: waiting for enough transactions, or the timeout.", _NO_FABRIC),
            Query(_mean("blockcutter_block_fill_duration"), "{{node}}"),
        ),
    ),
    line(
        8,
        lines(
            About(909, 8, "To write Raft's data", "s", MEAN, _NO_FABRIC),
            Query(_mean("consensus_etcdraft_data_persist_duration"), "{{node}}"),
        ),
        lines(
            About(910, 8, "Failed proposals of the orderers", "ops", "Per second.", _NO_FABRIC),
            Query(rate(said("consensus_etcdraft_proposal_failures"), "node"), "{{node}}"),
        ),
        lines(
            About(911, 8, "Answers to calls, by method", "s", "Mean over all nodes.", _NO_FABRIC),
            Query(_mean("grpc_server_unary_request_duration", "method"), "{{method}}"),
        ),
    ),
)

FAMILIES = (GETH, COMETBFT, ETCD, FABRIC)
