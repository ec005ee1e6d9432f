"""The null EVM node as a process: `python -m bench.ledgers.null_evm_node --address-file … [--block-interval-ms 250]`.

HTTP/1.1 and WebSocket (with `eth_subscribe newHeads`) on one loopback port that the kernel chooses; the URL is written
to the address file. Understands what the adapter of this product sends, in one thread with little work per request:
it stands for a ledger that costs nothing, so its own CPU must be small beside that of the worker that is measured.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from bench.ledgers.null_evm_chain import NullBlock, NullEvmChain
from bench.model.clock import NS_PER_MS, NS_PER_S, monotonic_ns

_RECEIVE_BYTES = 1 << 20
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_UPGRADE = re.compile(rb"\r\nupgrade:\s*websocket", re.IGNORECASE)
_KEY = re.compile(rb"\r\nsec-websocket-key:\s*(\S+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_BAD = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)


class _GoneError(Exception):
    """The connection ends."""


class Peer:
    """One connection: what has arrived and is not whole yet, and what the kernel has not taken yet."""

    __slots__ = ("_in", "_out", "follows", "socket", "websocket")

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.websocket = False
        self.follows = False
        self._in = b""
        self._out = bytearray()

    def receive(self, chain: NullEvmChain) -> None:
        """Answer every request that is whole by now."""
        data = self.socket.recv(_RECEIVE_BYTES)
        if not data:
            raise _GoneError
        self._in = self._in + data if self._in else data
        while self._in and (self._frame(chain) if self.websocket else self._post(chain)):
            pass

    def tell(self, payload: bytes, opcode: int = _TEXT) -> None:
        """A WebSocket frame to this peer."""
        self.send(frame(payload, opcode))

    def send(self, data: bytes) -> None:
        """As much as the kernel takes now; the rest when it is asked again."""
        if self._out:
            self._out += data
            return
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._out += data[sent:]

    def flush(self) -> None:
        """Try the rest again."""
        try:
            del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            pass  # the poll says when

    @property
    def waits(self) -> bool:
        """Whether something is left for `flush`."""
        return bool(self._out)

    def _post(self, chain: NullEvmChain) -> bool:
        """One HTTP request; False while it is not whole."""
        end = self._in.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._in[: end + 2]
        if _UPGRADE.search(head) and (key := _KEY.search(head)):
            self.websocket = True
            self._in = self._in[end + 4 :]
            self.send(_SWITCH % base64.b64encode(hashlib.sha1(key[1] + _GUID).digest()))
            return True
        length = _LENGTH.search(head)
        stop = end + 4 + int(length[1] if length else 0)
        if len(self._in) < stop:
            return False
        body, self._in = self._in[end + 4 : stop], self._in[stop:]
        try:
            answer = chain.answer(body)
        except ValueError:
            self.send(_BAD)
            raise _GoneError from None
        self.send(_OK % (len(answer), answer))
        return True

    def _frame(self, chain: NullEvmChain) -> bool:
        """One WebSocket frame; False while it is not whole."""
        found = take_frame(self._in)
        if found is None:
            return False
        opcode, payload, used = found
        self._in = self._in[used:]
        if opcode == _CLOSE:
            raise _GoneError
        if opcode == _PING:
            self.tell(payload, _PONG)
        elif opcode in (_TEXT, _BINARY):
            self._message(payload, chain)
        return True

    def _message(self, payload: bytes, chain: NullEvmChain) -> None:
        if b'"eth_subscribe"' in payload:
            self.follows = True
            self.tell(orjson.dumps({"jsonrpc": "2.0", "id": orjson.loads(payload)["id"], "result": "0x1"}))
            return
        try:
            self.tell(chain.answer(payload))
        except ValueError:
            raise _GoneError from None


class NullEvmServer:
    """Serves until the process is told to end. A block every `interval_ns`; 0: as soon as a transaction has come."""

    def __init__(self, listener: socket.socket, interval_ns: int) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._interval_ns = interval_ns
        self._next_ns = monotonic_ns() + interval_ns
        self._chain = NullEvmChain()
        self._poll = select.epoll()
        self._poll.register(listener.fileno(), select.EPOLLIN)
        self._peers: dict[int, Peer] = {}

    def run(self) -> None:
        """Forever; sockets are closed when an exception ends it."""
        try:
            while True:
                wait_s = None if not self._interval_ns else max(0.0, (self._next_ns - monotonic_ns()) / NS_PER_S)
                for number, events in self._poll.poll(wait_s):
                    if number == self._listener.fileno():
                        self._accept()
                    else:
                        self._serve(self._peers[number], events)
                self._make_blocks()
        finally:
            for peer in self._peers.values():
                peer.socket.close()
            self._listener.close()
            self._poll.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # gone again before we looked
            return
        self._peers[connection.fileno()] = Peer(connection)
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def _serve(self, peer: Peer, events: int) -> None:
        had_waited = peer.waits
        try:
            if events & select.EPOLLOUT:
                peer.flush()
            if events & ~select.EPOLLOUT:
                peer.receive(self._chain)
        except BlockingIOError:
            return
        except (OSError, _GoneError):
            self._forget(peer)
            return
        if peer.waits is not had_waited:
            self._poll.modify(peer.socket.fileno(), select.EPOLLIN | (select.EPOLLOUT if peer.waits else 0))

    def _forget(self, peer: Peer) -> None:
        number = peer.socket.fileno()
        self._poll.unregister(number)
        del self._peers[number]
        peer.socket.close()

    def _make_blocks(self) -> None:
        if self._interval_ns:
            now = monotonic_ns()
            if now < self._next_ns:
                return
            self._next_ns = max(self._next_ns + self._interval_ns, now)
        elif not self._chain.pending:
            return
        self._announce(self._chain.make_block(time.time_ns() // NS_PER_MS))

    def _announce(self, block: NullBlock) -> None:
        followers = [peer for peer in self._peers.values() if peer.follows]
        if not followers:
            return
        news = orjson.dumps(
            {
                "jsonrpc": "2.0",
                "method": "eth_subscription",
                "params": {"subscription": "0x1", "result": block.header()},
            }
        )
        for peer in followers:
            had_waited = peer.waits
            try:
                peer.tell(news)
            except OSError:
                self._forget(peer)
                continue
            if peer.waits is not had_waited:
                self._poll.modify(peer.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)


def frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """A whole, unmasked WebSocket frame, as servers send them."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def take_frame(data: bytes) -> tuple[int, bytes, int] | None:
    """(opcode, unmasked payload, bytes used) of the first frame; None while it is not whole. Messages in several frames
    are not taken apart: our client sends each in one.
    """
    if len(data) < 2:
        return None
    size, at = data[1] & 0x7F, 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if len(data) < at + width:
            return None
        size, at = int.from_bytes(data[at : at + width], "big"), at + width
    masked = data[1] & 0x80
    start = at + (4 if masked else 0)
    if len(data) < start + size:
        return None
    payload = data[start : start + size]
    if masked and size:
        mask = (data[at:start] * (size // 4 + 1))[:size]
        # one XOR of two long integers: a loop over bytes would cost more than everything else here
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
    return data[0] & 0x0F, payload, start + size


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="null_evm_node", description="EVM node that takes everything and does nothing"
    )
    parser.add_argument("--address-file", required=True, type=Path, help="where the URL is written")
    parser.add_argument(
        "--block-interval-ms", type=float, default=250.0, help="0: a block as soon as there is a reason"
    )
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = NullEvmServer(listener, round(given.block_interval_ms * NS_PER_MS))
    written = given.address_file.with_suffix(".tmp")
    written.write_text(f"http://127.0.0.1:{listener.getsockname()[1]}")
    os.replace(written, given.address_file)
    server.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
