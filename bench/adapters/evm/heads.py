"""Learning that a block exists, as early as possible and with the time it was learnt.

`newHeads` over WebSocket where there is one, merged with a slow poll that survives a lost subscription; without
WebSocket the poll alone, at `poll_interval_s`. A thread stamps; the follower takes heads from a queue.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass

import orjson
import websocket

from bench.adapters.evm.channel import NotSentError, Target
from bench.adapters.evm.rpc import Rpc
from bench.adapters.evm.ws import connect
from bench.model.clock import monotonic_ns
from bench.model.errors import LedgerError

_SLOW_POLL_S = 2.0
_RECONNECT_S = 1.0
_SUBSCRIBE = b'{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'


@dataclass(frozen=True, slots=True)
class Head:
    """`block_id` is None when a poll learnt only the height."""

    height: int
    block_id: str | None
    observed_at_ns: int


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where to subscribe. `guessed`: the endpoint's own port may or may not speak WebSocket too (anvil's does), so that
    a first failure settles it; an address that was given must answer.
    """

    target: Target
    guessed: bool


class HeadWatcher:
    """`next` gives heads in the order learnt. Owns a thread per source from `start` to `stop`."""

    def __init__(self, rpc: Rpc, subscription: Subscription | None, poll_interval_s: float, timeout_s: float) -> None:
        self._rpc = rpc
        self._subscription = subscription
        self._poll_interval_s = poll_interval_s
        self._timeout_s = timeout_s
        self._heads: queue.SimpleQueue[Head | Exception] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._subscribed = threading.Event()
        self._seen_subscription = False
        self._socket: websocket.WebSocket | None = None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to listen."""
        loops = (self._poll,) if self._subscription is None else (self._poll, self._listen)
        for loop in loops:
            thread = threading.Thread(target=loop, name=f"evm-heads{loop.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def next(self, timeout_s: float) -> Head | None:
        """The next head, or None when none came in time. Raises what the poll failed with."""
        try:
            head = self._heads.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(head, Exception):
            raise head
        return head

    def stop(self) -> None:
        """End both threads; idempotent."""
        self._stopped.set()
        socket = self._socket
        if socket is not None:
            socket.abort()  # type: ignore[no-untyped-call]
        for thread in self._threads:
            thread.join(self._timeout_s + _RECONNECT_S)

    def _poll(self) -> None:
        last = -1
        while not self._stopped.is_set():
            try:
                height = self._rpc.hex_int("eth_blockNumber", [])
            except Exception as error:  # noqa: BLE001 - a thread's edge: handed to the follower's thread
                self._heads.put(error)
                return
            if height != last:
                last = height
                self._heads.put(Head(height, None, monotonic_ns()))
            self._stopped.wait(_SLOW_POLL_S if self._subscribed.is_set() else self._poll_interval_s)

    def _listen(self) -> None:
        assert self._subscription is not None
        while not self._stopped.is_set():
            try:
                self._hear(self._subscription.target)
            except NotSentError as error:
                if not self._seen_subscription:
                    if not self._subscription.guessed:
                        self._heads.put(LedgerError(str(error), remedy="check adapter option ws_url"))
                    return
            except (OSError, websocket.WebSocketException):
                pass  # the poll carries on at its own interval until the subscription is back
            finally:
                self._subscribed.clear()
            self._stopped.wait(_RECONNECT_S)

    def _hear(self, target: Target) -> None:
        connection = connect(target, self._timeout_s)
        try:
            self._socket = connection
            connection.settimeout(None)
            connection.send(_SUBSCRIBE)
            while not self._stopped.is_set():
                frame = connection.recv()
                stamp = monotonic_ns()
                if not frame:
                    return
                self._subscribed.set()
                self._seen_subscription = True
                if (head := _head_of(frame, stamp)) is not None:
                    self._heads.put(head)
        finally:
            self._socket = None
            connection.shutdown()  # type: ignore[no-untyped-call]


def _head_of(frame: str | bytes, stamp: int) -> Head | None:
    try:
        message = orjson.loads(frame)
        result = message["params"]["result"]
        return Head(int(result["number"], 16), str(result["hash"]), stamp)
    except (ValueError, KeyError, TypeError):
        return None  # the subscription's own confirmation
