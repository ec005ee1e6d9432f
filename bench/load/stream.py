"""Frames between two processes of ours on one host: a connected socket, read and written whole messages at a time."""

from __future__ import annotations

import socket
from typing import Any

from bench.model.wire import RECEIVE_BYTES, FrameReader, pack


class Stream:
    """One reader and one writer at a time; blocks (under gevent: the greenlet only)."""

    __slots__ = ("_reader", "connection")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._reader = FrameReader()

    def send(self, frame: object) -> None:
        """Write one message. Raises OSError when the other side is gone."""
        self.connection.sendall(pack(frame))

    def read(self) -> Any | None:
        """The next message, or None when the other side closed. Raises OSError when the connection broke."""
        while (message := self._reader.next()) is None:
            data = self.connection.recv(RECEIVE_BYTES)
            if not data:
                return None
            self._reader.feed(data)
        return message

    def close(self) -> None:
        """Idempotent."""
        self.connection.close()
