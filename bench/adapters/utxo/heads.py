"""Learning that there is a new best block, as early as possible and with the time it was learnt.

A long poll: `waitforblockheight` answers when the chain is higher than what is known, or at the end of its time with
the best block as it is, which also tells of a reorganisation that did not make it higher. A thread asks and stamps.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass

from bench.adapters.jsonrpc.rpc import UnreachedError
from bench.adapters.utxo.rpc import Rpc
from bench.model.clock import NS_PER_S, monotonic_ns
from bench.model.errors import LedgerError

_WAIT_MS = 500
_PAUSE_S = 0.2

WATCHING_PATH = f"blocks: waitforblockheight, a long poll of at most {_WAIT_MS} ms, answered at a higher block"
"""For the bundle."""


@dataclass(frozen=True, slots=True)
class Head:
    """The best block, by its id as printed."""

    height: int
    block_id: str
    observed_at_ns: int


class HeadWatcher:
    """`next` gives heads in the order learnt. Owns a thread from `start` to `stop`."""

    def __init__(self, rpc: Rpc, patience_s: float) -> None:
        self._rpc = rpc
        self._patience_s = patience_s
        self._heads: queue.SimpleQueue[Head | Exception] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="utxo-heads", daemon=True)

    def start(self, height: int, block_id: str) -> None:
        """Begin to listen for what follows this block."""
        self._known = Head(height, block_id, 0)
        self._thread.start()

    def next(self, timeout_s: float) -> Head | None:
        """The next head, or None when none came in time. Raises what the thread failed with."""
        try:
            head = self._heads.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(head, Exception):
            raise head
        return head

    def stop(self) -> None:
        """End the thread; idempotent."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(2 * _WAIT_MS / 1000 + _PAUSE_S)

    def _run(self) -> None:
        try:
            self._listen()
        except Exception as error:  # noqa: BLE001 - a thread's edge: handed to the follower's thread
            self._heads.put(error)

    def _listen(self) -> None:
        reached_ns = monotonic_ns()
        while not self._stopped.is_set():
            try:
                answer = self._rpc.record("waitforblockheight", [self._known.height + 1, _WAIT_MS])
            except UnreachedError:
                if monotonic_ns() - reached_ns > self._patience_s * NS_PER_S:
                    raise
                self._stopped.wait(_PAUSE_S)
                continue
            reached_ns = monotonic_ns()
            height, block_id = answer.get("height"), answer.get("hash")
            if not isinstance(height, int) or not isinstance(block_id, str):
                raise LedgerError("the node's best block cannot be read", value=str(answer)[:200])
            if block_id != self._known.block_id:
                self._known = Head(height, block_id, reached_ns)
                self._heads.put(self._known)
