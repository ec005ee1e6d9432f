"""The event loop of our own ledger nodes: accepts connections, cuts frames, feeds followers. One thread, no polling.

A node is a `Service`. What it commits blocks the loop on purpose: while one group is being made durable, the next one
gathers in the sockets' buffers, and that is group commit without any artificial delay.
"""

from __future__ import annotations

import selectors
import signal
import socket
from typing import Any, Protocol

from bench.model.wire import RECEIVE_BYTES, FrameReader, WireError, pack

FOLLOWER_BACKLOG_BYTES = 1024 * 1024
"""A follower that reads slowly is fed no further than this; it catches up from the chain, not from our memory."""


class Service(Protocol):
    """What a node does; called from the loop's only thread."""

    def handle(self, peer: Peer, message: Any) -> None:
        """One message of a peer. A WireError closes that peer's connection."""

    def tick(self) -> float | None:
        """Do what is due; return in how many seconds to be called again at the latest (None: when a message comes)."""

    def block(self, height: int) -> bytes | None:
        """The frame of a block for followers, None while there is none of that height."""


class Peer:
    """One connection. `follows` is the next height this peer wants, None when it does not follow."""

    __slots__ = ("_out", "_reader", "_selector", "_socket", "closed", "follows")

    def __init__(self, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        connection.setblocking(False)
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._selector = selector
        self._reader = FrameReader()
        self._out = bytearray()
        self.follows: int | None = None
        self.closed = False
        selector.register(connection, selectors.EVENT_READ, self)

    def send(self, message: object) -> None:
        """Queue and try to send; to a closed peer nothing happens."""
        self.send_frame(pack(message))

    def send_frame(self, frame: bytes) -> None:
        """As `send`, for what is framed already."""
        if not self.closed:
            self._out += frame
            self.flush()

    @property
    def backlog(self) -> int:
        """Bytes the kernel did not take yet."""
        return len(self._out)

    def flush(self) -> None:
        """Send what the kernel takes, and ask to be woken for the rest."""
        had_waited = False
        try:
            while self._out:
                had_waited = True
                del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            self._selector.modify(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)
            return
        except OSError:  # the peer is gone; it may ask again on a new connection
            self.close()
            return
        if had_waited and self._selector.get_key(self._socket).events & selectors.EVENT_WRITE:
            self._selector.modify(self._socket, selectors.EVENT_READ, self)

    def read(self, service: Service) -> None:
        """Hand every whole message that has arrived to the service; close on end or garbage."""
        try:
            data = self._socket.recv(RECEIVE_BYTES)
            if not data:
                self.close()
                return
            self._reader.feed(data)
            while not self.closed and (message := self._reader.next()) is not None:
                service.handle(self, message)
        except BlockingIOError:
            return
        except (OSError, WireError):
            self.close()

    def close(self) -> None:
        """Idempotent."""
        if not self.closed:
            self.closed = True
            self._selector.unregister(self._socket)
            self._socket.close()


class SocketServer:
    """Runs a service until SIGTERM or SIGINT, or until `stop`."""

    def __init__(self, listener: socket.socket, service: Service) -> None:
        self._listener = listener
        self._service = service
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._peers: set[Peer] = set()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._stopping = False

    def stop(self) -> None:
        """Let `run` return after the present round; callable from a signal handler or another thread."""
        self._stopping = True
        self._wake_out.send(b"\0")

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT become `stop`; for a process of its own."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def run(self) -> None:
        """Serve; sockets are closed on return, also after an error."""
        try:
            wait_s: float | None = None
            while not self._stopping:
                self._receive(wait_s)
                wait_s = self._service.tick()
                self._feed()
        finally:
            self._close()

    def _receive(self, wait_s: float | None) -> None:
        for key, events in self._selector.select(wait_s):
            peer = key.data
            if peer is not None:
                if events & selectors.EVENT_WRITE:
                    peer.flush()
                if events & selectors.EVENT_READ and not peer.closed:
                    peer.read(self._service)
            elif key.fileobj is self._listener:
                self._accept()
            else:
                self._wake_in.recv(64)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # gone again before we looked
            return
        self._peers.add(Peer(connection, self._selector))

    def _feed(self) -> None:
        for peer in [peer for peer in self._peers if peer.closed]:
            self._peers.discard(peer)
        for peer in self._peers:
            while peer.follows is not None and not peer.closed and peer.backlog < FOLLOWER_BACKLOG_BYTES:
                frame = self._service.block(peer.follows)
                if frame is None:
                    break
                peer.follows += 1
                peer.send_frame(frame)

    def _close(self) -> None:
        for peer in self._peers:
            peer.close()
        for end in (self._listener, self._wake_in, self._wake_out):
            end.close()
        self._selector.close()
