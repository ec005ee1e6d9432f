"""The yardstick on our application: the least client that fills the validators.

`python -m benchmarks.cometbft.flooder`, orders as one JSON object on standard input. Signs everything beforehand, then
one thread per connection sends a JSON-RPC batch, reads its answer whole, and sends the next, at the rate it was given.
Nothing is measured but what was sent and refused. Prints "ready" before it sends, one JSON object at the end.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.adapters.cometbft.adapter import CometBftAdapter
from bench.adapters.protocol import Endpoint, Fixture
from bench.model.operation import Account, Operation


@dataclass(frozen=True, slots=True)
class Orders:
    """What to send where, and how fast in all."""

    urls: list[str]
    fixture: dict[str, object]
    seconds: float
    rate: float
    connections: int
    batch: int


def main() -> None:
    """Sign, say so, flood, report."""
    orders = Orders(**json.load(sys.stdin))
    shares = list(requests(orders))
    print("ready", flush=True)
    began_s = time.monotonic()
    counts = [[0, 0] for _ in shares]
    threads = [
        threading.Thread(target=flood, args=(orders, number, share, counts[number], began_s))
        for number, share in enumerate(shares)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"sent": sum(one for one, _ in counts), "refused": sum(other for _, other in counts)}))


def requests(orders: Orders) -> Iterator[list[bytes]]:
    """Per connection, its HTTP requests."""
    adapter = CometBftAdapter()
    fixture = Fixture(**orders.fixture)  # type: ignore[arg-type]
    adapter.open(Endpoint(orders.urls[0]), fixture)
    each = int(orders.rate * orders.seconds / orders.connections / orders.batch)
    turn = 0
    for connection in range(orders.connections):
        host = urlsplit(orders.urls[connection % len(orders.urls)]).netloc
        share = []
        for _ in range(each):
            payloads = []
            for _ in range(orders.batch):
                pay = Operation("transfer", {"to": Account((turn + 1) % fixture.accounts), "amount": 1})
                payloads.append(adapter.encode(pay, turn % fixture.accounts, 0).payload)
                turn += 1
            body = b"[" + b",".join(payloads) + b"]" if orders.batch > 1 else payloads[0]
            head = f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
            share.append(head.encode() + body)
        yield share
    adapter.close()


def flood(orders: Orders, number: int, share: Sequence[bytes], counts: list[int], began_s: float) -> None:
    """One connection: when it is time and the last answer is here, send the next."""
    target = urlsplit(orders.urls[number % len(orders.urls)])
    gap_s = orders.batch * orders.connections / orders.rate
    with socket.create_connection((target.hostname or "", target.port or 80)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for turn, request in enumerate(share):
            wait_s = began_s + (turn + number / orders.connections) * gap_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            if time.monotonic() - began_s > orders.seconds:
                return
            connection.sendall(request)
            counts[0] += orders.batch
            counts[1] += orders.batch - answer(connection).count(b'"result":{"code":0,')


def answer(connection: socket.socket) -> bytes:
    """The body of one response; CometBFT states its length, or sends chunks where it is long."""
    data = connection.recv(65_536)
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    while len(body) < int(length) if length else not body.endswith(b"\r\n0\r\n\r\n"):
        more = connection.recv(65_536)
        if not more:
            raise ConnectionError("the node closed the connection")
        body += more
    return body


if __name__ == "__main__":
    main()
