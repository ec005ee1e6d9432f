"""Commits on etcd: a watch on the transactions' keys. One revision is one transaction is one block.

etcd tells no larger unit that every observer would see alike: how a watch bundles revisions depends on when it asks.
Revisions that are not ours (another application's) are blocks without transactions, so that heights have no gaps.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

from bench.adapters.etcd.client import EtcdClient
from bench.adapters.etcd.grpc import Channel, ConnectionLostError
from bench.adapters.etcd.messages import RANGE, WATCH, end_of, range_request, read_range, read_watch, watch_request
from bench.adapters.etcd.writes import Keys
from bench.model.errors import LedgerError
from bench.model.transaction import Block

IDLE_S = 0.25
PATIENCE_S = 30.0
"""How long no member may be reached before following is given up."""
_PAUSE_S = 0.2
_BLOCK_ID = struct.Struct(">QQ16x")


def follow(client: EtcdClient, keys: Keys, after: int | None) -> Iterator[Block | None]:
    """See `Adapter.commits`. When a member fails, the watch goes on at the next one where it ended."""
    prefix = keys.transactions
    height = read_range(client.ask(RANGE, range_request(prefix, limit=1))).revision if after is None else after
    ordinal, attempt, lost_at_s = 0, 0, 0.0
    while True:
        try:
            channel = client.channel(attempt)
        except ConnectionLostError:
            lost_at_s = _still_patient(lost_at_s)
            yield None
            time.sleep(_PAUSE_S)
            continue
        try:
            for block in _watch(channel, client.status.cluster_id, prefix, height, ordinal):
                lost_at_s = 0.0
                if block is not None:
                    height, ordinal = block.height, block.ordinal + 1
                yield block
        except ConnectionLostError:
            attempt += 1
            lost_at_s = _still_patient(lost_at_s)
        finally:
            client.give_up(channel)


def _watch(channel: Channel, cluster: int, prefix: bytes, height: int, ordinal: int) -> Iterator[Block | None]:
    channel.set_timeout(IDLE_S)
    for message in channel.stream(WATCH, watch_request(prefix, end_of(prefix), height + 1)):
        if message is None:
            yield None
            continue
        observed_at_ns = channel.received_at_ns
        answer = read_watch(message)
        if answer.compacted:
            raise LedgerError(
                "etcd has compacted what was asked for",
                value=f"revision {height + 1}, compacted up to {answer.compacted}",
                remedy="do not compact while a run is on (--auto-compaction-retention=0)",
            )
        if answer.cancelled is not None:
            raise ConnectionLostError(f"etcd cancelled the watch: {answer.cancelled}")
        for put in answer.puts:
            while height < put.mod_revision:
                height += 1
                ids = [put.key[len(prefix) :]] if height == put.mod_revision else []
                yield Block(ordinal, height, _BLOCK_ID.pack(cluster, height), observed_at_ns, ids, bytes(len(ids)))
                ordinal += 1


def _still_patient(lost_at_s: float) -> float:
    """Since when nobody can be reached. LedgerError after `PATIENCE_S` of it."""
    now_s = time.monotonic()
    if lost_at_s and now_s - lost_at_s > PATIENCE_S:
        raise LedgerError(f"no member of etcd could be followed for {PATIENCE_S:g} s", remedy="see the nodes' logs")
    return lost_at_s or now_s
