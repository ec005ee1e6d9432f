"""Ethereum's JSON-RPC for everything but the hot path: its dialect, its quantities, and the channel a URL asks for."""

from __future__ import annotations

from bench.adapters.jsonrpc import rpc
from bench.adapters.jsonrpc.channel import Channel, Target, parse_target
from bench.adapters.jsonrpc.http import HttpChannel
from bench.adapters.jsonrpc.rpc import Dialect, Params
from bench.adapters.jsonrpc.ws import WsChannel
from bench.adapters.protocol import Endpoint, JsonValue

DIALECT = Dialect(
    "2.0",
    address="check that the endpoint is a JSON-RPC port of an EVM node",
    credentials="give headers or basic auth in the endpoint's key file",
    missing_method="enable the method on the node",
)


def open_channel(endpoint: Endpoint) -> tuple[Target, Channel]:
    """A channel of the kind the URL asks for. Connects on first use."""
    target = parse_target(endpoint.url, endpoint.headers)
    kind = WsChannel if target.websocket else HttpChannel
    return target, kind(target, endpoint.timeout_s)


class Rpc(rpc.Rpc):
    """See `bench.adapters.jsonrpc.rpc.Rpc`."""

    dialect = DIALECT

    def hex_int(self, method: str, params: Params = ()) -> int:
        """A result that is a quantity."""
        return self.quantity(method, self.call(method, params))

    def quantity(self, method: str, value: JsonValue) -> int:
        """A hexadecimal quantity as the node gave it."""
        try:
            return int(str(value), 16)
        except ValueError:
            raise self.nonsense(method, value) from None
