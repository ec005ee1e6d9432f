"""A TCP server on loopback that answers HTTP requests from a script, down to the byte."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

CLOSE = object()  # close the connection without a byte
SILENT = object()  # say nothing until the client gives up

Step = bytes | object | Callable[[bytes], bytes]


@dataclass
class Script:
    """`requests` are the bodies received, `heads` their headers, `connections` how many were opened."""

    steps: list[Step]
    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0


def ok(body: bytes, *, status: str = "200 OK", extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status.encode(), len(body), extra, body)


def result(value: object) -> Callable[[bytes], bytes]:
    """Answer the one request with `value`."""
    return lambda body: ok(json.dumps({"jsonrpc": "2.0", "id": json.loads(body)["id"], "result": value}).encode())


@contextmanager
def scripted_server(steps: Sequence[Step]) -> Iterator[Script]:
    """One step per request, in the order they come; the last step repeats."""
    script = Script(list(steps))
    listener = socket.create_server(("127.0.0.1", 0))
    script.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    open_sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                peer = listener.accept()[0]
            except OSError:
                return
            script.connections += 1
            open_sockets.append(peer)
            thread = threading.Thread(target=_serve, args=(peer, script))
            thread.start()
            threads.append(thread)

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield script
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for peer in open_sockets:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in threads:
            thread.join(5)
        for peer in open_sockets:
            peer.close()


def _serve(peer: socket.socket, script: Script) -> None:
    data = b""
    try:
        while True:
            while (end := data.find(b"\r\n\r\n")) < 0:
                data += _some(peer)
            head = data[:end]
            size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(data) < end + 4 + size:
                data += _some(peer)
            body, data = data[end + 4 : end + 4 + size], data[end + 4 + size :]
            script.heads.append(head)
            script.requests.append(body)
            step = script.steps.pop(0) if len(script.steps) > 1 else script.steps[0]
            if step is CLOSE:
                peer.shutdown(socket.SHUT_RDWR)
                return
            if step is SILENT:
                _some(peer)
                return
            answer = step(body) if callable(step) else step
            assert isinstance(answer, bytes)
            peer.sendall(answer)
            if b"until-close" in answer:
                peer.shutdown(socket.SHUT_RDWR)
                return
    except OSError:
        return


def _some(peer: socket.socket) -> bytes:
    data = peer.recv(65_536)
    if not data:
        raise OSError("closed")
    return data
