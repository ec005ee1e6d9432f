"""The few calls that a ledger of ours makes to a node of the Bitcoin family: is it there, is it linked, mine."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TIMEOUT_S = 30.0


class RpcError(Exception):
    """The node answered with an error, or not at all. `reached`: it answered."""

    def __init__(self, message: str, *, reached: bool) -> None:
        super().__init__(message)
        self.reached = reached


class NodeRpc:
    """One connection, made anew after every failure. `pair` is `user:password`."""

    def __init__(self, host: str, port: int, pair: str, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        self._headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def call(self, method: str, *params: object) -> Any:
        """The result. Raises RpcError."""
        body = json.dumps({"id": 1, "method": method, "params": params})
        try:
            self._connection.request("POST", "/", body, self._headers)
            answer = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise RpcError(f"{method}: {error or type(error).__name__}", reached=False) from error
        if answer.get("error"):
            raise RpcError(f"{method}: {answer['error'].get('message')}", reached=True)
        return answer["result"]

    def answers(self) -> bool:
        """Whether the node has started."""
        try:
            return isinstance(self.call("getblockcount"), int)
        except RpcError:
            return False

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()


def read_pair(cookie: Path) -> str:
    """`user:password` from a file as Bitcoin's nodes write it."""
    return cookie.read_text().strip()


def all_at(nodes: Sequence[NodeRpc], height: int) -> bool:
    """Whether every node's best block has this height or more."""
    try:
        return all(node.call("getblockcount") >= height for node in nodes)
    except RpcError:
        return False
