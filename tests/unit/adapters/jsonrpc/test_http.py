import socket

import pytest

from bench.adapters.jsonrpc.channel import Answer, LostError, NotSentError, parse_target
from bench.adapters.jsonrpc.http import HttpChannel
from bench.model.errors import ConfigurationError
from tests.support.scripted_server import CLOSE, SILENT, ok, scripted_server

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def channel(url: str, timeout_s: float = 5.0, **headers: str) -> HttpChannel:
    return HttpChannel(parse_target(url, headers), timeout_s)


def exchange(step: bytes | object, timeout_s: float = 5.0) -> Answer:
    with scripted_server([step]) as server:
        http = channel(server.url, timeout_s)
        try:
            return http.exchange(b"{}")
        finally:
            http.close()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (ok(b"hello"), Answer(200, b"hello")),
        (ok(b""), Answer(200, b"")),
        (ok(b"no", status="429 Too Many Requests"), Answer(429, b"no")),
        (b"HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello", Answer(200, b"hello")),
        (CHUNKED + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", Answer(200, b"hello")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"hello"), Answer(200, b"hello")),
        (b"HTTP/1.1 200 OK\r\nx: until-close\r\n\r\nhello", Answer(200, b"hello")),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", Answer(200, b"hello")),
        (ok(bytes(300_000)), Answer(200, bytes(300_000))),
    ],
)
def test_bodies(raw, expected):
    assert exchange(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage until-close\r\n\r\n",
        b"SSH-2.0-OpenSSH until-close",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nx: until-close\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        CHUNKED + b"zz\r\n",
        b"x" * 100_000,
        CLOSE,
    ],
)
def test_what_is_no_whole_answer_is_lost(raw):
    with pytest.raises(LostError):
        exchange(raw)


def test_a_silent_peer_is_given_up_in_time():
    with pytest.raises(LostError, match=r"no answer from http://127\.0\.0\.1:\d+ within 0\.05 s"):
        exchange(SILENT, timeout_s=0.05)


def test_connections_are_kept_and_closed_as_the_answer_says():
    closing = ok(b"b", extra=b"Connection: close\r\n")
    with scripted_server([ok(b"a"), closing, ok(b"c")]) as server:
        http = channel(server.url)
        assert [http.exchange(b"{}").body for _ in range(3)] == [b"a", b"b", b"c"]
        assert server.connections == 2
        http.close()


def test_a_stale_connection_is_replaced_once_with_the_same_bytes():
    with scripted_server([ok(b"a"), CLOSE, ok(b"b")]) as server:
        http = channel(server.url)
        http.exchange(b'{"n":1}')
        assert http.exchange(b'{"n":2}').body == b"b"
        assert server.requests == [b'{"n":1}', b'{"n":2}', b'{"n":2}']
        http.close()


def test_a_fresh_connection_closed_early_is_lost_not_repeated():
    with scripted_server([CLOSE]) as server:
        http = channel(server.url)
        with pytest.raises(LostError):
            http.exchange(b"{}")
        assert len(server.requests) == 1
        http.close()


def test_a_node_that_died_after_taking_the_request_leaves_it_open():
    with scripted_server([ok(b"a"), CLOSE]) as server:
        http = channel(server.url)
        http.exchange(b"{}")
        http._connect = lambda: (_ for _ in ()).throw(NotSentError("refused"))  # type: ignore[method-assign]
        with pytest.raises(LostError, match="connection closed, and then refused"):
            http.exchange(b"{}")
        http.close()


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    with pytest.raises(NotSentError, match="cannot be reached: Connection refused"):
        channel(f"http://127.0.0.1:{port}").exchange(b"{}")


def test_headers_and_basic_auth_are_sent_and_not_shown():
    with scripted_server([ok(b"a")]) as server:
        target = parse_target(server.url.replace("//", "//us%40er:pa%3Ass@") + "/v1?k=v", {"X-Api-Key": "secret"})
        http = HttpChannel(target, 5)
        http.exchange(b"{}")
        http.close()
    head = server.heads[0]
    assert head.startswith(b"POST /v1?k=v HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"X-Api-Key: secret" in head
    assert b"Authorization: Basic dXNAZXI6cGE6c3M=" in head
    assert not any(word in repr(target) for word in ("pa%3Ass", "pa:ss", "secret", "dXNA"))
    assert target.shown == server.url


def test_a_given_authorization_header_wins_over_the_url():
    assert parse_target("http://a:b@h", {"authorization": "Bearer x"}).headers == {"authorization": "Bearer x"}


@pytest.mark.parametrize("url", ["ftp://host", "host:8545", "http://", "http://host:port", ""])
def test_urls_that_are_none(url):
    with pytest.raises(ConfigurationError):
        parse_target(url, {})


def test_header_injection_is_refused():
    with pytest.raises(ConfigurationError, match="line break"):
        parse_target("http://h", {"X": "a\r\nY: b"})


def test_default_ports_and_ipv6():
    assert parse_target("https://h", {}).port == 443
    assert parse_target("ws://h", {}).port == 80
    assert parse_target("http://[::1]:8545", {}).authority == "[::1]:8545"
