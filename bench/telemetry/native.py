"""What nodes say of themselves, as far as it is read: the allow-list of their own metrics, in one table.

Prometheus' configuration, the rules, the dashboards and the docs use this table, and tests hold them to it. A node's
page has hundreds to thousands of series; all but these are dropped as they are read. Names, labels and units are the
nodes', as they were found on real ones. Of histograms only sum and count are kept: they give means, and buckets would
be most of what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.telemetry.metrics import RUN_LABELS, Kind

JOB = "ledger-nodes"
"""Prometheus' job that reads nodes."""
NODE_LABELS = (*RUN_LABELS, "node", "role", "trial")
"""Put on all their series by `bench.telemetry.scrape_targets`."""
OF_EVERY_TARGET = ("up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling")
"""What Prometheus itself says of each node it reads."""


@dataclass(frozen=True, slots=True)
class NativeMetric:
    """One metric of one family of nodes. `labels` are its own. `when` it begins to exist; empty: it always does. `role`
    is that of the only nodes that have it; empty: all.
    """

    family: str
    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    when: str = ""
    role: str = ""

    @property
    def series(self) -> tuple[str, ...]:
        """The names to keep."""
        return (f"{self.name}_count", f"{self.name}_sum") if self.kind is Kind.HISTOGRAM else (self.name,)


_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM
_QUANTILE = ("quantile",)
_CHANNEL = ("channel",)
_BUSY = "after the first of its kind"

GETH = (
    NativeMetric("geth", "chain_head_block", _G, "Height of the head of the chain."),
    NativeMetric("geth", "chain_inserts", _G, "ns to check, execute and write a block, recent ones.", _QUANTILE, _BUSY),
    NativeMetric("geth", "chain_execution", _G, "ns to execute a block, recent ones.", _QUANTILE, _BUSY),
    NativeMetric("geth", "chain_write", _G, "ns to write a block, recent ones.", _QUANTILE, _BUSY),
    NativeMetric("geth", "chain_reorg_executes", _C, "Reorganisations of the chain."),
    NativeMetric("geth", "chain_reorg_drop", _C, "Blocks that reorganisations took out."),
    NativeMetric("geth", "p2p_peers", _G, "Peers."),
    NativeMetric("geth", "p2p_ingress", _C, "Bytes from peers."),
    NativeMetric("geth", "p2p_egress", _C, "Bytes to peers."),
    NativeMetric("geth", "txpool_pending", _G, "Transactions in the pool that could be executed."),
    NativeMetric("geth", "txpool_queued", _G, "Transactions in the pool that wait for one before them."),
    NativeMetric("geth", "txpool_valid", _C, "Transactions that the pool took."),
    NativeMetric("geth", "txpool_invalid", _C, "Transactions that the pool found invalid."),
    NativeMetric("geth", "txpool_known", _C, "Transactions that the pool had already."),
    NativeMetric("geth", "txpool_underpriced", _C, "Transactions that paid too little for the pool."),
    NativeMetric("geth", "txpool_overflowed", _C, "Transactions for which the pool had no place."),
    NativeMetric("geth", "txpool_pending_discard", _C, "Executable transactions thrown out of the pool."),
    NativeMetric("geth", "txpool_queued_discard", _C, "Waiting transactions thrown out of the pool."),
    NativeMetric("geth", "rpc_requests", _C, "Calls of the RPC interface."),
    NativeMetric("geth", "rpc_failure", _C, "Calls that failed."),
    NativeMetric("geth", "rpc_duration_all", _G, "ns to answer a call, recent ones.", _QUANTILE, _BUSY),
    NativeMetric("geth", "eth_db_chaindata_disk_write", _C, "Bytes that the database wrote."),
    NativeMetric("geth", "eth_db_chaindata_compact_writedelay_duration", _C, "ns for which compaction held up writes."),
    NativeMetric("geth", "system_memory_used", _G, "Bytes of live objects."),
    NativeMetric("geth", "system_memory_pauses", _G, "ns that a collection of memory stopped it.", _QUANTILE),
)

_COMET = "cometbft"
COMETBFT = (
    NativeMetric(_COMET, "cometbft_consensus_latest_block_height", _G, "Height of the last block."),
    NativeMetric(_COMET, "cometbft_consensus_rounds", _G, "Rounds beyond the first, of the height in work."),
    NativeMetric(_COMET, "cometbft_consensus_round_duration_seconds", _H, "Length of a round.", (), _BUSY),
    NativeMetric(_COMET, "cometbft_consensus_step_duration_seconds", _H, "Length of a step.", ("step",), _BUSY),
    NativeMetric(_COMET, "cometbft_consensus_block_interval_seconds", _H, "From one block to the next.", (), _BUSY),
    NativeMetric(_COMET, "cometbft_consensus_block_size_bytes", _G, "Size of the last block."),
    NativeMetric(_COMET, "cometbft_consensus_num_txs", _G, "Transactions in the last block."),
    NativeMetric(_COMET, "cometbft_consensus_validators", _G, "Validators."),
    NativeMetric(_COMET, "cometbft_consensus_missing_validators", _G, "Validators that did not sign the last block."),
    NativeMetric(_COMET, "cometbft_consensus_late_votes", _C, "Votes of rounds gone by.", ("vote_type",), _BUSY),
    NativeMetric(_COMET, "cometbft_mempool_size", _G, "Transactions in the pool."),
    NativeMetric(_COMET, "cometbft_mempool_size_bytes", _G, "Their size."),
    NativeMetric(
        _COMET, "cometbft_mempool_failed_txs", _C, "Transactions that the application refused.", (), "after the first"
    ),
    NativeMetric(
        _COMET, "cometbft_mempool_recheck_times", _C, "Transactions that were checked again.", (), "after the first"
    ),
    NativeMetric(_COMET, "cometbft_p2p_peers", _G, "Peers.", (), "it has had a peer"),
    NativeMetric(
        _COMET, "cometbft_p2p_message_receive_bytes_total", _C, "Bytes from peers.", ("message_type",), "it has a peer"
    ),
    NativeMetric(
        _COMET, "cometbft_p2p_message_send_bytes_total", _C, "Bytes to peers.", ("message_type",), "it has a peer"
    ),
    NativeMetric(_COMET, "cometbft_state_block_processing_time", _H, "ms to execute a block.", (), _BUSY),
    NativeMetric(
        _COMET, "cometbft_abci_connection_method_timing_seconds", _H, "Calls of the application.", ("method", "type")
    ),
)

ETCD = (
    NativeMetric("etcd", "etcd_debugging_mvcc_current_revision", _G, "The store's revision."),
    NativeMetric("etcd", "etcd_server_has_leader", _G, "1 when it knows a leader."),
    NativeMetric("etcd", "etcd_server_is_leader", _G, "1 when it is the leader."),
    NativeMetric("etcd", "etcd_server_leader_changes_seen_total", _C, "Changes of the leader."),
    NativeMetric("etcd", "etcd_server_proposals_committed_total", _C, "Proposals committed."),
    NativeMetric("etcd", "etcd_server_proposals_applied_total", _C, "Proposals applied."),
    NativeMetric("etcd", "etcd_server_proposals_pending", _G, "Proposals that wait to be committed."),
    NativeMetric("etcd", "etcd_server_proposals_failed_total", _C, "Proposals that failed."),
    NativeMetric("etcd", "etcd_server_slow_apply_total", _C, "Requests that took long to apply."),
    NativeMetric(
        "etcd", "etcd_server_client_requests_total", _C, "Requests of clients.", ("type", "client_api_version"), _BUSY
    ),
    NativeMetric(
        "etcd",
        "etcd_disk_wal_fsync_duration_seconds",
        _H,
        "To flush the log to disk; Fabric's orderers too, by etcd's Raft.",
    ),
    NativeMetric("etcd", "etcd_disk_backend_commit_duration_seconds", _H, "To commit to the database."),
    NativeMetric("etcd", "etcd_mvcc_db_total_size_in_bytes", _G, "Size of the database."),
    NativeMetric("etcd", "etcd_network_active_peers", _G, "1 for each connection to a peer.", ("Local", "Remote")),
    NativeMetric("etcd", "etcd_network_peer_received_bytes_total", _C, "Bytes from peers.", ("From",)),
    NativeMetric("etcd", "etcd_network_peer_sent_bytes_total", _C, "Bytes to peers.", ("To",)),
)

_PEER, _ORDERER = "peer", "orderer"


def _fabric(
    name: str, kind: Kind, text: str, labels: tuple[str, ...] = _CHANNEL, when: str = "", role: str = ""
) -> NativeMetric:
    return NativeMetric("fabric", name, kind, text, labels, when, role)


_CALL = ("service", "method", "code")
_VALIDATED = ("channel", "transaction_type", "chaincode", "validation_code")
_ENDORSED = ("channel", "chaincode", "success")
_ORDERED = ("channel", "type", "status")
FABRIC = (
    _fabric("ledger_blockchain_height", _G, "Height of the chain."),
    _fabric("ledger_block_processing_time", _H, "s to process a block.", role=_PEER),
    _fabric("ledger_blockstorage_commit_time", _H, "s to store a block."),
    _fabric("ledger_statedb_commit_time", _H, "s to write a block's changes.", role=_PEER),
    _fabric("ledger_transaction_count", _C, "Transactions by how they were validated.", _VALIDATED, role=_PEER),
    _fabric("endorser_proposals_received", _C, "Proposals to endorse.", (), role=_PEER),
    _fabric("endorser_successful_proposals", _C, "Proposals endorsed.", (), role=_PEER),
    _fabric("endorser_proposal_duration", _H, "s to endorse a proposal.", _ENDORSED, _BUSY, _PEER),
    _fabric("gossip_membership_total_peers_known", _G, "Other peers known.", role=_PEER),
    _fabric("gossip_payload_buffer_size", _G, "Blocks that wait to be processed.", role=_PEER),
    _fabric("consensus_etcdraft_active_nodes", _G, "Orderers that are active.", role=_ORDERER),
    _fabric("consensus_etcdraft_is_leader", _G, "1 when it is the leader.", role=_ORDERER),
    _fabric("consensus_etcdraft_leader_changes", _C, "Changes of the leader.", role=_ORDERER),
    _fabric(
        "consensus_etcdraft_proposal_failures", _C, "Proposals that failed.", _CHANNEL, "after the first", _ORDERER
    ),
    _fabric("consensus_etcdraft_data_persist_duration", _H, "s to write Raft's data.", role=_ORDERER),
    _fabric("broadcast_processed_count", _C, "Transactions given to be ordered.", _ORDERED, _BUSY, _ORDERER),
    _fabric("blockcutter_block_fill_duration", _H, "s to fill a block.", _CHANNEL, _BUSY, _ORDERER),
    _fabric("grpc_server_unary_requests_completed", _C, "Calls that have one answer.", _CALL, _BUSY),
    _fabric("grpc_server_unary_request_duration", _H, "s to answer them.", _CALL, _BUSY),
)

NATIVE: tuple[NativeMetric, ...] = (*GETH, *COMETBFT, *ETCD, *FABRIC)
"""All of them. A name stands once, also where two families have it."""

FAMILIES = tuple(dict.fromkeys(metric.family for metric in NATIVE))

SERIES = {name: metric for metric in NATIVE for name in metric.series}
"""By the names that are stored."""


def kept(family: str) -> str:
    """A regular expression for the names of one family's series, and nothing else."""
    return "|".join(sorted(name for name, metric in SERIES.items() if metric.family == family))
