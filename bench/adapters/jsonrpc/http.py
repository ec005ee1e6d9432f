"""A minimal HTTP/1.1 client for one host: POST with prebuilt headers over pooled keep-alive connections.

Written by hand because the client's CPU is the harness's ceiling (`benchmarks/evm_client.py` compares). It knows
content-length, chunked and until-close bodies, and interim responses; no redirects, proxies or compression. Plain
`socket` calls only, so that gevent's patched sockets serve many greenlets; the pool is a list, whose `pop` and `append`
are atomic in threads and greenlets alike.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

from bench.adapters.jsonrpc.channel import Answer, LostError, NotSentError, Target

_CHUNK_BYTES = 65_536
_MAX_HEAD_BYTES = 1 << 16
_MAX_ANSWER_BYTES = 1 << 30
_STALE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError, ssl.SSLEOFError)


class HttpChannel:
    """One connection per exchange under way; idle ones are kept for the next."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._idle: list[socket.socket] = []
        self._closed = False
        self._tls = ssl.create_default_context() if target.secure else None
        lines = [f"POST {target.path} HTTP/1.1", f"Host: {target.authority}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in target.headers.items()]
        self._head = ("\r\n".join(lines) + "\r\nContent-Length: ").encode("latin-1", "replace")

    def exchange(self, body: bytes, ids: Sequence[int] = ()) -> Answer:  # noqa: ARG002 - HTTP answers in place
        """POST `body`. A kept connection that the peer closed before any byte of an answer is replaced once."""
        message = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._attempt(self._connect(), message)
        try:
            return self._attempt(connection, message)
        except _ClosedEarlyError as stale:
            try:
                return self._attempt(self._connect(), message)
            except NotSentError as error:
                if stale.delivered:
                    raise LostError(f"connection closed, and then {error}") from error
                raise

    def close(self) -> None:
        """Close idle connections; those in use are closed when their exchange ends."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _connect(self) -> socket.socket:
        target = self._target
        try:
            connection = socket.create_connection((target.host, target.port), self._timeout_s)
        except OSError as error:
            raise NotSentError(f"{target.shown} cannot be reached: {_reason(error)}") from error
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection if self._tls is None else self._tls.wrap_socket(connection, server_hostname=target.host)
        except OSError as error:
            connection.close()
            raise NotSentError(f"{target.shown} cannot be reached: {_reason(error)}") from error

    def _attempt(self, connection: socket.socket, message: bytes) -> Answer:
        """One request and its answer; the connection goes back to the pool only after a whole answer that allows it."""
        keep = False
        try:
            status, body, keep = _converse(connection, message)
            return Answer(status, body)
        except TimeoutError as error:
            raise LostError(f"no answer from {self._target.shown} within {self._timeout_s:g} s") from error
        except OSError as error:
            raise LostError(f"connection to {self._target.shown} lost: {_reason(error)}") from error
        finally:
            if keep and not self._closed:
                self._idle.append(connection)
            else:
                connection.close()


class _ClosedEarlyError(LostError):
    """The peer closed before any byte of an answer. `delivered`: the request may have reached it."""

    def __init__(self, *, delivered: bool) -> None:
        super().__init__("connection closed before any answer")
        self.delivered = delivered


def _converse(connection: socket.socket, message: bytes) -> tuple[int, bytes, bool]:
    try:
        sent = connection.send(message)
        if sent < len(message):
            connection.sendall(memoryview(message)[sent:])
    except _STALE as error:
        raise _ClosedEarlyError(delivered=False) from error
    try:
        data = connection.recv(_CHUNK_BYTES)
    except _STALE as error:
        raise _ClosedEarlyError(delivered=True) from error
    if not data:
        raise _ClosedEarlyError(delivered=True)
    end = data.find(b"\r\n\r\n")
    while end < 0 or data[9:10] == b"1":  # header not whole, or an interim response (1xx) to skip
        if len(data) > _MAX_HEAD_BYTES:
            raise LostError("the answer is not HTTP")
        if end >= 0:
            data = data[end + 4 :]
        if end < 0 or not data:
            data += _more(connection)
        end = data.find(b"\r\n\r\n")
    return _read_body(connection, data[:end].lower(), data[end + 4 :])


def _read_body(connection: socket.socket, head: bytes, body: bytes) -> tuple[int, bytes, bool]:
    """`head` is lower case, `body` what came with it."""
    if head[:7] != b"http/1." or not head[9:12].isdigit():
        raise LostError("the answer is not HTTP")
    status = int(head[9:12])
    keep = head[7:8] == b"1" and b"\r\nconnection: close" not in head
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        end = head.find(b"\r\n", at + 2)
        digits = (head[at + 17 : end] if end >= 0 else head[at + 17 :]).strip()
        if not digits.isdigit() or int(digits) > _MAX_ANSWER_BYTES:
            raise LostError("the answer has no usable length")
        size = int(digits)
        if len(body) < size:
            body = _fill(connection, body, size)
        return status, body[:size], keep and len(body) == size
    if b"\r\ntransfer-encoding:" in head and b"chunked" in head:
        return status, _read_chunks(connection, body), keep
    return status, _read_to_end(connection, body), False


def _fill(connection: socket.socket, start: bytes, size: int) -> bytes:
    parts, have = [start], len(start)
    while have < size:
        part = _more(connection)
        parts.append(part)
        have += len(part)
    return b"".join(parts)


def _read_chunks(connection: socket.socket, data: bytes) -> bytes:
    buffer = bytearray(data)
    parts: list[bytes] = []
    while True:
        while (end := buffer.find(b"\r\n")) < 0:
            buffer += _more(connection)
        try:
            size = int(buffer[:end].split(b";")[0], 16)
        except ValueError as error:
            raise LostError("the answer has a broken chunk") from error
        del buffer[: end + 2]
        while len(buffer) < size + 2:
            buffer += _more(connection)
        if size == 0:
            return b"".join(parts)
        parts.append(bytes(buffer[:size]))
        del buffer[: size + 2]


def _read_to_end(connection: socket.socket, data: bytes) -> bytes:
    parts = [data]
    while part := connection.recv(_CHUNK_BYTES):
        parts.append(part)
    return b"".join(parts)


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(_CHUNK_BYTES)
    if not data:
        raise LostError("the answer ended in the middle")
    return data


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
