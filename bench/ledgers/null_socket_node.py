"""The null node of our own ledgers: `python -m bench.ledgers.null_socket_node --socket … --kind sqlite|simulated`.

Speaks what `bench.ledgers.sqlite_node` and `bench.ledgers.simulated_node` speak, takes every transaction unread,
answers at once and puts it into the next block as valid.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.ledgers.chain_block import ChainBlock
from bench.ledgers.socket_server import Peer, SocketServer
from bench.model.call import call_id
from bench.model.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns
from bench.model.wire import Address, WireError, listen

KINDS = ("sqlite", "simulated")
KEPT_FRAMES = 4096


class NullService:
    """See `socket_server.Service`. A block every `interval_ns`; 0: one of whatever came in a round of the loop."""

    def __init__(self, kind: str, interval_ns: int, clock: Clock = monotonic_ns) -> None:
        self._kind = kind
        self._interval_ns = interval_ns
        self._clock = clock
        self._chain_id = os.urandom(16)
        self._pending: dict[bytes, None] = {}
        self._frames: dict[int, bytes] = {}
        self._height = 0
        self._transactions = 0
        self._next_ns = clock() + interval_ns

    def handle(self, peer: Peer, message: Any) -> None:
        """Yes to everything."""
        match message:
            case ["submit", [*payloads]] if all(isinstance(payload, bytes) for payload in payloads):
                self._pending.update(dict.fromkeys(map(call_id, payloads)))
                peer.send([0] * len(payloads))
            case ["query", [*payloads]]:
                peer.send([0] * len(payloads))
            case ["transactions"]:
                peer.send(["value", self._transactions])
            case ["sequence", int()]:
                peer.send(["value", 0])
            case ["follow", int() | None as after]:
                peer.follows = self._height + 1 if after is None else after + 1
                peer.send(["following", self._height])
            case ["prepare", *_]:
                peer.send(["prepared", self._chain_id, self._transactions, []])
            case ["hello"]:
                # the same settings, sequencing and confirmations for both: each adapter reads what it knows
                peer.send(["hello", self._kind, self._chain_id, self._height, [], "none", 0])
            case _:
                raise WireError("not a request of this node", value=str(message)[:80])

    def tick(self) -> float | None:
        """Make the block that is due; empty ones are left out."""
        if not self._interval_ns:
            self._make_block()
            return None
        now = self._clock()
        if now >= self._next_ns:
            self._next_ns = max(self._next_ns + self._interval_ns, now)
            self._make_block()
        return max(0, self._next_ns - now) / NS_PER_S

    def block(self, height: int) -> bytes | None:
        """Only recent ones are kept."""
        return self._frames.get(height)

    def _make_block(self) -> None:
        if not self._pending:
            return
        tx_ids = list(self._pending)
        self._pending.clear()
        self._height += 1
        self._transactions += len(tx_ids)
        block_id = hashlib.sha256(self._chain_id + self._height.to_bytes(8, "big")).digest()
        self._frames[self._height] = ChainBlock(self._height, block_id, tx_ids, bytes(len(tx_ids))).frame()
        self._frames.pop(self._height - KEPT_FRAMES, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="null_socket_node", description="Takes everything and does nothing")
    parser.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    parser.add_argument("--kind", required=True, choices=KINDS)
    parser.add_argument("--block-interval-ms", type=float, required=True, help="0: at once")
    given = parser.parse_args(arguments)
    listener = listen(Address(path=given.socket))
    server = SocketServer(listener, NullService(given.kind, round(given.block_interval_ms * NS_PER_MS)))
    server.stop_on_signals()
    try:
        server.run()
    finally:
        Path(given.socket).unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
