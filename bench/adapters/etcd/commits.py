"""Commits on etcd: a watch on the transactions' keys. One revision is one transaction is one block.

etcd tells no larger unit that every observer would see alike: how a watch bundles revisions depends on when it asks.
Revisions that are not ours (another application's) are blocks without transactions, so that heights have no gaps.

A watch says nothing when nothing happens, and nothing when its member is frozen or cut off from the majority. So a
silent member is asked to read something on the same connection, which it can answer only with the majority.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

from bench.adapters.etcd.client import EtcdClient
from bench.adapters.etcd.grpc import CallError, Channel, ConnectionLostError
from bench.adapters.etcd.messages import RANGE, WATCH, end_of, range_request, read_range, read_watch, watch_request
from bench.adapters.etcd.writes import Keys
from bench.model.clock import monotonic_ns
from bench.model.errors import LedgerError
from bench.model.transaction import Blind, Block

IDLE_S = 0.25
PATIENCE_S = 30.0
"""How long no member may be reached before following is given up."""
SILENCE_S = 1.0
"""How long a watch may be silent before its member is asked whether it still knows what the majority knows."""
ANSWER_S = 3.0
"""How long that answer may take; then the next member is watched, from the same revision on. Nothing is lost, but what
was committed meanwhile is stamped late, which `Blind` says.
"""
_PAUSE_S = 0.2
_BLOCK_ID = struct.Struct(">QQ16x")


def follow(client: EtcdClient, keys: Keys, after: int | None) -> Iterator[Block | Blind | None]:
    """See `Adapter.commits`. When a member fails, the watch goes on at the next one where it ended."""
    prefix = keys.transactions
    height = read_range(client.ask(RANGE, range_request(prefix, limit=1))).revision if after is None else after
    ordinal, attempt, lost_at_s = 0, 0, 0.0
    heard_ns = monotonic_ns()  # when a member last proved that it knows what the majority knows
    while True:
        try:
            channel = client.channel(attempt)
        except ConnectionLostError:
            lost_at_s = _still_patient(lost_at_s)
            yield None
            time.sleep(_PAUSE_S)
            continue
        try:
            silence = _Silence(channel, range_request(prefix, end_of(prefix), count_only=True))
            for block in _watch(channel, silence, client.status.cluster_id, prefix, height, ordinal):
                if silence.heard_ns:
                    if lost_at_s:
                        yield Blind(heard_ns, silence.heard_ns)
                    lost_at_s, heard_ns = 0.0, silence.heard_ns
                if block is not None:
                    height, ordinal = block.height, block.ordinal + 1
                yield block
        except ConnectionLostError:
            attempt += 1
            lost_at_s = _still_patient(lost_at_s)
        finally:
            client.give_up(channel)


def _watch(
    channel: Channel, silence: _Silence, cluster: int, prefix: bytes, height: int, ordinal: int
) -> Iterator[Block | None]:
    channel.set_timeout(IDLE_S)
    for message in channel.stream(WATCH, watch_request(prefix, end_of(prefix), height + 1)):
        if message is None:
            silence.check()
            yield None
            continue
        observed_at_ns = channel.received_at_ns
        answer = read_watch(message)
        silence.end(observed_at_ns if answer.puts else 0)
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


class _Silence:
    """Tells a member that has nothing to say from one that is frozen or cut off. `heard_ns` is when it last proved that
    it is neither; 0 before.
    """

    def __init__(self, channel: Channel, question: bytes) -> None:
        self._channel = channel
        self._question = question
        self._asked: int | None = None
        self._since_s = time.monotonic()
        self.heard_ns = 0

    def end(self, heard_ns: int) -> None:
        """The member spoke; 0 where what it said needs no majority."""
        self._since_s, self.heard_ns = time.monotonic(), heard_ns or self.heard_ns

    def check(self) -> None:
        """Ask when it is time; ConnectionLostError when the member does not answer, or cannot."""
        now_s = time.monotonic()
        if self._asked is None:
            if now_s - self._since_s >= SILENCE_S:
                self._asked, self._since_s = self._channel.begin(RANGE, self._question), now_s
            return
        answer = self._channel.ended(self._asked)
        if isinstance(answer, CallError):
            raise ConnectionLostError(f"etcd cannot read: {answer.message}", value=self._channel.authority)
        if answer is not None:
            self._asked, self._since_s, self.heard_ns = None, now_s, monotonic_ns()
        elif now_s - self._since_s >= ANSWER_S:
            raise ConnectionLostError(f"etcd was silent for {ANSWER_S:g} s", value=self._channel.authority)


def _still_patient(lost_at_s: float) -> float:
    """Since when nobody can be reached. LedgerError after `PATIENCE_S` of it."""
    now_s = time.monotonic()
    if lost_at_s and now_s - lost_at_s > PATIENCE_S:
        raise LedgerError(f"no member of etcd could be followed for {PATIENCE_S:g} s", remedy="see the nodes' logs")
    return lost_at_s or now_s
