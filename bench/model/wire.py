"""Length-prefixed msgpack frames over Unix or TCP sockets: how we talk to ledger nodes of our own.

One frame is a 4-byte big-endian length and that many bytes of msgpack. Nothing is pickled, a frame is bounded, and what
is not a frame is said to be none. The client blocks on a plain socket, so it works in threads and, where the process is
patched, under gevent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgpack

from bench.model.clock import monotonic_ns
from bench.model.errors import ConfigurationError, LedgerError

MAX_FRAME_BYTES = 32 * 1024 * 1024
RECEIVE_BYTES = 256 * 1024
_HEADER = struct.Struct(">I")
_UNIX_PATH_BYTES = 100  # the kernel's sun_path holds 108 with its terminator

T = TypeVar("T")


class WireError(LedgerError):
    """The other side is gone, or does not speak frames."""


class NotConnectedError(WireError):
    """Nobody listens there: nothing has been sent."""


@dataclass(frozen=True, slots=True)
class Address:
    """A Unix socket's `path`, or `host` and `port`."""

    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, url: str) -> Address:
        """`unix:/run/node.sock` or `tcp://127.0.0.1:7000`."""
        if url.startswith("unix:") and len(url) > len("unix:"):
            return cls(path=url.removeprefix("unix:"))
        host, colon, port = url.removeprefix("tcp://").rpartition(":")
        if url.startswith("tcp://") and colon and host and port.isdigit():
            return cls(host=host.strip("[]"), port=int(port))
        raise ConfigurationError(
            "endpoint is not a socket address", value=url, remedy="write unix:/path/to.sock or tcp://127.0.0.1:PORT"
        )

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"tcp://{self.host}:{self.port}"


def pack(message: object) -> bytes:
    """The frame of `message`: None, bool, int (64 bits), float, str, bytes, lists and string-keyed dicts of them."""
    try:
        body: bytes = msgpack.packb(message)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"message cannot be framed: {error}", value=type(message).__name__) from error
    if len(body) > MAX_FRAME_BYTES:
        raise WireError("frame is larger than the bound", value=len(body), remedy="send smaller batches")
    return _HEADER.pack(len(body)) + body


def unpack(body: bytes) -> Any:
    """The message of a frame's body; WireError when it is not msgpack."""
    try:
        return msgpack.unpackb(body)
    except (ValueError, msgpack.UnpackException) as error:
        raise WireError(f"frame does not hold msgpack: {error}", value=body[:16]) from error


class FrameReader:
    """Cuts a byte stream into messages: `feed` what arrived, then call `next` until it returns None."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Append bytes as they came from the socket."""
        self._buffer += data

    def next(self) -> Any | None:
        """The next whole message, or None when more bytes are needed. No message of ours is None itself."""
        buffer = self._buffer
        if len(buffer) < _HEADER.size:
            return None
        end = _HEADER.size + _body_length(buffer)
        if len(buffer) < end:
            return None
        body = bytes(buffer[_HEADER.size : end])
        del buffer[:end]
        return unpack(body)


def _body_length(buffer: bytearray) -> int:
    (length,) = _HEADER.unpack_from(buffer)
    if length > MAX_FRAME_BYTES:
        head = bytes(buffer[:16])
        raise WireError("these bytes are not a frame of ours", value=head, remedy="check what listens there")
    return int(length)


class Connection:
    """A blocking client. One request at a time: whoever shares connections hands each to one greenlet or thread."""

    __slots__ = ("_reader", "_socket", "address", "received_at_ns")

    def __init__(self, address: Address, timeout_s: float) -> None:
        self.address = address
        self._socket = _connect(address, timeout_s)
        self._reader = FrameReader()
        self.received_at_ns = 0  # when the bytes that completed the latest message came

    def request(self, message: object) -> Any:
        """Send and wait for the answer. After a TimeoutError or WireError the connection is of no further use, because
        a late answer would be taken for the next one's.
        """
        self.send(message)
        return self.receive()

    def send(self, message: object) -> None:
        """Hand the frame to the kernel."""
        frame = pack(message)
        try:
            self._socket.sendall(frame)
        except TimeoutError:
            raise
        except OSError as error:
            raise WireError(f"connection broke while sending: {error}", value=str(self.address)) from error

    def receive(self) -> Any:
        """The next message. After a TimeoutError what has come of a frame is kept, and it may be called again."""
        while (message := self._reader.next()) is None:
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except TimeoutError:
                raise
            except OSError as error:
                raise WireError(f"connection broke: {error}", value=str(self.address)) from error
            if not data:
                raise WireError("the other side closed the connection", value=str(self.address))
            self.received_at_ns = monotonic_ns()
            self._reader.feed(data)
        return message

    def set_timeout(self, timeout_s: float) -> None:
        """Bound of each later wait on the socket."""
        self._socket.settimeout(timeout_s)

    def close(self) -> None:
        """Idempotent; wakes whoever waits in `receive`."""
        with contextlib.suppress(OSError):  # never connected, or already closed
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def listen(address: Address, backlog: int = 4096) -> socket.socket:
    """A listening, non-blocking socket. A `path` is for this user only; `tcp` with port 0 takes a free port."""
    if not address.path:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address.host, address.port))
    else:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _at_path(address.path, server.bind)
        Path(address.path).chmod(0o600)
    server.listen(backlog)
    server.setblocking(False)
    return server


def _connect(address: Address, timeout_s: float) -> socket.socket:
    family = socket.AF_UNIX if address.path else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        if address.path:
            _at_path(address.path, connection.connect)
        else:
            connection.connect((address.host, address.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        connection.close()
        raise NotConnectedError(
            f"ledger does not answer: {error}", value=str(address), remedy="start it, or correct the endpoint"
        ) from error
    return connection


def _at_path(path: str, use: Callable[[str], T]) -> T:
    """A socket's path is limited to 107 bytes; a longer one is reached through its directory's descriptor."""
    if len(os.fsencode(path)) <= _UNIX_PATH_BYTES:
        return use(path)
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    try:
        return use(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    finally:
        os.close(directory)
