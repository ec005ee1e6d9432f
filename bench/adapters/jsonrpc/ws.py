"""JSON-RPC over one WebSocket shared by all callers: answers come in any order and are matched by id.

A reader thread (a greenlet in a patched process) starts with the first exchange. The same request may be under way
twice (a resend, two identical reads), so waiters queue per id; equal requests have interchangeable answers.

A connection on which nothing at all was heard between a request and its time limit is taken for half-open (a peer that
vanished without a word) and given up: the next exchange makes a new one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

import orjson
import websocket

from bench.adapters.jsonrpc.channel import Answer, LostError, NotSentError, Target

OPCODE_TEXT = 0x1


class _Waiter:
    __slots__ = ("answer", "done", "ids", "lost")

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = ids
        self.done = threading.Event()
        self.answer: bytes | None = None
        self.lost = ""


class WsChannel:
    """Reconnects on the next exchange after a loss; exchanges under way when it happens are lost."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._socket: websocket.WebSocket | None = None
        self._reader: threading.Thread | None = None
        self._waiters: dict[tuple[bool, int], deque[_Waiter]] = {}
        self._heard_at = 0.0
        self._failed_at = 0.0
        self._failure = ""

    def exchange(self, body: bytes, ids: Sequence[int]) -> Answer:
        """Send one text frame and wait for the frame that answers it."""
        waiter = _Waiter(ids)
        batch = body[:1] == b"["
        began = time.monotonic()
        with self._lock:
            connection = self._connection(began)
            self._enlist(waiter, batch)
        try:
            connection.send(body, OPCODE_TEXT)  # has a lock of its own; the reader must not wait for it
        except (OSError, websocket.WebSocketException) as error:
            self._drop(connection, f"connection to {self._target.shown} lost: {error}")
        answered = waiter.done.wait(self._timeout_s)
        if waiter.answer is not None:
            return Answer(200, waiter.answer)
        with self._lock:
            self._strike(waiter, batch)
        if answered:
            raise LostError(waiter.lost)
        if self._heard_at < began:
            self._drop(connection, f"connection to {self._target.shown} fell silent")
        raise LostError(f"no answer from {self._target.shown} in {self._timeout_s:g} s")

    def close(self) -> None:
        """Close the connection; the reader ends with it."""
        connection, reader = self._socket, self._reader
        if connection is not None:
            self._drop(connection, "closed")
        if reader is not None and reader is not threading.current_thread():
            reader.join(self._timeout_s)

    def _connection(self, wanted_at: float) -> websocket.WebSocket:
        """Those who waited while somebody's attempt to connect failed share its failure."""
        if self._socket is None:
            if self._failed_at > wanted_at:
                raise NotSentError(self._failure)
            try:
                self._socket = connect(self._target, self._timeout_s)
            except NotSentError as error:
                self._failed_at, self._failure = time.monotonic(), str(error)
                raise
            self._socket.settimeout(None)
            self._reader = threading.Thread(target=self._read, args=(self._socket,), name="jsonrpc-ws", daemon=True)
            self._reader.start()
        return self._socket

    def _read(self, connection: websocket.WebSocket) -> None:
        try:
            while True:
                frame = connection.recv()
                if not frame:
                    raise websocket.WebSocketConnectionClosedException("closed by the node")
                self._heard_at = time.monotonic()
                self._deliver(frame.encode() if isinstance(frame, str) else frame)
        except (OSError, websocket.WebSocketException) as error:
            self._drop(connection, f"connection to {self._target.shown} lost: {error}")
        finally:
            connection.shutdown()  # type: ignore[no-untyped-call]

    def _deliver(self, frame: bytes) -> None:
        try:
            answer = orjson.loads(frame)
        except ValueError:
            return
        batch = isinstance(answer, list)
        with self._lock:
            for item in answer if batch else [answer]:
                queue = self._waiters.get((batch, _id_of(item)))
                if queue:
                    waiter = queue[0]
                    self._strike(waiter, batch)
                    waiter.answer = frame
                    waiter.done.set()
                    return

    def _enlist(self, waiter: _Waiter, batch: bool) -> None:
        for number in waiter.ids:
            self._waiters.setdefault((batch, number), deque()).append(waiter)

    def _strike(self, waiter: _Waiter, batch: bool) -> None:
        for number in waiter.ids:
            queue = self._waiters.get((batch, number))
            if queue and waiter in queue:
                queue.remove(waiter)
                if not queue:
                    del self._waiters[(batch, number)]

    def _drop(self, connection: websocket.WebSocket, reason: str) -> None:
        """Forget the connection and fail everyone who waits on it; its reader wakes up and closes it."""
        with self._lock:
            if self._socket is not connection:
                return
            self._socket = None
            waiters = [waiter for queue in self._waiters.values() for waiter in queue]
            self._waiters.clear()
        connection.abort()  # type: ignore[no-untyped-call]
        for waiter in waiters:
            waiter.lost = reason
            waiter.done.set()


def connect(target: Target, timeout_s: float) -> websocket.WebSocket:
    """An open WebSocket; raises NotSentError."""
    headers = [f"{name}: {value}" for name, value in target.headers.items()]
    scheme = "wss" if target.secure else "ws"
    try:
        return websocket.create_connection(
            f"{scheme}://{target.authority}{target.path}",
            timeout=timeout_s,
            header=headers,
            suppress_origin=True,
            enable_multithread=True,
            http_no_proxy=["*"],
            skip_utf8_validation=True,  # it walks every byte in Python; what is not UTF-8 is not JSON either
        )
    except (OSError, websocket.WebSocketException) as error:
        raise NotSentError(f"{target.shown} cannot be reached: {str(error).splitlines()[0]}") from error


def _id_of(item: object) -> int:
    number = item.get("id") if isinstance(item, Mapping) else None
    return number if isinstance(number, int) else -1
