"""Learning that a block is committed, as early as possible and with the time it was learnt.

`NewBlockHeader` over WebSocket (a small frame, where `NewBlock` would carry the whole block before its time is known),
merged with a poll of what the application has executed: slow while the subscription has told every height the poll
knows of, else at `poll_interval_s`. A subscription that is lost or answers no ping is begun anew, at the next node. A
thread stamps; the follower takes heights from a queue.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, replace
from typing import Any

import orjson
import websocket

from bench.adapters.cometbft.rpc import Peer, Rpc
from bench.adapters.jsonrpc.channel import NotSentError, Target
from bench.adapters.jsonrpc.rpc import UnreachedError
from bench.adapters.jsonrpc.ws import connect
from bench.model.clock import monotonic_ns
from bench.model.errors import LedgerError

_SLOW_POLL_S = 1.0
_RECONNECT_S = 0.5
_SILENCE_S = 3.0
_SUBSCRIBE = b'{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"query":"tm.event=\'NewBlockHeader\'"}}'


@dataclass(frozen=True, slots=True)
class Height:
    """A height that is committed, and when that was learnt."""

    height: int
    observed_at_ns: int


class HeightWatcher:
    """`next` gives heights as they are learnt, sometimes one twice. Owns two threads from `start` to `stop`.

    Nodes that do not answer are no failure here: the follower decides how long it waits for blocks.
    """

    def __init__(self, rpc: Rpc, subscribe: bool, poll_interval_s: float, timeout_s: float) -> None:
        self._rpc = rpc
        self._subscribe = subscribe
        self._poll_interval_s = poll_interval_s
        self._timeout_s = timeout_s
        self._heights: queue.SimpleQueue[Height | Exception] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._socket: websocket.WebSocket | None = None
        self._heard = -1  # the last height the present subscription told
        self._polled = -1
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to listen."""
        for loop in (self._poll, self._listen) if self._subscribe else (self._poll,):
            thread = threading.Thread(target=loop, name=f"cometbft-heights{loop.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def next(self, timeout_s: float) -> Height | None:
        """The next height, or None when none came in time. Raises what a thread failed with."""
        try:
            found = self._heights.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def stop(self) -> None:
        """End both threads; idempotent."""
        self._stopped.set()
        self._wake.set()
        self._abort()
        for thread in self._threads:
            thread.join(self._timeout_s + _RECONNECT_S)

    def _poll(self) -> None:
        while not self._stopped.is_set():
            try:
                height = latest_height(self._rpc)
                if height > self._polled:
                    self._polled = height
                    self._heights.put(Height(height, monotonic_ns()))
            except UnreachedError:
                pass  # asked again; blocks that cannot be had are the follower's business
            except Exception as error:  # noqa: BLE001 - a thread's edge: handed to the follower's thread
                self._heights.put(error)
                return
            self._wake.wait(_SLOW_POLL_S if self._heard >= self._polled >= 0 else self._poll_interval_s)
            self._wake.clear()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            peer = self._rpc.current
            try:
                self._hear(peer.target)
            except (OSError, NotSentError, websocket.WebSocketException):
                self._rpc.give_up(peer)  # the poll carries on at its own interval until a subscription is back
            except LedgerError as error:
                self._heights.put(error)
                return
            finally:
                self._heard = -1
                self._wake.set()
            self._stopped.wait(_RECONNECT_S)

    def _hear(self, target: Target) -> None:
        connection = connect(_websocket(target), self._timeout_s)
        try:
            self._socket = connection
            connection.settimeout(_SILENCE_S)
            connection.send(_SUBSCRIBE)
            while not self._stopped.is_set() and (frame := _receive(connection)):
                stamp = monotonic_ns()
                if (height := _height_of(frame, target)) is not None:
                    self._heard = height
                    self._heights.put(Height(height, stamp))
        finally:
            self._socket = None
            connection.shutdown()  # type: ignore[no-untyped-call]

    def _abort(self) -> None:
        connection = self._socket
        if connection is not None:
            connection.abort()  # type: ignore[no-untyped-call]


def latest_height(rpc: Rpc) -> int:
    """The highest block whose transactions a node's application has executed and committed. The height that `status`
    tells is the block store's, which is ahead of that while a block is executed.
    """
    info: Any = rpc.call("abci_info")
    try:
        return int(info["response"].get("last_block_height", 0))  # left out before the first block
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise LedgerError("the height of the node's application cannot be read", value=str(error)[:200]) from error


def watching_path(subscribe: bool, poll_interval_s: float) -> str:
    """How blocks are learnt of, for the bundle."""
    polled = "abci_info, the height that the application has executed and committed"
    if not subscribe:
        return f"blocks: polled every {poll_interval_s:g} s ({polled}; adapter option subscribe is false)"
    return (
        f"blocks: NewBlockHeader over WebSocket, which follows execution; {polled}, every {_SLOW_POLL_S:g} s, "
        f"every {poll_interval_s:g} s while the subscription is behind"
    )


def most_advanced(rpc: Rpc, peers: list[Peer]) -> Rpc:
    """A client of the node that has executed the highest block alone: one that was away may still be catching up."""
    best, best_height = rpc, -1
    for peer in peers:
        one = rpc.only(peer)
        try:
            height = latest_height(one)
        except LedgerError:
            continue
        if height > best_height:
            best, best_height = one, height
    return best


def _websocket(target: Target) -> Target:
    return replace(
        target, scheme="wss" if target.secure else "ws", path=target.path.partition("?")[0].rstrip("/") + "/websocket"
    )


def _receive(connection: websocket.WebSocket) -> bytes:
    """The next message; raises WebSocketException when the node closed or a ping finds no answer."""
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
            raise websocket.WebSocketConnectionClosedException("closed by the node")
        pinged = False


def _height_of(frame: bytes, target: Target) -> int | None:
    """None for the answer to the subscription; LedgerError when the node refuses to be subscribed to."""
    try:
        message = orjson.loads(frame)
        if "error" in message:
            raise LedgerError(
                f"{target.shown} refuses the subscription to blocks",
                value=str(message["error"])[:200],
                remedy="set adapter option subscribe: false",
            )
        return int(message["result"]["data"]["value"]["header"]["height"])
    except (ValueError, KeyError, TypeError):
        return None
