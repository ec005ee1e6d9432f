from __future__ import annotations

from typing import Any

import msgpack
import pytest

from bench.ledgers.null_socket_node import NullService
from bench.model.call import call_id
from bench.model.wire import WireError

MS = 1_000_000


class Peer:
    def __init__(self) -> None:
        self.said: list[Any] = []
        self.follows: int | None = None

    def send(self, message: object) -> None:
        self.said.append(message)


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


def block(service: NullService, height: int) -> list[Any]:
    data = service.block(height)
    assert data is not None
    found: list[Any] = msgpack.unpackb(data[4:])
    return found


def test_everything_is_taken_and_is_in_the_next_block() -> None:
    clock, peer = Clock(), Peer()
    service = NullService("sqlite", 10 * MS, clock)
    service.handle(peer, ["submit", [b"one", b"two"]])  # type: ignore[arg-type]
    service.handle(peer, ["submit", [b"three"]])  # type: ignore[arg-type]
    assert peer.said == [[0, 0], [0]]
    assert service.tick() == pytest.approx(0.010)
    assert service.block(1) is None
    clock.now = 10 * MS
    assert service.tick() == pytest.approx(0.010)
    height, _, ids, classes = block(service, 1)
    assert (height, ids, classes) == (1, b"".join(map(call_id, (b"one", b"two", b"three"))), bytes(3))
    clock.now = 20 * MS
    service.tick()
    assert service.block(2) is None, "empty blocks are left out"


def test_without_an_interval_a_block_is_made_at_once() -> None:
    service, peer = NullService("simulated", 0), Peer()
    service.handle(peer, ["submit", [b"one"]])  # type: ignore[arg-type]
    assert service.tick() is None
    assert block(service, 1)[2] == call_id(b"one")


@pytest.mark.parametrize("kind", ["sqlite", "simulated"])
def test_it_greets_as_the_adapter_expects(kind: str) -> None:
    service, peer = NullService(kind, 0), Peer()
    service.handle(peer, ["hello"])  # type: ignore[arg-type]
    said, found, chain_id, height, _, sequencing, confirmations = peer.said[0]
    assert (said, found, len(chain_id), height, sequencing, confirmations) == ("hello", kind, 16, 0, "none", 0)


def test_followers_begin_after_the_head_or_where_they_say() -> None:
    service, peer = NullService("sqlite", 0), Peer()
    service.handle(peer, ["submit", [b"one"]])  # type: ignore[arg-type]
    service.tick()
    service.handle(peer, ["follow", None])  # type: ignore[arg-type]
    assert peer.follows == 2
    service.handle(peer, ["follow", 0])  # type: ignore[arg-type]
    assert peer.follows == 1


def test_what_it_does_not_know_ends_the_connection() -> None:
    with pytest.raises(WireError):
        NullService("sqlite", 0).handle(Peer(), ["unheard of"])  # type: ignore[arg-type]
