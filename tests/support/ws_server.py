"""A WebSocket server on loopback for one script: a function from a text frame to the frames sent back."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA

Answer = Callable[[bytes], list[bytes] | None]
"""None closes the connection."""


@contextmanager
def ws_server(
    answer: Answer, *, pongs: bool = True, opened: Callable[[int], None] = lambda number: None
) -> Iterator[str]:
    """Yields the ws:// URL; serves any number of connections, each told to `opened` with its number. Without `pongs`
    pings find no answer.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    peers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                peer = listener.accept()[0]
            except OSError:
                return
            peers.append(peer)
            opened(len(peers))
            threads.append(threading.Thread(target=_serve, args=(peer, answer, pongs)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for peer in peers:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in threads:
            thread.join(5)
        for peer in peers:
            peer.close()


def _serve(peer: socket.socket, answer: Answer, pongs: bool) -> None:
    stream = peer.makefile("rb")
    try:
        key = b""
        while (line := stream.readline().strip()) != b"":
            if line.lower().startswith(b"sec-websocket-key:"):
                key = line.split(b":", 1)[1].strip()
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        peer.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while True:
            opcode, payload = _read_frame(stream)
            if opcode == _PING:
                if pongs:
                    peer.sendall(_frame(payload, _PONG))
                continue
            frames = None if opcode == _CLOSE else answer(payload)
            if frames is None:
                peer.shutdown(socket.SHUT_RDWR)
                return
            for frame in frames:
                peer.sendall(_frame(frame))
    except (OSError, struct.error):
        return
    finally:
        stream.close()


def _read_frame(stream) -> tuple[int, bytes]:
    first, second = struct.unpack("!BB", stream.read(2))
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", stream.read(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", stream.read(8))
    mask = stream.read(4)
    data = stream.read(size)
    return first & 0xF, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


def _frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    size = len(payload)
    head = struct.pack("!BB", 0x80 | opcode, size) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 126, size)
    return head + payload
