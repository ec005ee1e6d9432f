"""Bitcoin's JSON-RPC for everything but the hot path: its dialect, its codes, and the shapes of results.

An error comes as HTTP 500 with a JSON body, a full work queue as HTTP 503 with a plain one.
"""

from __future__ import annotations

from bench.adapters.jsonrpc import rpc
from bench.adapters.jsonrpc.rpc import Dialect, Params
from bench.adapters.protocol import JsonValue

NOT_FOUND = -5
WARMING_UP = -28

DIALECT = Dialect(
    "1.0",
    address="check that the endpoint is the RPC port of a node of the Bitcoin family",
    credentials="name the node's cookie in adapter option cookie_file, or give an Authorization header",
    missing_method="the node's software lacks the method",
)


class Rpc(rpc.Rpc):
    """See `bench.adapters.jsonrpc.rpc.Rpc`."""

    dialect = DIALECT

    def number(self, method: str, params: Params = ()) -> int:
        """A result that is a whole number."""
        result = self.call(method, params)
        if not isinstance(result, int):
            raise self.nonsense(method, result)
        return result

    def record(self, method: str, params: Params = ()) -> dict[str, JsonValue]:
        """A result that is an object."""
        result = self.call(method, params)
        if not isinstance(result, dict):
            raise self.nonsense(method, result)
        return result
