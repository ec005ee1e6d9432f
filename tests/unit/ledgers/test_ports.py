from __future__ import annotations

import socket

import pytest

from bench.ledgers import ports


def test_a_free_port_can_be_bound_and_is_never_given_twice() -> None:
    given = [ports.free_port() for _ in range(50)]
    assert len(set(given)) == 50
    with socket.socket() as server:
        server.bind(("127.0.0.1", given[0]))


def test_two_addresses_have_ports_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_given", set())
    port = ports.free_port("127.0.0.2")
    with socket.socket() as server:
        server.bind(("127.0.0.2", port))
    assert ports._given == {("127.0.0.2", port)}


def test_it_gives_up_when_everything_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_given", {("127.0.0.1", port) for port in range(65_536)})
    with pytest.raises(OSError, match="no free port"):
        ports.free_port()
