"""The HTTP side alone: who may ask what, and what a rude client can do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from bench.model.errors import ConfigurationError
from bench.telemetry import server as module
from bench.telemetry.server import LiveServer, parse_address, serving
from tests.support.scrapes import get


@pytest.fixture
def server() -> Iterator[LiveServer]:
    served = LiveServer()
    yield served
    served.close()


def exchange(server: LiveServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_whatever_is_no_get_is_refused(server: LiveServer, method: str):
    answer = exchange(server, f"{method} /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer.split(b"\r\n")[0].endswith(b"405 Method Not Allowed")
    assert b"Allow: GET" in answer


@pytest.mark.parametrize("path", ["/etc/passwd", "/../page.html", "/metrics/", "/quit", "/-/reload"])
def test_there_is_nothing_else(server: LiveServer, path: str):
    assert b" 404 " in exchange(server, f"GET {path} HTTP/1.1\r\n\r\n".encode()).split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:80", b" 200 "),
        ("localhost", b" 200 "),
        ("[::1]:9", b" 200 "),
        ("evil.example", b" 403 "),
        ("", b" 403 "),
    ],
)
def test_a_foreign_name_that_points_here_reads_nothing(server: LiveServer, host: str, status: bytes):
    answer = exchange(server, f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert status in answer.split(b"\r\n")[0]


def test_a_request_too_long_is_refused(server: LiveServer):
    answer = exchange(server, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n")
    assert b" 414 " in answer.split(b"\r\n")[0]


def test_what_the_answers_are_called(server: LiveServer):
    assert b"Content-Type: text/html" in exchange(server, b"GET / HTTP/1.1\r\n\r\n")
    assert b"Content-Type: application/json" in exchange(server, b"GET /api/live.json?x=1 HTTP/1.1\r\n\r\n")
    plain = exchange(server, b"GET /metrics HTTP/1.1\r\n\r\n")
    assert b"Content-Type: text/plain; version=" in plain
    wanted = b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n"
    assert b"Content-Type: application/openmetrics-text" in exchange(server, wanted)


def test_a_client_that_says_nothing_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "REQUEST_S", 0.1)
    server = LiveServer()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as silent:
            assert silent.recv(1) == b""
    finally:
        server.close()


def test_so_many_at_once_and_no_more(server: LiveServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    address = ("127.0.0.1", server.port)
    with (
        socket.create_connection(address, timeout=5),
        socket.create_connection(address, timeout=5),
        socket.create_connection(address, timeout=5) as third,
    ):
        assert third.recv(1) == b""


def test_a_fault_of_ours_is_told_to_whoever_asks(server: LiveServer, monkeypatch: pytest.MonkeyPatch):
    def broken(accept: str) -> tuple[bytes, str]:
        raise KeyError("bench_unheard_of")

    monkeypatch.setattr(server._exporter, "exposition", broken)
    answer = exchange(server, b"GET /metrics HTTP/1.1\r\n\r\n")
    assert b" 500 " in answer.split(b"\r\n")[0]
    assert b"bench_unheard_of" in answer


def test_nobody_is_waited_for_who_never_asked(server: LiveServer):
    get(server.url)
    began = time.monotonic()
    server.linger(5)
    assert time.monotonic() - began < 1


def test_somebody_new_asks_while_the_regular_ones_are_looked_up(server: LiveServer):
    class Asked(int):
        """When looked at, another thread has just noted a first request."""

        def __gt__(self, other: int) -> bool:
            server._asked[f"/{len(server._asked)}"] = 0
            return False

    server._asked["/metrics"] = Asked()
    server.linger(0)
    assert len(server._asked) == 2


def test_whoever_asked_before_gets_the_last_values_first(server: LiveServer):
    get(f"{server.url}metrics")
    waiting = threading.Thread(target=server.linger, args=(20,))
    waiting.start()
    get(f"{server.url}api/live.json")
    assert waiting.is_alive()
    for _ in range(50):
        get(f"{server.url}metrics")
        waiting.join(0.1)
        if not waiting.is_alive():
            return
    raise AssertionError("it still waits")


def test_an_address_in_use_is_told(server: LiveServer):
    with pytest.raises(ConfigurationError, match="cannot serve"), serving("127.0.0.1", server.port):
        pass


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("0.0.0.0:9464", ("0.0.0.0", 9464)), ("[::1]:80", ("::1", 80))],
)
def test_addresses(text: str, address: tuple[str, int]):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "9464", "host", "host:", "host:port", "host:99999", "http://host:1", "a@b:1"])
def test_what_is_no_address(text: str):
    with pytest.raises(ConfigurationError, match="not an address"):
        parse_address(text)
