"""CometBFT's JSON-RPC for everything but the hot path, over several nodes of one chain: one that does not answer is
passed over for the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import orjson

from bench.adapters.jsonrpc.channel import Answer, Channel, LostError, NotSentError, Target
from bench.adapters.protocol import JsonValue
from bench.model.errors import LedgerError

Call = tuple[str, Mapping[str, JsonValue]]
"""Method and parameters by name. CometBFT takes 64-bit numbers as text."""

_BUSY = frozenset({429, 502, 503, 504})
_REMEDY = "check that the endpoint is the RPC port of a CometBFT node (26657 by default)"
_ids = count(1)


@dataclass(frozen=True, slots=True)
class RpcFault(Exception):
    """The node's own error object; `message` holds its `data` too, which is where CometBFT says what happened."""

    code: int
    message: str


class UnreachedError(LedgerError):
    """The exchange failed on its way, or its answer is none of a node's; the node may be back in a moment."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One node as a client sees it."""

    target: Target
    channel: Channel


class Rpc:
    """Asks one of `peers`, the same one as long as it answers. Any thread; the worst that two can do to each other
    is to ask another node.
    """

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers
        self._current = 0

    @property
    def current(self) -> Peer:
        """Who is asked now."""
        return self._peers[self._current]

    def give_up(self, peer: Peer) -> None:
        """Ask the one after `peer` from now on, if `peer` is asked now."""
        if self.current is peer:
            self._current = (self._current + 1) % len(self._peers)

    def only(self, peer: Peer) -> Rpc:
        """The same for one node alone."""
        return Rpc([peer])

    def call(self, method: str, **params: JsonValue) -> JsonValue:
        """The result; a node's error is a LedgerError too."""
        try:
            return self.attempt(method, **params)
        except RpcFault as fault:
            raise LedgerError(
                f"{self.current.target.shown} refused {method}", value=fault.message, remedy="see the node's log"
            ) from fault

    def attempt(self, method: str, **params: JsonValue) -> JsonValue:
        """The result; raises RpcFault with the node's own error."""
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[Call]) -> list[JsonValue]:
        """One result per call, in order, all from the same node; the first error ends it as RpcFault."""
        for _ in self._peers[1:]:
            try:
                return self._ask(self.current, calls)
            except UnreachedError:
                self.give_up(self.current)
        return self._ask(self.current, calls)

    def _ask(self, peer: Peer, calls: Sequence[Call]) -> list[JsonValue]:
        numbers = [next(_ids) for _ in calls]
        requests = [request(number, method, params) for number, (method, params) in zip(numbers, calls, strict=True)]
        body = requests[0] if len(requests) == 1 else b"[" + b",".join(requests) + b"]"
        try:
            answer = _parse(peer.channel.exchange(body, numbers), peer.target.shown)
        except (NotSentError, LostError) as error:
            raise UnreachedError(str(error), remedy="check the endpoint URL and that the node runs") from error
        items = answer if isinstance(answer, list) else [answer]
        if len(items) == 1 and isinstance(items[0], dict) and items[0].get("error"):
            result_of(items[0])  # one error for all
        by_id = {item.get("id"): item for item in items if isinstance(item, dict)}
        try:
            return [result_of(by_id[number]) for number in numbers]
        except KeyError as missing:
            raise UnreachedError(
                f"{peer.target.shown} left {calls[0][0]} unanswered", value=str(answer)[:200], remedy=_REMEDY
            ) from missing


def request(number: int, method: str, params: Mapping[str, JsonValue]) -> bytes:
    """One JSON-RPC request."""
    return orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)})


def result_of(item: Mapping[str, JsonValue]) -> JsonValue:
    """The result of one answer; raises RpcFault where it is an error."""
    error = item.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        words = [str(error[part]) for part in ("message", "data") if error.get(part)]
        raise RpcFault(code if isinstance(code, int) else 0, ": ".join(words)[:300])
    return item.get("result")


def _parse(answer: Answer, shown: str) -> JsonValue:
    if answer.status in (401, 403):
        raise LedgerError(
            f"{shown} refuses these credentials",
            value=f"HTTP {answer.status}",
            remedy="give headers or basic auth in the endpoint's headers file",
        )
    try:
        if answer.status in _BUSY:
            raise ValueError("busy")
        parsed: JsonValue = orjson.loads(answer.body)
    except ValueError as error:
        excerpt = f"HTTP {answer.status}: {answer.body[:80].decode('utf-8', 'replace')}"
        raise UnreachedError(f"{shown} does not answer with JSON", value=excerpt, remedy=_REMEDY) from error
    return parsed
