"""What HTTP and WebSocket have in common: exchange one JSON-RPC message for its answer, and say how that failed."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from bench.model.errors import ConfigurationError


class NotSentError(Exception):
    """Nothing left this machine: no connection could be made."""


class LostError(Exception):
    """The message went out, or may have, and no whole answer came back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is the HTTP status (200 over WebSocket); `body` what the node said."""

    status: int
    body: bytes


class Channel(Protocol):
    """Used from many threads or greenlets at once. Raises NotSentError and LostError."""

    def exchange(self, body: bytes, ids: Sequence[int]) -> Answer:
        """Send `body`, a request or an array of requests with these ids, and wait for its answer."""

    def close(self) -> None:
        """Release sockets; idempotent."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. `shown` is safe to print; `headers` carries what basic auth in the URL asks for."""

    scheme: str
    host: str
    port: int
    path: str
    shown: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme in ("https", "wss")

    @property
    def websocket(self) -> bool:
        """Whether this is a WebSocket."""
        return self.scheme in ("ws", "wss")

    @property
    def authority(self) -> str:
        """Host and port as a Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_target(url: str, headers: Mapping[str, str]) -> Target:
    """`user:password@` becomes an Authorization header, unless `headers` has one, and is shown nowhere."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError("the endpoint's port is not a number", remedy="write http://host:port") from error
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ConfigurationError(
            "a JSON-RPC endpoint is an http, https, ws or wss URL",
            value=f"{parts.scheme}://{parts.hostname or ''}",
            remedy="for example http://127.0.0.1:8545",
        )
    port = port or (443 if parts.scheme in ("https", "wss") else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    for name, value in headers.items():
        if any(character in name + value for character in "\r\n"):
            raise ConfigurationError(
                "a header may not contain a line break", value=name, remedy="check the header file"
            )
    return Target(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port,
        path=path,
        shown=f"{parts.scheme}://{host}:{port}",
        headers=_with_basic_auth(parts, headers),
    )


def _with_basic_auth(parts: SplitResult, headers: Mapping[str, str]) -> Mapping[str, str]:
    if parts.username is None or any(name.lower() == "authorization" for name in headers):
        return dict(headers)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {**headers, "Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
