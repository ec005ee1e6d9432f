"""gRPC over cleartext HTTP/2 on a plain blocking socket: unary calls, several at once, and one stream of answers.

Just what etcd needs, because the library for it (grpcio) blocks in C, which gevent cannot patch, and etcd's HTTP/JSON
gateway costs the node more than the call itself. Requests carry constant, literal headers. The server is told to keep
no header table for its answers (SETTINGS_HEADER_TABLE_SIZE 0), so equal header blocks are equal bytes: each kind is
decoded once. Source: RFC 9113, RFC 7541, and gRPC's own "gRPC over HTTP2".
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpack import Decoder
from hpack.exceptions import HPACKError

from bench.model.clock import monotonic_ns
from bench.model.errors import LedgerError

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _END_HEADERS, _ACK, _PADDED, _PRIORITY = 0x1, 0x4, 0x1, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE = 1, 2, 4
_LARGEST_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65_535
_LAST_STREAM = 2**31 - 1_000_000
_MOST_FRAME_BYTES = 16_384
_RECEIVE_BYTES = 128 * 1024
_FRAME = struct.Struct(">HBBBI")  # length as 16 + 8 bits, type, flags, stream
_MESSAGE = struct.Struct(">BI")
_NO_STATUS = -1
_RETURN_AT = 1 << 20
_START = "start it, or correct the endpoint"


class ConnectionLostError(LedgerError):
    """The other side is gone or broke the protocol: what is open on the connection has no answer."""


class NotConnectedError(ConnectionLostError):
    """Nobody listens there: nothing has been sent."""


@dataclass(frozen=True, slots=True)
class CallError:
    """The server ended a call with a status other than OK. `code` is gRPC's number."""

    code: int
    message: str


@dataclass(slots=True)
class _Call:
    """One stream while it is open."""

    body: bytearray
    headers: bytearray
    status: int = _NO_STATUS
    message: str = ""
    ended: bool = False


def method(path: str, authority: str) -> bytes:
    """The header block of every request to `path`: literal fields, never indexed."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", authority)]
    fields += [("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "ledger-bench")]
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)


class Channel:
    """One connection. One caller at a time: whoever shares channels hands each to one greenlet or thread."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.authority = f"{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise NotConnectedError(f"etcd does not answer: {error}", value=self.authority, remedy=_START) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._calls: dict[int, _Call] = {}
        self._next = 1
        self._window = _FIRST_WINDOW
        self._methods: dict[str, bytes] = {}
        self._known: dict[bytes, tuple[int, str]] = {}
        self._decoder = Decoder()
        self._decoder.max_allowed_table_size = 0
        self._leaving = False
        self._returned = 0
        self.received_at_ns = 0
        settings = ((_HEADER_TABLE_SIZE, 0), (_ENABLE_PUSH, 0), (_INITIAL_WINDOW_SIZE, _LARGEST_WINDOW))
        body = b"".join(struct.pack(">HI", name, value) for name, value in settings)
        wider = struct.pack(">I", _LARGEST_WINDOW - _FIRST_WINDOW)
        self._send(_PREFACE + _frame(_SETTINGS, 0, 0, body) + _frame(_WINDOW_UPDATE, 0, 0, wider))

    @property
    def usable(self) -> bool:
        """False once the server is leaving or stream numbers run out: take another."""
        return not self._leaving and self._next < _LAST_STREAM

    def calls(self, path: str, messages: Sequence[bytes]) -> list[bytes | CallError]:
        """All of `messages` at once, each a call of `path`; their answers in order. ConnectionLostError or TimeoutError
        leaves all of them without one, and the channel of no further use.
        """
        opened = []
        out = bytearray()
        for message in messages:
            body = _MESSAGE.pack(0, len(message)) + message
            if len(body) > self._window:
                self._send(out)
                out.clear()
                self._wait_for_window(len(body))
            stream, call = self._open(path, out, body, last=True)
            opened.append((stream, call))
        self._send(out)
        answers = []
        for stream, call in opened:
            while not call.ended:
                self._receive()
            del self._calls[stream]
            answers.append(_answer(call))
        return answers

    def begin(self, path: str, message: bytes) -> int:
        """A call beside an open stream; `ended` has its answer once it came, while the stream is read."""
        out = bytearray()
        stream, _ = self._open(path, out, _MESSAGE.pack(0, len(message)) + message, last=True)
        self._send(out)
        return stream

    def ended(self, begun: int) -> bytes | CallError | None:
        """The answer to what `begin` began, told once; None: not yet."""
        if not self._calls[begun].ended:
            return None
        return _answer(self._calls.pop(begun))

    def stream(self, path: str, message: bytes) -> Iterator[bytes | None]:
        """Answers to one call that stays open, None whenever nothing came within the timeout. Ends with an error."""
        out = bytearray()
        _, call = self._open(path, out, _MESSAGE.pack(0, len(message)) + message, last=False)
        self._send(out)
        while True:
            while (found := _cut(call.body)) is not None:
                yield found
            if call.ended:
                raise ConnectionLostError(f"etcd ended the stream: {call.message}", value=call.status)
            try:
                self._receive()
            except TimeoutError:
                yield None

    def set_timeout(self, timeout_s: float) -> None:
        """Bound of each later wait on the socket."""
        self._socket.settimeout(timeout_s)

    def close(self) -> None:
        """Idempotent; wakes whoever waits."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    # --- frames

    def _open(self, path: str, out: bytearray, body: bytes, *, last: bool) -> tuple[int, _Call]:
        headers = self._methods.get(path)
        if headers is None:
            headers = self._methods[path] = method(path, self.authority)
        stream, self._next = self._next, self._next + 2
        call = self._calls[stream] = _Call(bytearray(), bytearray())
        out += _frame(_HEADERS, _END_HEADERS, stream, headers)
        for start in range(0, len(body), _MOST_FRAME_BYTES):
            piece = body[start : start + _MOST_FRAME_BYTES]
            ends = last and start + len(piece) == len(body)
            out += _frame(_DATA, _END_STREAM if ends else 0, stream, piece)
        self._window -= len(body)
        return stream, call

    def _wait_for_window(self, size: int) -> None:
        if size > _FIRST_WINDOW:
            raise LedgerError("a request is larger than this client sends", value=size, remedy="send less at a time")
        while self._window < size:
            self._receive()

    def _send(self, data: bytes | bytearray) -> None:
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionLostError(f"connection broke while sending: {error}", value=self.authority) from error

    def _receive(self) -> None:
        """Take what has come, or wait for it, and treat every whole frame of it."""
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionLostError(f"connection broke: {error}", value=self.authority) from error
        if not data:
            raise ConnectionLostError("etcd closed the connection", value=self.authority)
        self.received_at_ns = monotonic_ns()
        buffer = self._buffer
        buffer += data
        position, size = 0, len(buffer)
        while size - position >= _FRAME.size:
            high, low, kind, flags, stream = _FRAME.unpack_from(buffer, position)
            end = position + _FRAME.size + (high << 8 | low)
            if end > size:
                break
            self._take(kind, flags, stream & 0x7FFF_FFFF, bytes(buffer[position + _FRAME.size : end]))
            position = end
        del buffer[:position]

    def _take(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        if kind == _DATA:
            if (call := self._calls.get(stream)) is not None:
                call.body += _unpadded(flags, body)
                call.ended = call.ended or bool(flags & _END_STREAM)
            if body:  # hand the connection's window back; a stream's own is as large as it gets
                self._returned += len(body)
                if self._returned >= _RETURN_AT:
                    self._send(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._returned)))
                    self._returned = 0
        elif kind in (_HEADERS, _CONTINUATION):
            self._take_headers(kind, flags, stream, body)
        elif kind == _WINDOW_UPDATE:
            if stream == 0:
                self._window += struct.unpack(">I", body)[0] & 0x7FFF_FFFF
        elif kind == _SETTINGS and not flags & _ACK:
            self._send(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._send(_frame(_PING, _ACK, 0, body))
        elif kind == _RST_STREAM:
            if (call := self._calls.get(stream)) is not None:
                call.status, call.message, call.ended = 14, "the stream was reset", True
        elif kind == _GOAWAY:
            self._leaving = True

    def _take_headers(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        if kind == _HEADERS:
            body = _unpadded(flags, body)
            call.headers = bytearray(body[5:] if flags & _PRIORITY else body)
            call.ended = call.ended or bool(flags & _END_STREAM)
        else:
            call.headers += body
        if flags & _END_HEADERS:
            status, message = self._status(bytes(call.headers))
            if status != _NO_STATUS:
                call.status, call.message = status, message

    def _status(self, block: bytes) -> tuple[int, str]:
        """grpc-status and grpc-message of a header block, -1 where it has none."""
        found = self._known.get(block)
        if found is None:
            try:
                fields = {str(name): str(value) for name, value in self._decoder.decode(block)}
            except HPACKError as error:
                raise ConnectionLostError(f"headers cannot be read: {error}", value=self.authority) from error
            found = int(fields.get("grpc-status", _NO_STATUS)), str(fields.get("grpc-message", ""))
            if not block.startswith(b"\x20"):  # an update of the table's size comes once
                self._known[block] = found
        return found


def _answer(call: _Call) -> bytes | CallError:
    if call.status != 0:
        return CallError(call.status, call.message)
    found = _cut(call.body)
    return found if found is not None else CallError(13, "no message in the answer")


def _cut(body: bytearray) -> bytes | None:
    """The next whole message of a stream's data."""
    if len(body) < _MESSAGE.size:
        return None
    compressed, length = _MESSAGE.unpack_from(body)
    if compressed:
        raise ConnectionLostError("etcd compressed an answer, which nobody asked for")
    end = _MESSAGE.size + length
    if len(body) < end:
        return None
    message = bytes(body[_MESSAGE.size : end])
    del body[:end]
    return message


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    size = len(body)
    return _FRAME.pack(size >> 8, size & 0xFF, kind, flags, stream) + body


def _unpadded(flags: int, body: bytes) -> bytes:
    return body[1 : len(body) - body[0]] if flags & _PADDED else body


def _text(text: str) -> bytes:
    """A literal string of HPACK, without Huffman; all of ours are short."""
    data = text.encode()
    assert len(data) < 127
    return bytes((len(data),)) + data
