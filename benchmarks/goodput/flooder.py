"""The yardstick: the least client that fills a node. Signed beforehand, raw keep-alive sockets, no measuring.

`python -m benchmarks.goodput.flooder`, orders as one JSON object on standard input. Each connection owns a share of the
accounts and sends batches of one nonce per account after the other, so nonces never overtake each other. It sends while
fewer than `in_flight` transactions are open, and looks at block sizes to know how many are. Prints one JSON object.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from bench.adapters.evm.adapter import EvmAdapter
from bench.adapters.protocol import Endpoint, Fixture
from bench.model.operation import Operation
from benchmarks.goodput.chain import AMOUNT, Rpc

_POLL_S = 0.02
_DRAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What to send where. `presigned` bounds how much can be sent."""

    url: str
    fixture: dict[str, object]
    customers: int
    seconds: float
    connections: int
    batch: int
    in_flight: int
    presigned: int


@dataclass(slots=True)
class Counts:
    """Shared by the threads; each adds to its own."""

    sent: int = 0
    refused: int = 0


def main() -> None:
    """Sign, flood, drain, report."""
    orders = Orders(**json.load(sys.stdin))
    began = time.process_time()
    shares = [list(requests(orders, connection)) for connection in range(orders.connections)]
    signed = sum(len(share) for share in shares) * orders.batch
    signing_us = (time.process_time() - began) * 1e6 / signed
    counts = [Counts() for _ in shares]
    rpc = Rpc(orders.url)
    head = rpc.number("eth_blockNumber")
    room = Room(orders.in_flight, time.monotonic() + orders.seconds)
    threads = [
        threading.Thread(target=flood, args=(orders, share, count, room))
        for share, count in zip(shares, counts, strict=True)
    ]
    for thread in threads:
        thread.start()
    included, deadline = 0, time.monotonic() + orders.seconds + _DRAIN_S
    while time.monotonic() < deadline and not (room.over and included >= sum(c.sent - c.refused for c in counts)):
        latest = rpc.number("eth_blockNumber")
        for height in range(head + 1, latest + 1):
            included += rpc.number("eth_getBlockTransactionCountByNumber", hex(height))
        head = latest
        room.open = sum(count.sent - count.refused for count in counts) - included
        time.sleep(_POLL_S)
    for thread in threads:
        thread.join()
    rpc.close()
    totals = Counts(sum(count.sent for count in counts), sum(count.refused for count in counts))
    exhausted = totals.sent >= signed
    print(json.dumps({**asdict(totals), "signing_us": signing_us, "exhausted": exhausted}))


class Room:
    """How much is open, as last seen, and when to end."""

    def __init__(self, bound: int, end: float) -> None:
        self.open = 0
        self._bound = bound
        self._end = end

    @property
    def over(self) -> bool:
        """Whether time is up."""
        return time.monotonic() >= self._end

    def wait(self) -> bool:
        """Until there is room; False when time is up."""
        while self.open >= self._bound and not self.over:
            time.sleep(0.002)
        return not self.over


def requests(orders: Orders, connection: int) -> Iterator[bytes]:
    """Signed batches of one connection, as HTTP requests."""
    fixture = Fixture(**orders.fixture)  # type: ignore[arg-type]
    adapter = EvmAdapter()
    adapter.open(Endpoint(orders.url), fixture)
    host = urlsplit(orders.url).netloc
    accounts = range(connection, fixture.accounts, orders.connections)
    sequences = {account: fixture.sequences[account] for account in accounts}
    turn = 0
    for _ in range(orders.presigned // orders.connections // orders.batch):
        payloads = []
        for _ in range(orders.batch):
            account = accounts[turn % len(accounts)]
            customer = (turn * orders.connections + connection) % orders.customers
            turn += 1
            operation = Operation("deposit_checking", {"customer": customer, "amount": AMOUNT})
            payloads.append(adapter.encode(operation, account, sequences[account]).payload)
            sequences[account] += 1
        body = b"[" + b",".join(payloads) + b"]"
        head = (
            f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body
    adapter.close()


def flood(orders: Orders, share: Sequence[bytes], count: Counts, room: Room) -> None:
    """One connection: send a batch, wait for its answer, go on."""
    target = urlsplit(orders.url)
    with socket.create_connection((target.hostname or "", target.port or 80)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in share:
            if not room.wait():
                return
            connection.sendall(request)
            count.sent += orders.batch
            room.open += orders.batch
            count.refused += answer(connection).count(b'"error"')


def answer(connection: socket.socket) -> bytes:
    """The body of one response. anvil states its length; what geth sends in chunks is not taken apart."""
    data = connection.recv(65_536)
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        while not body.endswith(b"\r\n0\r\n\r\n"):
            body += connection.recv(65_536)
        return body
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        more = connection.recv(65_536)
        if not more:
            raise ConnectionError("the node closed the connection")
        body += more
    return body


if __name__ == "__main__":
    main()
