"""Learning that a block exists, as early as possible and with the time it was learnt.

`newHeads` over WebSocket where there is one, merged with a poll: slow while the subscription has told every head the
poll knows of, else at `poll_interval_s`. A subscription is begun anew when it is lost, when it answers no ping, and
when it leaves out a head. A thread stamps; the follower takes heads from a queue.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass

import orjson
import websocket

from bench.adapters.evm.rpc import Rpc
from bench.adapters.jsonrpc.channel import NotSentError, Target
from bench.adapters.jsonrpc.ws import connect
from bench.model.clock import NS_PER_S, monotonic_ns
from bench.model.errors import LedgerError

_SLOW_POLL_S = 2.0
_RECONNECT_S = 1.0
_SILENCE_S = 5.0  # of a subscription: before it is pinged, until the ping is answered, behind what a poll learnt
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
        self._wake = threading.Event()
        self._seen_subscription = False
        self._socket: websocket.WebSocket | None = None
        self._heard = -1  # the last height the present subscription told
        self._polled = -1
        self._watched: websocket.WebSocket | None = None
        self._awaited = 0  # the height that the watched subscription has to tell next
        self._up_to_date_at_ns = 0
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
        """End both threads, and the patience of everyone who asks through the same `Rpc`; idempotent."""
        self._stopped.set()
        self._wake.set()
        self._abort()
        self._rpc.lose_patience()
        for thread in self._threads:
            thread.join(self._timeout_s + _RECONNECT_S)

    def _poll(self) -> None:
        while not self._stopped.is_set():
            try:
                height = self._rpc.hex_int("eth_blockNumber", [])
            except Exception as error:  # noqa: BLE001 - a thread's edge: handed to the follower's thread
                self._heads.put(error)
                return
            if height != self._polled:
                self._polled = height
                self._heads.put(Head(height, None, monotonic_ns()))
            self._check_subscription()
            self._wake.wait(_SLOW_POLL_S if self._heard >= self._polled else self._poll_interval_s)
            self._wake.clear()

    def _check_subscription(self) -> None:
        """Give up a connection that for `_SILENCE_S` has not told a height that a poll learnt after it was made."""
        if self._socket is not self._watched:
            self._watched, self._awaited = self._socket, self._polled + 1
        if self._heard >= self._awaited:
            self._awaited = self._heard + 1
        now = monotonic_ns()
        if self._polled < self._awaited:
            self._up_to_date_at_ns = now
        elif now - self._up_to_date_at_ns > _SILENCE_S * NS_PER_S:
            self._abort()

    def _abort(self) -> None:
        socket = self._socket
        if socket is not None:
            socket.abort()  # type: ignore[no-untyped-call]

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
                self._heard = -1
                self._wake.set()
            self._stopped.wait(_RECONNECT_S)

    def _hear(self, target: Target) -> None:
        connection = connect(target, self._timeout_s)
        try:
            self._socket = connection
            connection.settimeout(_SILENCE_S)
            connection.send(_SUBSCRIBE)
            while not self._stopped.is_set() and (frame := _receive(connection)):
                stamp = monotonic_ns()
                if (head := _head_of(frame, stamp)) is not None:
                    self._seen_subscription = True
                    self._heard = head.height
                    self._heads.put(head)
                elif (refusal := _refusal_of(frame)) is not None:
                    raise NotSentError(f"{target.shown} refuses eth_subscribe: {refusal}")
        finally:
            self._socket = None
            connection.shutdown()  # type: ignore[no-untyped-call]


def _receive(connection: websocket.WebSocket) -> bytes:
    """The next message; empty when the node closed. Raises WebSocketTimeoutException when a ping finds no answer."""
    pinged = False
    while True:
        try:
            opcode, data = connection.recv_data(control_frame=True)
        except websocket.WebSocketTimeoutException:
            if pinged:
                raise
            connection.ping()
            pinged = True
            continue
        if opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
            return bytes(data)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return b""
        pinged = False


def _head_of(frame: bytes, stamp: int) -> Head | None:
    try:
        message = orjson.loads(frame)
        result = message["params"]["result"]
        return Head(int(result["number"], 16), str(result["hash"]), stamp)
    except (ValueError, KeyError, TypeError):
        return None  # the answer to the subscription


def _refusal_of(frame: bytes) -> str | None:
    try:
        return str(orjson.loads(frame)["error"]["message"])[:200]
    except (ValueError, KeyError, TypeError):
        return None
