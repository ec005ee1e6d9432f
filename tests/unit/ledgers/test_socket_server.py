import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.ledgers.socket_server import FOLLOWER_BACKLOG_BYTES, Peer, SocketServer
from bench.model.wire import Address, Connection, WireError, listen, pack

BLOCKS = 400
PADDING = b"x" * 10_000


class Echo:
    """Answers what it is asked, and holds a chain of `BLOCKS` large blocks from the start."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.largest_backlog = 0

    def handle(self, peer: Peer, message: Any) -> None:
        if message == ["follow"]:
            self.peers.append(peer)
            peer.follows = 0
        elif message == ["bad"]:
            raise WireError("not a request")
        else:
            peer.send(message)

    def tick(self) -> float | None:
        self.largest_backlog = max([self.largest_backlog, *(peer.backlog for peer in self.peers)])
        return None

    def block(self, height: int) -> bytes | None:
        return pack([height, PADDING]) if height < BLOCKS else None


@pytest.fixture
def service() -> Echo:
    return Echo()


@pytest.fixture
def address(tmp_path: Path, service: Echo) -> Iterator[Address]:
    address = Address(path=str(tmp_path / "s"))
    server = SocketServer(listen(address), service)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield address
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def connection(address: Address) -> Iterator[Connection]:
    connection = Connection(address, 5.0)
    yield connection
    connection.close()


def test_requests_are_answered_in_turn_on_every_connection(connection: Connection, address: Address) -> None:
    other = Connection(address, 5.0)
    for number in range(20):
        assert connection.request(["a", number]) == ["a", number]
        assert other.request(["b", number]) == ["b", number]
    other.close()


def test_requests_sent_at_once_are_all_answered(connection: Connection) -> None:
    for number in range(50):
        connection.send(["n", number])
    assert [connection.receive() for _ in range(50)] == [["n", number] for number in range(50)]


def test_an_answer_larger_than_the_kernels_buffer_arrives_whole(connection: Connection) -> None:
    large = ["x" * 5_000_000]
    assert connection.request(large) == large
    assert connection.request(["small"]) == ["small"]


def test_a_slow_follower_is_fed_from_the_chain_without_gaps(
    connection: Connection, address: Address, service: Echo
) -> None:
    connection.send(["follow"])
    busy = Connection(address, 5.0)
    for number in range(10):
        assert busy.request([number]) == [number], "others are served while the follower does not read"
    assert [connection.receive()[0] for _ in range(BLOCKS)] == list(range(BLOCKS))
    assert 0 < service.largest_backlog <= FOLLOWER_BACKLOG_BYTES + len(PADDING) + 100
    busy.close()


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", pack(["bad"])])
def test_what_is_no_request_ends_only_its_own_connection(connection: Connection, address: Address, sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(5)
        stranger.connect(address.path)
        stranger.sendall(sent)
        assert stranger.recv(10) == b""
    assert connection.request([1]) == [1]


def test_a_peer_that_goes_without_reading_its_answer_does_no_harm(connection: Connection, address: Address) -> None:
    gone = Connection(address, 5.0)
    gone.send(["x" * 5_000_000])
    gone.close()
    assert connection.request([1]) == [1]
