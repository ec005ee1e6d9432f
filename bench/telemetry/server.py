"""The live figures over HTTP: `/metrics` for Prometheus, `/targets` where nodes have metrics of their own, `/` a page
for people, `/api/live.json` what the page shows.

It reads, and nothing else: GET only, no credentials, no command, no file but the page. On loopback unless the caller
says otherwise; whoever can reach the address can read the figures. Requests are small and short, and only so many are
answered at once, so that a stuck or rude client costs a run nothing.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from bench.model.clock import NS_PER_S, monotonic_ns
from bench.model.errors import ConfigurationError
from bench.model.version import __version__
from bench.telemetry.address import announced
from bench.telemetry.exporter import Exporter
from bench.telemetry.live_data import LiveSeries
from bench.telemetry.live_feed import LiveFeed
from bench.telemetry.live_page import page
from bench.telemetry.scrape_targets import CONTENT_TYPE, PATH, ScrapeTargets
from bench.telemetry.watch import Watch

LOOPBACK = "127.0.0.1"
MOST_AT_ONCE = 16
REQUEST_S = 10.0
"""A connection is closed after so long, whatever it is doing."""
READ_S = 5.0
REGULAR_NS = 15 * NS_PER_S
"""Who asked within this time is taken to ask again."""
_JSON = "application/json"
_POLL_S = 0.25


class LiveServer:
    """Serves at (host, port), in threads of its own until `close`, what its `watchers` hear; port 0 takes any free.
    `watchers` are `bench.run.events.TrialWatcher`s.
    """

    def __init__(self, host: str = LOOPBACK, port: int = 0) -> None:
        watch, self._series, self._targets = Watch(), LiveSeries(), ScrapeTargets()
        self.watchers = (watch, LiveFeed(self._series), self._targets)
        self._exporter = Exporter(watch)
        self._asked: dict[str, int] = {}
        self._http = _Server((host, port), self._answer)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(_POLL_S,), daemon=True, name="live")
        self._thread.start()

    @property
    def open_to_others(self) -> bool:
        """Whether other machines can reach it."""
        return not ip_address(str(self._http.server_address[0])).is_loopback

    @property
    def port(self) -> int:
        """The one it listens on."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Of the page, as seen from this machine; `metrics` beside it is what Prometheus scrapes."""
        host = str(self._http.server_address[0])
        local = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)
        return f"http://{f'[{local}]' if ':' in local else local}:{self.port}/"

    def linger(self, most_s: float) -> None:
        """Wait, at most `most_s`, until whoever asks regularly has asked once more and so has the last values."""
        since = monotonic_ns()
        regular = [path for path, at in list(self._asked.items()) if at > since - REGULAR_NS]
        while any(self._asked[path] < since for path in regular) and monotonic_ns() < since + most_s * NS_PER_S:
            time.sleep(0.02)

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _answer(self, path: str, accept: str) -> tuple[bytes, str] | None:
        """Body and content type; None: there is no such thing."""
        began = monotonic_ns()
        match path:
            case "/":
                return page(), "text/html; charset=utf-8"
            case "/metrics":
                answer = self._exporter.exposition(accept)
            case _ if path == PATH:
                answer = self._targets.to_json(), CONTENT_TYPE
            case "/api/live.json":
                answer = self._series.data(began).to_json(), _JSON
            case _:
                return None
        self._asked[path] = began
        return answer


@contextlib.contextmanager
def serving(host: str = LOOPBACK, port: int = 0) -> Iterator[LiveServer]:
    """A server for the time of the block, which `bench.py watch` finds. ConfigurationError when it cannot listen."""
    try:
        server = LiveServer(host, port)
    except OSError as error:
        raise ConfigurationError(
            f"cannot serve live figures there: {error.strerror or error}",
            value=f"{host}:{port}",
            remedy="choose another address; port 0 takes any free one",
        ) from error
    try:
        with announced(server.url):
            yield server
    finally:
        server.close()


def parse_address(text: str) -> tuple[str, int]:
    """HOST:PORT, the host perhaps an IPv6 address in brackets."""
    parts = urlsplit(f"//{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.path or parts.username is not None:
        raise ConfigurationError("not an address to listen on", value=text, remedy="HOST:PORT, e.g. 0.0.0.0:9464")
    return host, port


Answer = Callable[[str, str], tuple[bytes, str] | None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = MOST_AT_ONCE

    def __init__(self, address: tuple[str, int], answer: Answer) -> None:
        self.answer = answer
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the reverse lookup of the host's name that http.server makes, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002  # http.server's
        """Only so many at once."""
        with self._lock:
            return len(self._open) < MOST_AT_ONCE

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember when it came."""
        with self._lock:
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """It is over."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called by the loop a few times a second: end what takes too long."""
        late = time.monotonic() - REQUEST_S
        with self._lock:
            overdue = [request for request, began in self._open.items() if began < late]
        for request in overdue:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def server_close(self) -> None:
        """Stop listening, and end what is still open."""
        super().server_close()
        with self._lock:
            left = list(self._open)
        for request in left:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is its own business, and no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = f"bench/{__version__}"
    sys_version = ""
    timeout = READ_S

    def do_GET(self) -> None:
        if not self._meant_for_us():
            self.send_error(403, "this address answers to its own name only")
            return
        try:
            answer = self.server.answer(urlsplit(self.path).path, self.headers.get("Accept", ""))
        except Exception as error:  # noqa: BLE001  # the edge of this thread: whoever asks learns why there is nothing
            self.send_error(500, "the figures could not be gathered", repr(error))
            return
        if answer is None:
            self.send_error(404)
            return
        body, content_type = answer
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def _meant_for_us(self) -> bool:
        """On loopback a foreign name in `Host` is a page of somebody else's that had its name point here."""
        if not ip_address(str(self.server.server_address[0])).is_loopback:
            return True
        try:
            name = urlsplit(f"//{self.headers.get('Host', LOOPBACK)}").hostname or ""
            return name == "localhost" or ip_address(name).is_loopback
        except ValueError:
            return False

    def _refuse(self) -> None:
        self.send_response(405)
        self.send_header("Allow", "GET")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def log_message(self, format: str, *arguments: object) -> None:
        """A scrape a second is no news."""
